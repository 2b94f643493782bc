#include "edge-agent/runtime/file_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <limits>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>

#include "edge-agent/runtime/checkpoint_store.hpp"
#include "edge-agent/runtime/disk_reserve.hpp"

namespace sallyport::edge_agent {

using spool::DiskError;

namespace {

DiskError to_disk_error(int code) {
    switch (code) {
        case ENOSPC:
        case EDQUOT: return DiskError::no_space;
        case EROFS: return DiskError::read_only;
        case ENOENT: return DiskError::not_found;
        case EACCES:
        case EPERM: return DiskError::denied;
        default: return DiskError::io;
    }
}

/// Opens relative to the directory, again and again while signals interrupt.
int open_at(int directory, const char* name, int flags, mode_t mode = 0) {
    int file = -1;
    do {
        file = ::openat(directory, name, flags | O_CLOEXEC, mode);
    } while (file < 0 && errno == EINTR);
    return file;
}

constexpr auto kOffsetMax = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());

}  // namespace

/// Owns a file descriptor.
class FileDisk::Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    int get() const { return number_; }

private:
    int number_;
};

struct FileDisk::OpenFile {
    std::string name;
    Descriptor descriptor;
};

FileDisk::FileDisk(std::filesystem::path directory,
                   std::unique_ptr<Descriptor> directory_descriptor)
    : directory_(std::move(directory)), directory_descriptor_(std::move(directory_descriptor)) {}

FileDisk::~FileDisk() = default;

std::optional<std::uint64_t> FileDisk::free_bytes() {
    const auto now = std::chrono::steady_clock::now();
    if (free_bytes_ && now < free_bytes_seen_ + std::chrono::seconds(1)) return free_bytes_;
    free_bytes_seen_ = now;
    struct statvfs system{};
    if (::fstatvfs(directory_descriptor_->get(), &system) != 0)
        free_bytes_.reset();
    else
        free_bytes_ = static_cast<std::uint64_t>(system.f_bavail) * system.f_frsize;
    return free_bytes_;
}

base::Result<std::unique_ptr<FileDisk>, DiskError> FileDisk::open(
    const std::filesystem::path& directory, base::WallTime now) {
    auto descriptor =
        std::make_unique<Descriptor>(open_at(AT_FDCWD, directory.c_str(), O_RDONLY | O_DIRECTORY));
    if (descriptor->get() < 0) return to_disk_error(errno);
    std::unique_ptr<FileDisk> disk(new FileDisk(directory, std::move(descriptor)));
    auto checkpoints = CheckpointStore::open(directory / "state.db", now, disk->aside_);
    if (!checkpoints) return checkpoints.error();
    disk->checkpoints_ = std::move(*checkpoints);
    disk->reserve_ = std::make_unique<DiskReserve>(directory / "state.reserve");
    return disk;
}

base::Result<std::vector<spool::FileInfo>, DiskError> FileDisk::list() {
    const int copy = open_at(directory_descriptor_->get(), ".", O_RDONLY | O_DIRECTORY);
    if (copy < 0) return to_disk_error(errno);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), &::closedir);
    if (!stream) {
        const int code = errno;
        ::close(copy);
        return to_disk_error(code);
    }
    std::vector<spool::FileInfo> files;
    for (;;) {
        errno = 0;
        const auto* entry = ::readdir(stream.get());  // NOLINT: this stream is ours alone
        if (entry == nullptr) break;
        struct stat about{};
        if (::fstatat(copy, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) continue;
            return to_disk_error(errno);
        }
        if (S_ISREG(about.st_mode))
            files.push_back({entry->d_name, static_cast<std::uint64_t>(about.st_size)});
    }
    if (errno != 0) return to_disk_error(errno);
    return files;
}

base::Result<int, DiskError> FileDisk::descriptor(const std::string& name) {
    const auto at = std::find_if(open_files_.begin(), open_files_.end(),
                                 [&](const OpenFile& file) { return file.name == name; });
    if (at != open_files_.end()) {
        std::rotate(at, at + 1, open_files_.end());
        return open_files_.back().descriptor.get();
    }
    Descriptor opened(open_at(directory_descriptor_->get(), name.c_str(), O_RDWR | O_NOFOLLOW));
    if (opened.get() < 0) return to_disk_error(errno);
    keep_open(name, std::move(opened));
    return open_files_.back().descriptor.get();
}

