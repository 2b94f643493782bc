#include "common/ops/json_as_text.hpp"

#include <gtest/gtest.h>

namespace sallyport::ops {
namespace {

TEST(JsonAsText, IndentsObjectsAndKeepsPlainListsOnALine) {
    EXPECT_EQ(json_as_text(R"({"name":"line3","up":true,"spool":{"bytes":12,"oldest":null},
                              "to":["hq","lab"],"none":[],"empty":{},"age_s":1.5})"),
              "name: line3\n"
              "up: yes\n"
              "spool:\n"
              "  bytes: 12\n"
              "  oldest: -\n"
              "to: hq, lab\n"
              "none: none\n"
              "empty: none\n"
              "age_s: 1.5\n");
}

TEST(JsonAsText, MarksEachObjectOfAList) {
    EXPECT_EQ(
        json_as_text(R"({"links":[{"peer":"a","state":"live"},{"peer":"b","state":"lost"}]})"),
        "links:\n"
        "  - peer: a\n"
        "    state: live\n"
        "  - peer: b\n"
        "    state: lost\n");
}

TEST(JsonAsText, EscapesWhatWouldReachTheTerminal) {
    EXPECT_EQ(json_as_text("{\"client\":\"\\u001b[2J\"}"), "client: \\x1b[2J\n");
    EXPECT_EQ(json_as_text("not json\x1b"), "not json\\x1b\n");
}

TEST(JsonAsText, DoesNotFollowBottomlessNesting) {
    const std::string deep(100'000, '[');
    EXPECT_EQ(json_as_text(deep), deep + "\n");
}

}  // namespace
}  // namespace sallyport::ops
