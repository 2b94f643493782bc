#include "edge-agent/runtime/disk_reserve.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace sallyport::edge_agent {

DiskReserve::DiskReserve(std::filesystem::path file, std::uint64_t bytes)
    : file_(std::move(file)), bytes_(bytes), held_(allocate()) {
    std::error_code ignored;
    if (!held_) std::filesystem::remove(file_, ignored);
}

/// A file that is there keeps the blocks it has.
bool DiskReserve::allocate() const {
    const int file = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return false;
    int code = 0;
    do {
        code = ::posix_fallocate(file, 0, static_cast<off_t>(bytes_));
    } while (code == EINTR);
    ::close(file);
    return code == 0;
}

bool DiskReserve::give_up() {
    std::error_code error;
    if (!held_ || !std::filesystem::remove(file_, error)) return false;
    held_ = false;
    return true;
}

void DiskReserve::take_if_room() {
    if (held_) return;
    struct statvfs about{};
    if (::statvfs(file_.parent_path().c_str(), &about) != 0) return;
    if (std::uint64_t{about.f_bavail} * about.f_frsize < 2 * bytes_) return;
    held_ = allocate();
    std::error_code ignored;
    if (!held_) std::filesystem::remove(file_, ignored);
}

}  // namespace sallyport::edge_agent
