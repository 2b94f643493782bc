#include "common/pki/durable_file.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <openssl/crypto.h>

namespace sallyport::pki {
namespace {

constexpr mode_t kNotTheOwner = S_IRWXG | S_IRWXO;

std::string errno_text() {
    return std::generic_category().message(errno);
}

class Descriptor {
public:
    explicit Descriptor(int file) : file_(file) {}
    ~Descriptor() {
        if (file_ >= 0) ::close(file_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return file_; }

private:
    int file_;
};

std::string read_checked(const std::string& path, bool is_private, std::size_t bytes_max) {
    // O_NONBLOCK, so that a FIFO given by mistake is refused instead of waited for.
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (file.get() < 0)
        throw PkiError("cannot read " + path + ": " + errno_text() +
                       "; check the path and its permissions");
    struct stat about{};
    if (::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode))
        throw PkiError(path + " is not a file; check the path");
    if (is_private && (about.st_mode & kNotTheOwner) != 0)
        throw PkiError(path + " is open to others than its owner; run `chmod 600 " + path + "`");
    std::string content;
    std::array<char, 16384> part{};
    for (;;) {
        const auto size = ::read(file.get(), part.data(), part.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) throw PkiError("cannot read " + path + ": " + errno_text());
        if (size == 0) break;
        content.append(part.data(), static_cast<std::size_t>(size));
        if (content.size() > bytes_max)
            throw PkiError(path + " is larger than " + std::to_string(bytes_max) +
                           " bytes, which it never should be; check the path");
    }
    OPENSSL_cleanse(part.data(), part.size());
    return content;
}

void write_and_sync(int file, const std::string& path, std::string_view content) {
    while (!content.empty()) {
        const auto size = ::write(file, content.data(), content.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) throw StorageError("cannot write " + path + ": " + errno_text());
        content.remove_prefix(static_cast<std::size_t>(size));
    }
    if (::fsync(file) != 0) throw StorageError("cannot sync " + path + ": " + errno_text());
}

/// A new name in a folder is on the disk only when the folder is.
void sync_folder_of(const std::string& path) {
    auto folder = std::filesystem::path(path).parent_path();
    if (folder.empty()) folder = ".";
    const Descriptor file{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (file.get() < 0 || ::fsync(file.get()) != 0)
        throw StorageError("cannot sync the folder of " + path + ": " + errno_text());
}

}  // namespace

std::string read_file(const std::string& path, std::size_t bytes_max) {
    return read_checked(path, false, bytes_max);
}

std::string read_private_file(const std::string& path) {
    return read_checked(path, true, kPemBytesMax);
}

void write_new_private_file(const std::string& path, std::string_view content) {
    const Descriptor file{
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR)};
    if (file.get() < 0 && errno == EEXIST)
        throw PkiError(path + " exists and a key is never overwritten; move it away first");
    if (file.get() < 0)
        throw StorageError("cannot make " + path + ": " + errno_text() + "; check its folder");
    try {
        write_and_sync(file.get(), path, content);
        sync_folder_of(path);
    } catch (const StorageError&) {
        ::unlink(path.c_str());
        throw;
    }
}

StagedFile::StagedFile(std::string path, std::string_view content, unsigned mode)
    : path_(std::move(path)), staged_path_(path_ + ".XXXXXX") {
    const Descriptor file{::mkostemp(staged_path_.data(), O_CLOEXEC)};
    if (file.get() < 0)
        throw StorageError("cannot write beside " + path_ + ": " + errno_text() +
                           "; check its folder");
    try {
        if (::fchmod(file.get(), static_cast<mode_t>(mode)) != 0)
            throw StorageError("cannot set the mode of " + staged_path_ + ": " + errno_text());
        write_and_sync(file.get(), staged_path_, content);
    } catch (const StorageError&) {
        ::unlink(staged_path_.c_str());
        throw;
    }
}

StagedFile::~StagedFile() {
    if (!staged_path_.empty()) ::unlink(staged_path_.c_str());
}

void StagedFile::commit() {
    if (::rename(staged_path_.c_str(), path_.c_str()) != 0)
        throw StorageError("cannot put " + path_ + " in place: " + errno_text());
    staged_path_.clear();
    sync_folder_of(path_);
}

void refuse_to_replace_other(const std::string& path, std::string_view label) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (status.type() == std::filesystem::file_type::not_found) return;
    const auto begin = "-----BEGIN " + std::string(label) + "-----";
    const auto content = read_file(path);
    if (content.empty()) return;
    if (content.find(begin) == std::string::npos ||
        content.find("PRIVATE KEY-----") != std::string::npos)
        throw PkiError(path + " holds something else than a " + std::string(label) +
                       " and is not replaced; choose another path");
}

FileLock::FileLock(const std::string& path)
    : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR)) {
    if (file_ < 0) throw StorageError("cannot open " + path + ": " + errno_text());
    int done = 0;
    do done = ::flock(file_, LOCK_EX);
    while (done != 0 && errno == EINTR);
    if (done == 0) return;
    const auto reason = errno_text();
    ::close(file_);
    throw StorageError("cannot lock " + path + ": " + reason);
}

FileLock::~FileLock() {
    ::close(file_);
}

}  // namespace sallyport::pki
