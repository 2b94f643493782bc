#include "common/ops/data_dir_lock.hpp"

#include <fstream>
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
