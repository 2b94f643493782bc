// `edge-agent spool …` on the files of an edge that does not run.
#include "edge-agent/runtime/spool_verbs.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "edge-agent/runtime/file_disk.hpp"
#include "edge-agent/runtime/spool_json.hpp"
#include "edge-agent/spool/entry_format.hpp"
#include "edge-agent/spool/spool.hpp"

namespace sallyport::edge_agent {
namespace {

namespace json = boost::json;

class SpoolVerbsTest : public testing::Test {
public:
    SpoolVerbsTest() {
        std::string pattern = (std::filesystem::temp_directory_path() / "verbs-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
        std::ofstream(directory_ / "edge.toml") << "[agent]\nname = \"a\"\ndata_dir = \"data\"\n";
        std::filesystem::create_directories(directory_ / "data" / "spool");
        fill();
    }
    ~SpoolVerbsTest() override { std::filesystem::remove_all(directory_); }

protected:
    void fill() {
        auto disk = FileDisk::open(directory_ / "data" / "spool", {});
        ASSERT_TRUE(disk);
        spool::SpoolOptions options;
        options.edge = "local/a";
        options.destinations = {"hq"};
        options.segment_bytes_max = 1U << 20U;
        auto spool = spool::Spool::recover(options, **disk, 7, 7, {});
        ASSERT_TRUE(spool);
        for (const std::string value : {"one", "two", "\x01\xFF", "four"}) {
            tunnel::BatchRecord record;
            record.tag = (*spool)->tag("plant/a");
            record.flags = record::kHasValue;
            record.value = base::as_bytes(value);
            record.arrival_time.ns = 1'000'000'000;
            ASSERT_TRUE((*spool)->append(record, {}));
            while (auto job = (*spool)->next_job({}))
                (*spool)->complete(run(**disk, std::move(*job)), {});
        }
    }
    int run_verb(const std::string& verb, ops::SpoolArguments arguments = {}) {
        arguments.verb = verb;
        arguments.config = (directory_ / "edge.toml").string();
        arguments.json = true;
        testing::internal::CaptureStdout();
        const int code = run_spool_verb(arguments);
        output_ = testing::internal::GetCapturedStdout();
        return code;
    }
    json::object answer() const { return json::parse(output_).as_object(); }

    std::filesystem::path directory_;
    std::string output_;
};

TEST_F(SpoolVerbsTest, TellWhatTheDatabaseAndTheFilesHold) {
    EXPECT_EQ(run_verb("stats"), 0);
    EXPECT_EQ(answer().at("spool").at("records").to_number<int>(), 4);
    EXPECT_EQ(run_verb("cursors"), 0);
    EXPECT_EQ(answer().at("cursors").at(0).at("destination"), "hq");
    EXPECT_EQ(run_verb("ledger"), 0);
    EXPECT_TRUE(answer().at("ledger").as_array().empty());
}

TEST_F(SpoolVerbsTest, ExportWritesALineARecord) {
    EXPECT_EQ(run_verb("export"), 0);
    EXPECT_EQ(std::count(output_.begin(), output_.end(), '\n'), 4);
    EXPECT_NE(output_.find(R"("topic":"plant/a","value":"one","quality":"Good")"),
              std::string::npos)
        << output_;
    EXPECT_NE(output_.find(R"("value_base64":"Af8=")"), std::string::npos) << output_;
    ops::SpoolArguments some;
    some.from_seq = 2;
    some.to_seq = 2;
    EXPECT_EQ(run_verb("export", some), 0);
    EXPECT_EQ(answer().at("value"), "two");
    ops::SpoolArguments late;
    late.since = "2026-01-31T12:00:00Z";
    EXPECT_EQ(run_verb("export", late), 0);
    EXPECT_EQ(output_, "");
    late.since = "yesterday";
    EXPECT_THROW(run_verb("export", late), ops::Failure);
    testing::internal::GetCapturedStdout();
}

TEST_F(SpoolVerbsTest, ARunningAgentGivesItsTagsPageByPage) {
    auto disk = FileDisk::open(directory_ / "data" / "spool", {});
    ASSERT_TRUE(disk);
    spool::SpoolOptions options;
    options.edge = "local/a";
    auto spool = spool::Spool::recover(options, **disk, 8, 8, {});
    ASSERT_TRUE(spool);
    while ((*spool)->tag_count() < std::size_t{2} * kTagsPage)
        (*spool)->tag("tag/" + std::to_string((*spool)->tag_count()));
    const auto page = [&](record::TagId from) {
        return json::parse(answer_spool_question(**spool, "spool-tags " + std::to_string(from)));
    };
    EXPECT_EQ(page(1).at("tags").as_array().size(), kTagsPage);
    EXPECT_EQ(page(1).at("next"), kTagsPage + 1);
    EXPECT_EQ(page(kTagsPage + 1).at("tags").as_array().size(), kTagsPage);
    EXPECT_TRUE(page(kTagsPage + 1).at("next").is_null());
    EXPECT_TRUE(page(5 * kTagsPage).at("tags").as_array().empty());
    EXPECT_TRUE(
        json::parse(answer_spool_question(**spool, "spool-tags 0")).as_object().contains("error"));
}

TEST_F(SpoolVerbsTest, VerifyFindsADamagedEntryThatTheLedgerDoesNotKnow) {
    EXPECT_EQ(run_verb("verify"), 0);
    EXPECT_TRUE(answer().at("sound").as_bool());
    EXPECT_EQ(answer().at("entries").to_number<int>(), 4);
    for (const auto& file : std::filesystem::directory_iterator(directory_ / "data" / "spool")) {
        if (!spool::parse_segment_name(file.path().filename().string())) continue;
        std::fstream segment(file.path(), std::ios::in | std::ios::out | std::ios::binary);
        segment.seekp(spool::kSegmentHeaderBytes + spool::kEntryHeaderBytes + 40);
        segment.put('\x77');
    }
    EXPECT_EQ(run_verb("verify"), 7);
    EXPECT_FALSE(answer().at("sound").as_bool());
    ASSERT_EQ(answer().at("holes").as_array().size(), 1U);
    EXPECT_EQ(answer().at("holes").at(0).at("first_seq").to_number<int>(), 1);
    EXPECT_FALSE(answer().at("holes").at(0).at("in_ledger").as_bool());
}

}  // namespace
}  // namespace sallyport::edge_agent
