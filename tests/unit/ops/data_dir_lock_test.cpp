#include "common/ops/data_dir_lock.hpp"

#include <csignal>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/ops/exit_codes.hpp"
#include "tests/unit/ops/scratch_dir.hpp"

namespace sallyport::ops {
namespace {

TEST(DataDirLock, MakesTheDirectoryForItsOwnerOnly) {
    const ScratchDir scratch;
    const auto dir = scratch.file("a/data");
    const DataDirLock lock(dir + "/");
    struct stat status{};
    ASSERT_EQ(::stat(dir.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0700U);
    EXPECT_TRUE(std::filesystem::exists(dir + "/lock"));
}

TEST(DataDirLock, RefusesASecondHolderAndNamesTheFirst) {
    const ScratchDir scratch;
    const auto dir = scratch.file("data");
    const DataDirLock lock(dir);
    try {
        const DataDirLock second(dir);
        FAIL() << "locked twice";
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::storage);
        const std::string text = failure.what();
        EXPECT_NE(text.find("in use by process " + std::to_string(::getpid())), std::string::npos)
            << text;
    }
}

TEST(DataDirLock, IsFreeAgainAfterItsHolder) {
    const ScratchDir scratch;
    const auto dir = scratch.file("data");
    {
        const DataDirLock first(dir);
    }
    EXPECT_NO_THROW(const DataDirLock second(dir));
}

/// Nothing that is written finds room as long as it lives.
class NoRoom {
public:
    NoRoom() : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit none{.rlim_cur = 0, .rlim_max = before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &none);
    }
    ~NoRoom() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }
    NoRoom(const NoRoom&) = delete;
    NoRoom& operator=(const NoRoom&) = delete;

private:
    void (*handler_)(int);
    rlimit before_{};
};

TEST(DataDirLock, IsHeldOnAFullDiskAndNamesNobodyElse) {
    const ScratchDir scratch;
    const auto dir = scratch.file("data");
    {
        const DataDirLock before(dir);
        std::ofstream(dir + "/lock") << "4194303\n";
    }
    std::string text;
    {
        const NoRoom no_room;
        const DataDirLock first(dir);
        text = text_thrown_by<Failure>([&] { const DataDirLock second(dir); });
    }
    EXPECT_NE(text.find("in use by another process"), std::string::npos) << text;
}

TEST(DataDirLock, SaysWhyADirectoryCannotBeMade) {
    const ScratchDir scratch;
    std::ofstream(scratch.file("file")) << "x";
    for (const auto* path : {"file", "file/data"}) {
        const auto text =
            text_thrown_by<Failure>([&] { const DataDirLock lock(scratch.file(path)); });
        EXPECT_NE(text.find("check [agent] data_dir"), std::string::npos) << text;
    }
}

}  // namespace
}  // namespace sallyport::ops
