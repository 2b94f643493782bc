#include "common/ops/data_dir_lock.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "common/ops/escape.hpp"
#include "common/ops/exit_codes.hpp"

namespace sallyport::ops {
namespace {

constexpr mode_t kOwnerOnlyDir = 0700;
constexpr mode_t kOwnerOnlyFile = 0600;

[[noreturn]] void fail(const std::string& what, const std::string& path, int error) {
    throw Failure(ExitCode::storage, what + " " + path + ": " +
                                         std::generic_category().message(error) +
                                         "; check [agent] data_dir and who may write there");
}

void make_directory(const std::string& path) {
    std::error_code error;
    const auto parent = std::filesystem::path(path).parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, error);
    if (error) fail("cannot make the directory", parent.string(), error.value());
    if (::mkdir(path.c_str(), kOwnerOnlyDir) == 0) return;
    const int reason = errno;
    if (reason != EEXIST || !std::filesystem::is_directory(path, error))
        fail("cannot make the data directory", path, reason);
}

/// Writes the process id: a hint for people, nothing decides on it, so an agent whose disk is full
/// starts without. An older one is written over in place, which needs no room, or taken away.
void name_holder(int descriptor) {
    const auto id = std::to_string(::getpid()) + "\n";
    const auto size = static_cast<ssize_t>(id.size());
    const bool written = ::pwrite(descriptor, id.data(), id.size(), 0) == size;
    // The end of a longer one does no harm: the id ends with its line.
    [[maybe_unused]] const int ignored = ::ftruncate(descriptor, written ? size : 0);
}

std::string holder_of(int descriptor) {
    std::array<char, 32> text{};
    const auto got = ::pread(descriptor, text.data(), text.size(), 0);
    if (got <= 0) return "another process";
    std::string_view id(text.data(), static_cast<std::size_t>(got));
    return "process " + escape(id.substr(0, id.find('\n')));
}

}  // namespace

DataDirLock::DataDirLock(const std::string& data_dir) {
    auto dir = data_dir;
    while (dir.size() > 1 && dir.ends_with('/')) dir.pop_back();
    make_directory(dir);
    const auto path = dir + "/lock";
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kOwnerOnlyFile);
    if (descriptor_ < 0) fail("cannot open", path, errno);
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
        const int reason = errno;
        const auto holder = holder_of(descriptor_);
        ::close(descriptor_);
        if (reason != EWOULDBLOCK) fail("cannot lock", path, reason);
        throw Failure(ExitCode::storage, "the data directory " + dir + " is in use by " + holder +
                                             "; stop it, or give this agent its own data_dir");
    }
    name_holder(descriptor_);
}

DataDirLock::~DataDirLock() {
    ::close(descriptor_);
}

}  // namespace sallyport::ops
