// A retained value with a Message Expiry Interval expires when it would have, whatever becomes of
// the it-agent or of its quality in between.
#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"
#include "tests/unit/it/it_fixture.hpp"

namespace sallyport::it_core {
namespace {

using namespace std::chrono_literals;
using mqtt::PropertyId;

constexpr record::Epoch kEpoch = 0xABC;

class RetainedExpiryTest : public ItTest, public testing::WithParamInterface<bool> {
protected:
    RetainedExpiryTest() {
        options_.keeps_broker_state = GetParam();
        start();
        base::Bytes properties;
        mqtt::append_property(properties, {PropertyId::message_expiry_interval, 60, {}, {}});
        log_.add("plant/a", "1", record::kRetain, record::Quality::good, properties);
        deliver(connect_edge(log_), log_, 1);
    }
    /// Seconds that its retained copy has left; nothing where there is none.
    std::optional<std::uint32_t> left() {
        auto& late = subscribe("plant/a");
        const auto publish = late.take<mqtt::Publish>();
        if (!publish) return std::nullopt;
        const auto expiry =
            mqtt::find_property(publish->properties, PropertyId::message_expiry_interval);
        return expiry ? expiry->number : 0;
    }

    EdgeLog log_{kEpoch};
};

TEST_P(RetainedExpiryTest, AStartRestoresWhatIsLeft) {
    pass(20s);
    start();
    ASSERT_TRUE(left());
    EXPECT_LE(*left(), 40U);
    EXPECT_GT(*left(), 35U);
    pass(10s);
    start();
    ASSERT_TRUE(left());
    EXPECT_LE(*left(), 30U);
}

TEST_P(RetainedExpiryTest, AChangeOfQualityDoesNotProlongIt) {
    pass(20s);
    lose_link();
    pass(1s);
    ASSERT_TRUE(left());
    EXPECT_LE(*left(), 39U);
    auto& session = connect_edge(log_);
    beat(session);
    pass(1s);
    ASSERT_TRUE(left());
    EXPECT_LE(*left(), 37U);
}

TEST_P(RetainedExpiryTest, WhatHasExpiredIsNotRestored) {
    now_.instant = now_.instant + 2min;
    now_.wall = now_.wall + 2min;
    start();
    EXPECT_FALSE(left());
    log_.add("plant/b", "1");
    deliver(connect_edge(log_), log_, 2);
    EXPECT_TRUE(store_.retained.empty()) << "nor kept";
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutLastingSessions, RetainedExpiryTest, testing::Bool());

}  // namespace
}  // namespace sallyport::it_core
