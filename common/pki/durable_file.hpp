// Files that must survive a crash whole: either the old content or the new, never a mixture.
// Reading failures are PkiError (the file to mend is named); writing failures are StorageError.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/pki/certificate.hpp"

namespace sallyport::pki {

inline constexpr std::size_t kPemBytesMax = std::size_t{1} << 20;

/// The whole of a regular file; refuses more than `bytes_max`.
std::string read_file(const std::string& path, std::size_t bytes_max = kPemBytesMax);

/// As read_file, and refuses a file that anybody but its owner may read or write.
std::string read_private_file(const std::string& path);

/// A new file of mode 0600, on the disk when this returns; refuses to overwrite anything.
void write_new_private_file(const std::string& path, std::string_view content);

/// The next content of a file, written and synced beside it under a temporary name; `commit`
/// renames it into place and syncs the folder. Without commit the destructor removes it.
class StagedFile {
public:
    StagedFile(std::string path, std::string_view content, unsigned mode);
    ~StagedFile();
    StagedFile(const StagedFile&) = delete;
    StagedFile& operator=(const StagedFile&) = delete;
    void commit();

private:
    std::string path_, staged_path_;
};

/// Throws PkiError where `path` exists and is something else than a PEM file of `label`
/// ("CERTIFICATE", "CERTIFICATE REQUEST"): a slip in a path must not replace a key.
void refuse_to_replace_other(const std::string& path, std::string_view label);

/// An exclusive flock(2) on `path`, made where absent; waits for the holder.
class FileLock {
public:
    explicit FileLock(const std::string& path);
    ~FileLock();
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;

private:
    int file_;
};

}  // namespace sallyport::pki