void FileDisk::keep_open(const std::string& name, Descriptor file) {
    if (open_files_.size() == kOpenFilesMax) open_files_.erase(open_files_.begin());
    open_files_.push_back({name, std::move(file)});
}

void FileDisk::forget(const std::string& name) {
    std::erase_if(open_files_, [&](const OpenFile& file) { return file.name == name; });
}

base::Result<void, DiskError> FileDisk::create(const std::string& name, std::uint64_t size) {
    if (size > kOffsetMax) return DiskError::no_space;
    Descriptor file(open_at(directory_descriptor_->get(), name.c_str(),
                            O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    if (file.get() < 0) return to_disk_error(errno);
    int code = 0;
    do {
        code = ::posix_fallocate(file.get(), 0, static_cast<off_t>(size));
    } while (code == EINTR);
    if (code != 0) {
        // What was allocated so far must not take the room that is missing.
        ::unlinkat(directory_descriptor_->get(), name.c_str(), 0);
        return to_disk_error(code);
    }
    keep_open(name, std::move(file));
    return {};
}

base::Result<void, DiskError> FileDisk::write(const std::string& name, std::uint64_t offset,
                                              base::ByteView bytes) {
    if (offset > kOffsetMax - bytes.size()) return DiskError::no_space;
    const auto file = descriptor(name);
    if (!file) return file.error();
    while (!bytes.empty()) {
        const auto written =
            ::pwrite(*file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return to_disk_error(errno);
        if (written == 0) return DiskError::io;
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
    return {};
}

base::Result<void, DiskError> FileDisk::sync(const std::string& name) {
    const auto file = descriptor(name);
    if (!file) return file.error();
    // Not repeated on any error, EINTR included: a second call may hide that the first lost pages.
    if (::fdatasync(*file) != 0) return to_disk_error(errno);
    return {};
}

base::Result<void, DiskError> FileDisk::sync_directory() {
    if (::fsync(directory_descriptor_->get()) != 0) return to_disk_error(errno);
    return {};
}

base::Result<base::Bytes, DiskError> FileDisk::read(const std::string& name, std::uint64_t offset,
                                                    std::size_t length) {
    if (offset > kOffsetMax - length) return DiskError::io;
    const auto file = descriptor(name);
    if (!file) return file.error();
    base::Bytes bytes(length);
    std::size_t have = 0;
    while (have < length) {
        const auto got =
            ::pread(*file, bytes.data() + have, length - have, static_cast<off_t>(offset + have));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return to_disk_error(errno);
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
    }
    bytes.resize(have);
    return bytes;
}

base::Result<void, DiskError> FileDisk::remove(const std::string& name) {
    forget(name);
    if (::unlinkat(directory_descriptor_->get(), name.c_str(), 0) != 0) return to_disk_error(errno);
    return {};
}

base::Result<void, DiskError> FileDisk::rename(const std::string& from, const std::string& to) {
    forget(from);
    forget(to);
    const int directory = directory_descriptor_->get();
    if (::renameat(directory, from.c_str(), directory, to.c_str()) != 0)
        return to_disk_error(errno);
    return {};
}

base::Result<void, DiskError> FileDisk::save(const spool::Checkpoint& checkpoint) {
    auto saved = checkpoints_->save(checkpoint);
    // What must be ledgered before anything can be freed is what the reserve is for.
    if (!saved && saved.error() == DiskError::no_space && reserve_->give_up())
        saved = checkpoints_->save(checkpoint);
    if (saved) reserve_->take_if_room();
    return saved;
}

base::Result<spool::Checkpoint, DiskError> FileDisk::load() {
    return checkpoints_->load();
}

base::Result<std::vector<spool::KeptRecord>, DiskError> FileDisk::read_kept(
    const spool::KeptRange& range) {
    return checkpoints_->read_kept(range);
}

}  // namespace sallyport::edge_agent
