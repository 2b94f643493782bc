#include "common/base/network_core.hpp"

#include <set>

#include <gtest/gtest.h>

#include "common/base/notice.hpp"

namespace sallyport::base {
namespace {

TEST(DialIds, AreOddAndNeverRepeat) {
    DialIds ids;
    std::set<ConnectionId> seen;
    for (int i = 0; i < 1000; ++i) {
        const auto id = ids.next();
        EXPECT_TRUE(is_dialled(id));
        EXPECT_TRUE(seen.insert(id).second);
    }
    EXPECT_EQ(*seen.begin(), ConnectionId{1});
}

TEST(DialIds, EvenIdsAreAcceptedConnections) {
    EXPECT_FALSE(is_dialled(ConnectionId{0}));
    EXPECT_FALSE(is_dialled(ConnectionId{2}));
    EXPECT_TRUE(is_dialled(ConnectionId{3}));
}

TEST(CloseCauses, HaveNamesOfTheirOwn) {
    std::set<std::string_view> names;
    for (const auto cause :
         {CloseCause::closed, CloseCause::reset, CloseCause::silent, CloseCause::refused,
          CloseCause::unreachable, CloseCause::identity, CloseCause::local})
        EXPECT_TRUE(names.insert(to_string(cause)).second);
    EXPECT_EQ(names.size(), 7U);
    EXPECT_FALSE(names.contains("?"));
}

TEST(Notices, ComeInTheirOrder) {
    Notices notices;
    notices.add(NoticeLevel::info, "first");
    notices.add(NoticeLevel::alarm, "second");
    const auto first = notices.next();
    const auto second = notices.next();
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->text, "first");
    EXPECT_EQ(first->level, NoticeLevel::info);
    EXPECT_EQ(second->text, "second");
    EXPECT_EQ(second->level, NoticeLevel::alarm);
    EXPECT_FALSE(notices.next());
}

TEST(Notices, KeepTheOldestWhereNobodyFetchesThem) {
    Notices notices;
    for (std::size_t i = 0; i < Notices::kWaitingMax + 10; ++i)
        notices.add(NoticeLevel::info, std::to_string(i));
    std::size_t count = 0;
    while (const auto notice = notices.next()) EXPECT_EQ(notice->text, std::to_string(count++));
    EXPECT_EQ(count, Notices::kWaitingMax);
    notices.add(NoticeLevel::info, "room again");
    EXPECT_TRUE(notices.next());
}

}  // namespace
}  // namespace sallyport::base
