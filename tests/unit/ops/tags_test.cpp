#include "common/ops/tags.hpp"

#include <algorithm>
#include <iostream>
#include <sstream>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "common/ops/control_socket.hpp"
#include "common/ops/exit_codes.hpp"
#include "tests/unit/ops/scratch_dir.hpp"

namespace sallyport::ops {
namespace {

record::TagRow row(const std::string& topic, std::string_view value) {
    record::TagRow made;
    made.topic = topic;
    made.value.set(17, base::as_bytes(value), {1'700'000'000'000'000'000},
                   {1'700'000'001'000'000'000});
    made.publisher = "plc";
    return made;
}

TEST(TagsRequest, IsReadAsItIsWritten) {
    record::TagsQuery query;
    query.from = 12;
    query.rows_max = 34;
    query.filter = "plant/+/a b/#";
    const auto read = parse_tags_request(to_request(query));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->from, 12U);
    EXPECT_EQ(read->rows_max, 34U);
    EXPECT_EQ(read->filter, "plant/+/a b/#");
    EXPECT_EQ(parse_tags_request("tags 0 999999 #")->rows_max, record::TagsQuery::kRowsMax);
    for (const auto* bad : {"tags", "tags ", "tags 1 2", "tags 1 2 ", "tags -1 2 #", "tags 1 #",
                            "tags 1 2 a/#/b", "status", "tags x 2 #"})
        EXPECT_FALSE(parse_tags_request(bad)) << bad;
}

TEST(TagsAnswer, ShowsTextsBytesAndNothing) {
    record::TagsPage page;
    page.rows = {row("a", "21.5"), row("b", "\xff\x01"), row("c", "")};
    page.rows[2].value = {};
    page.rows[0].shown = record::Quality::bad_last_known;
    page.next = 7;
    EXPECT_EQ(
        tags_json(page),
        R"({"tags":[{"topic":"a","value":"21.5","bytes":4,"quality":"Good","code":192,)"
        R"("shown":"Bad.LastKnown","source_time":"2023-11-14T22:13:20.000000000Z",)"
        R"("arrival_time":"2023-11-14T22:13:21.000000000Z","publisher":"plc","seq":17},)"
        R"({"topic":"b","value":"0xff01","bytes":2,"quality":"Good","code":192,"shown":"Good",)"
        R"("source_time":"2023-11-14T22:13:20.000000000Z",)"
        R"("arrival_time":"2023-11-14T22:13:21.000000000Z","publisher":"plc","seq":17},)"
        R"({"topic":"c","value":null,"bytes":0,"quality":"Good","code":192,"shown":"Good",)"
        R"("source_time":null,"arrival_time":null,"publisher":"plc","seq":0}],"next":7})");
}

TEST(TagsAnswer, CutsNoCharacterInTwo) {
    record::TagsPage page;
    page.rows = {row("a", std::string(255, 'x') + "\xC3\xA9" + "tail")};
    EXPECT_NE(tags_json(page).find("\"" + std::string(255, 'x') + "\""), std::string::npos);
}

/// An agent with `tags` tags behind a control socket.
class TagsVerbTest : public testing::Test {
protected:
    TagsVerbTest()
        : control_(io_, socket_,
                   [](std::string_view line) {
                       const auto query = parse_tags_request(line);
                       if (!query) return std::string("{}");
                       record::TagsPage page;
                       auto at = query->from;
                       for (; at < 2500 && page.rows.size() < query->rows_max; ++at)
                           page.rows.push_back(row("plant/" + std::to_string(at), "1"));
                       if (at < 2500) page.next = at;
                       return tags_json(page);
                   }),
          server_([this] { io_.run(); }) {}
    ~TagsVerbTest() override {
        io_.stop();
        server_.join();
    }
    std::string show(std::size_t limit, bool as_json) {
        std::ostringstream out;
        auto* const before = std::cout.rdbuf(out.rdbuf());
        EXPECT_EQ(show_tags(socket_, "plant/#", limit, as_json), 0);
        std::cout.rdbuf(before);
        return out.str();
    }

private:
    ScratchDir directory_;
    std::string socket_ = directory_.file("control.sock");
    boost::asio::io_context io_;
    ControlSocket control_;
    std::thread server_;
};

TEST_F(TagsVerbTest, AsksPageByPageUpToTheLimitAndSaysSo) {
    const auto some = show(1500, false);
    EXPECT_EQ(std::ranges::count(some, '\n'), 1501);
    EXPECT_TRUE(
        some.starts_with("plant/0  1  Good  source 2023-11-14T22:13:20.000000000Z  "
                         "arrival 2023-11-14T22:13:21.000000000Z  by plc  seq 17\n"))
        << some.substr(0, 200);
    EXPECT_NE(some.find("there may be more"), std::string::npos);
    const auto all = show(10'000, false);
    EXPECT_EQ(std::ranges::count(all, '\n'), 2500);
    EXPECT_EQ(all.find("there may be more"), std::string::npos);
    EXPECT_TRUE(show(10'000, true).ends_with("],\"more\":false}\n"));
}

TEST(TagsVerb, RefusesWhatIsNoFilter) {
    EXPECT_THROW(show_tags("/nowhere", "a/#/b", 10, false), Failure);
}

}  // namespace
}  // namespace sallyport::ops
