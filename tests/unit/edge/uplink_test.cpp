#include "edge-agent/uplink/uplink.hpp"

#include <algorithm>
#include <memory>

#include "tests/simulation/model_disk.hpp"
#include "tests/unit/edge/far_side.hpp"

namespace sallyport::uplink {
namespace {

using namespace std::chrono_literals;
using edge_core::FarSession;
using edge_core::FarSide;
using tunnel::SessionEnd;
using Lines = std::vector<std::string>;

/// An uplink over a real spool on a model disk, and the far side of its link.
class UplinkTest : public testing::Test {
protected:
    void start(std::vector<std::string> destinations) {
        spool::SpoolOptions stored;
        stored.edge = "acme/line3";
        stored.destinations = destinations;
        stored.segment_bytes_max = 256U << 10U;
        auto recovered = spool::Spool::recover(stored, disk_, 100, 1, now_);
        ASSERT_TRUE(recovered);
        spool_ = std::move(*recovered);
        UplinkOptions options;
        options.plant = "acme";
        options.name = "line3";
        options.destinations = std::move(destinations);
        options.process = 9;
        uplink_ = std::make_unique<Uplink>(options, *spool_, now_);
    }
    Uplink& uplink() { return *uplink_; }
    spool::Spool& spool() { return *spool_; }
    FarSide& far() { return *far_; }

    /// Dials when the uplink wants to and lets the relay answer.
    void connect(const base::Identity& identity = edge_core::kRelayIdentity) {
        pass(1s);
        ASSERT_TRUE(dialled_) << "the uplink does not dial";
        link_ = std::exchange(dialled_, std::nullopt);
        far_ = std::make_unique<FarSide>(now_);
        uplink().opened(*link_, {0, "10.20.0.5:8443", identity}, now_);
        drain();
    }
    FarSession& open(const std::string& peer, const Lines& topics) {
        auto& session = far().open(++next_session_, peer, topics, now_);
        drain();
        return session;
    }
    FarSession& connect_to_hq(const Lines& topics = {"#"}) {
        start({"hq"});
        connect();
        return open("acme/hq", topics);
    }
    void hang_up(base::CloseCause cause) {
        link_.reset();
        uplink().closed(cause, now_);
        drain();
    }

    record::Seq append(const std::string& topic, const std::string& value) {
        tunnel::BatchRecord record;
        record.tag = spool().tag(topic);
        record.flags = record::kHasValue;
        record.source_time = record.arrival_time = now_.wall;
        record.value = base::as_bytes(value);
        return spool().append(record, now_).value_or(0);
    }
    void append_quality(record::Quality quality, const Lines& topics) {
        tunnel::BatchRecord record;
        record.quality = quality;
        record.arrival_time = now_.wall;
        record.tag = spool().tag(topics.at(0));
        for (std::size_t i = 1; i < topics.size(); ++i)
            record.also_tags.push_back(spool().tag(topics[i]));
        spool().append(record, now_);
    }
    void sync() {
        while (auto job = spool().next_job(now_))
            spool().complete(run(disk_, std::move(*job)), now_);
        drain();
    }
    /// One entry of its own.
    void publish(const std::string& topic, const std::string& value) {
        append(topic, value);
        sync();
    }

    void pass(base::Duration time) {
        constexpr base::Duration kStep = 50ms;
        for (; time > base::Duration{}; time -= kStep) {
            now_.instant = now_.instant + std::min(kStep, time);
            now_.wall = now_.wall + std::min(kStep, time);
            const auto deadline = uplink().next_deadline();
            if (deadline && *deadline <= now_.instant) uplink().expire(now_);
            drain();
        }
    }
    void drain() {
        for (bool moved = true; moved;) {
            moved = false;
            uplink().pump(now_);
            while (const auto command = uplink().next_command()) moved = obey(*command) || moved;
            base::Bytes bytes;
            while (link_ && uplink().take_output(bytes)) {
                moved = true;
                far().receive(bytes, now_);
            }
            while (link_ && far().take_output(bytes)) {
                moved = true;
                uplink().received(*link_, bytes, now_);
            }
            while (auto job = spool().next_job(now_)) {
                if (!is_read(*job)) {
                    later_.push_back(std::move(*job));
                    break;
                }
                moved = true;
                spool().complete(run(disk_, std::move(*job)), now_);
            }
            for (auto& job : std::exchange(later_, {}))
                spool().complete(run(disk_, std::move(job)), now_);
        }
        while (const auto notice = uplink().next_notice()) notices_.push_back(notice->text);
    }

    DestinationStatus status_of(std::size_t destination = 0) {
        return uplink().status(now_).destinations.at(destination);
    }
    tunnel::Position cursor() { return spool().cursors().at(0).position; }
    bool noticed(std::string_view what) const {
        return std::ranges::any_of(
            notices_, [&](const auto& text) { return text.find(what) != std::string::npos; });
    }

    base::Now now_{base::Instant{1h}, base::WallTime{1'000'000'000'000}};
    std::optional<base::ConnectionId> dialled_, link_;

private:
    bool obey(const base::Command& command) {
        if (const auto* connect = std::get_if<base::Connect>(&command)) dialled_ = connect->id;
        if (!std::holds_alternative<base::Close>(command) || !link_) return false;
        base::Bytes bytes;
        while (uplink().take_output(bytes)) far().receive(bytes, now_);
        link_.reset();
        uplink().closed(base::CloseCause::local, now_);
        return true;
    }
    static bool is_read(const spool::DiskJob& job) {
        return job.ops.size() == 1 && std::holds_alternative<spool::ReadBytes>(job.ops[0]);
    }

    simulation::ModelDisk disk_;
    std::unique_ptr<spool::Spool> spool_;
    std::unique_ptr<Uplink> uplink_;
    std::unique_ptr<FarSide> far_;
    std::vector<spool::DiskJob> later_;
    Lines notices_;
    std::uint64_t next_session_ = 500;
};

TEST_F(UplinkTest, DoesNotDialWithoutADestination) {
    start({});
    EXPECT_EQ(uplink().next_deadline(), std::nullopt);
    pass(10s);
    EXPECT_FALSE(dialled_);
}

TEST_F(UplinkTest, SpeaksOnlyToARelay) {
    start({"hq"});
    connect({"acme", base::Role::it, "hq"});
    EXPECT_FALSE(link_);
    EXPECT_EQ(status_of().state, PathState::lost);
    EXPECT_NE(uplink().status(now_).last_failure.find("relay"), std::string::npos);
}

TEST_F(UplinkTest, RefusesASessionOfWhoIsNotADestination) {
    start({"hq"});
    connect();
    publish("a", "secret");
    auto& session = open("acme/spy", {"#"});
    ASSERT_EQ(far().closed().size(), 1U);
    EXPECT_EQ(far().closed()[0].session, session.receiver.id());
    EXPECT_EQ(far().closed()[0].reason, SessionEnd::not_wanted);
    EXPECT_TRUE(session.log.runs.empty());
    EXPECT_TRUE(session.entries.empty());
    EXPECT_TRUE(noticed("acme/spy"));
    EXPECT_TRUE(link_) << "only the session is refused";
}

TEST_F(UplinkTest, ADestinationOfAnotherPlantIsNamedWithIt) {
    start({"central/hq"});
    connect();
    auto& stranger = open("acme/hq", {"#"});
    EXPECT_TRUE(stranger.log.runs.empty());
    auto& session = open("central/hq", {"#"});
    EXPECT_EQ(session.log.runs.size(), 1U);
}

TEST_F(UplinkTest, SendsWhatIsSyncedAndNothingElse) {
    auto& session = connect_to_hq();
    append("a", "1");
    uplink().pump(now_);
    EXPECT_TRUE(session.entries.empty());
    sync();
    EXPECT_EQ(session.story(), Lines{"a=1"});
    EXPECT_EQ(session.defined, Lines{"a"});
}

TEST_F(UplinkTest, TheCursorMovesByAnAckAndNothingElse) {
    auto& session = connect_to_hq();
    far().acknowledges_ = false;
    publish("a", "1");
    publish("a", "2");
    pass(5s);  // Beats are echoed, pings answered
    ASSERT_EQ(session.entries.size(), 2U);
    EXPECT_GE(session.beats.size(), 2U);
    EXPECT_EQ(cursor(), tunnel::Position{});
    EXPECT_EQ(uplink().acknowledged("hq"), 0U);
    far().acknowledge(session, session.entries[0], now_);
    drain();
    EXPECT_EQ(cursor(), session.entries[0].end);
    EXPECT_EQ(uplink().acknowledged("hq"), 1U);
    EXPECT_EQ(status_of().waiting_records, 1U);
    EXPECT_EQ(spool().cursors()[0].store, far().store_);
}

TEST_F(UplinkTest, LeavesOutWhatTheRouteDoesNotHold) {
    start({"hq", "archive"});
    connect();
    auto& whole = open("acme/archive", {"#"});
    auto& part = open("acme/hq", {"plant/#"});
    append("plant/a", "1");
    append("office/b", "2");
    append("plant/a", "3");
    sync();
    EXPECT_EQ(whole.story(), (Lines{"plant/a=1", "office/b=2", "plant/a=3"}));
    EXPECT_EQ(part.story(), (Lines{"plant/a=1", "plant/a=3"}));
    EXPECT_EQ(part.defined, Lines{"plant/a"}) << "not even its name leaves";
    // The position is the whole entry's, so that the log can confirm it.
    ASSERT_EQ(part.entries.size(), 1U);
    EXPECT_EQ(part.entries[0].end, whole.entries.at(0).end);
    EXPECT_EQ(part.entries[0].whole_checksum, whole.entries[0].end.checksum);
    EXPECT_EQ(whole.entries[0].whole_checksum, 0U);
    EXPECT_EQ(status_of(0).refused_records, 1U);
    EXPECT_EQ(status_of(1).refused_records, 0U);
    EXPECT_EQ(cursor(), part.entries[0].end);
    EXPECT_TRUE(noticed("office/b"));
}

TEST_F(UplinkTest, AnEntryOfWhichNothingMayPassStillMovesTheCursor) {
    auto& session = connect_to_hq({"plant/#"});
    publish("office/b", "1");
    EXPECT_EQ(session.story(), Lines{});
    EXPECT_EQ(session.entries.size(), 1U);
    EXPECT_EQ(cursor().seq, 1U);
    EXPECT_EQ(status_of().refused_records, 1U);
}

TEST_F(UplinkTest, LeavesTagsOutOfAChangeOfManyQualities) {
    auto& session = connect_to_hq({"plant/#"});
    append_quality(record::Quality::bad_not_connected, {"office/b", "plant/a", "plant/c", "x"});
    append_quality(record::Quality::uncertain_last_usable, {"office/b"});
    sync();
    EXPECT_EQ(session.story(), Lines{"plant/c,plant/a:Bad.NotConnected"});
    EXPECT_EQ(status_of().refused_records, 3U);
}

TEST_F(UplinkTest, GoesOnBehindAPartlySentEntryAfterAReconnect) {
    auto& session = connect_to_hq({"plant/#"});
    append("office/b", "1");
    append("plant/a", "2");
    sync();
    const auto had = session.entries.at(0).end;
    hang_up(base::CloseCause::reset);
    publish("plant/a", "3");
    connect();
    far().resume_at_ = had;
    auto& again = open("acme/hq", {"plant/#"});
    EXPECT_TRUE(again.gaps.empty()) << "the log confirms the position";
    EXPECT_EQ(again.story(), Lines{"plant/a=3"});
}

TEST_F(UplinkTest, SendsAgainWhatWasNotAcknowledged) {
    auto& session = connect_to_hq();
    far().acknowledges_ = false;
    publish("a", "1");
    publish("a", "2");
    ASSERT_EQ(session.entries.size(), 2U);
    far().acknowledge(session, session.entries[0], now_);
    drain();
    const auto had = cursor();
    hang_up(base::CloseCause::closed);
    EXPECT_EQ(status_of().state, PathState::lost);
    connect();
    far().resume_at_ = had;
    auto& again = open("acme/hq", {"#"});
    EXPECT_EQ(again.story(), Lines{"a=2"});
    EXPECT_EQ(again.defined, Lines{"a"}) << "defined anew in each session";
}

TEST_F(UplinkTest, KeepsWithinTheCreditItWasGiven) {
    auto& session = connect_to_hq();
    far().acknowledges_ = false;
    for (int i = 0; i < 20; ++i) publish("a", std::string(10'000, 'x'));
    std::size_t bytes = 0;
    for (const auto& entry : session.entries) bytes += entry.bytes;
    EXPECT_GE(bytes, tunnel::kWindowBytesFirst);
    EXPECT_LE(bytes, tunnel::kWindowBytesFirst + session.entries.back().bytes);
    far().acknowledges_ = true;
    const auto sent = session.entries.size();
    for (std::size_t i = 0; i < sent; ++i) {
        const auto entry = session.entries[i];
        far().acknowledge(session, entry, now_);
    }
    drain();
    EXPECT_EQ(session.entries.size(), 20U);
    EXPECT_EQ(cursor().seq, 20U);
}

TEST_F(UplinkTest, ClosesASessionWhoseFarSideAcknowledgesWhatWasNeverSent) {
    auto& session = connect_to_hq();
    publish("a", "1");
    far().send(encode(session.receiver.id(), tunnel::Ack{{100, 7, 8}, 1, 0}));
    drain();
    ASSERT_EQ(far().closed().size(), 1U);
    EXPECT_EQ(far().closed()[0].reason, SessionEnd::protocol);
    EXPECT_EQ(cursor().seq, 1U);
    EXPECT_TRUE(link_);
}

TEST_F(UplinkTest, ClosesASessionThatIsNeverResumed) {
    start({"hq"});
    connect();
    far().resumes_ = false;
    open("acme/hq", {"#"});
    pass(9900ms);
    EXPECT_TRUE(far().closed().empty());
    EXPECT_EQ(status_of().state, PathState::catching_up);
    pass(200ms);
    ASSERT_EQ(far().closed().size(), 1U);
    EXPECT_EQ(far().closed()[0].reason, SessionEnd::protocol);
    EXPECT_EQ(status_of().state, PathState::lost);
}

TEST_F(UplinkTest, ASessionThatTheRelayClosesIsLostUntilTheNext) {
    auto& session = connect_to_hq();
    EXPECT_EQ(status_of().state, PathState::live);
    far().close(session, SessionEnd::peer_lost);
    drain();
    EXPECT_EQ(status_of().state, PathState::lost);
    EXPECT_EQ(status_of().reason, to_string(SessionEnd::peer_lost));
    EXPECT_TRUE(link_);
    publish("a", "1");
    auto& again = open("acme/hq", {"#"});
    EXPECT_EQ(again.story(), Lines{"a=1"});
    EXPECT_EQ(status_of().state, PathState::live);
}

TEST_F(UplinkTest, IsStalledWhenAcksStopForSixSeconds) {
    connect_to_hq();
    far().acknowledges_ = false;
    publish("a", "1");
    pass(5900ms);
    EXPECT_EQ(status_of().state, PathState::live);
    pass(200ms);
    EXPECT_EQ(status_of().state, PathState::stalled);
}

TEST_F(UplinkTest, IsBehindWhenTheOldestUnsentRecordIsOlderThanTenSeconds) {
    start({"hq"});
    for (int i = 0; i < 20; ++i) publish("a", std::string(10'000, 'x'));
    pass(15s);
    connect();
    far().acknowledges_ = false;
    auto& session = open("acme/hq", {"#"});
    EXPECT_EQ(status_of().state, PathState::behind);
    ASSERT_FALSE(session.beats.empty());
    EXPECT_GE(session.beats.back().behind, 15s);
}

TEST_F(UplinkTest, RedialsAfterALinkThatEnded) {
    connect_to_hq();
    hang_up(base::CloseCause::reset);
    EXPECT_EQ(uplink().status(now_).link, "waiting");
    EXPECT_EQ(uplink().status(now_).last_failure, "reset");
    connect();
    EXPECT_EQ(uplink().status(now_).link, "up");
    EXPECT_EQ(uplink().status(now_).links_opened, 2U);
}

TEST_F(UplinkTest, SaysGoodbyeAndDialsNoMoreWhenShutDown) {
    connect_to_hq();
    uplink().shut_down();
    drain();
    ASSERT_TRUE(far().bye());
    EXPECT_EQ(far().bye()->reason, tunnel::ByeReason::shutdown);
    pass(10s);
    EXPECT_FALSE(dialled_);
}

}  // namespace
}  // namespace sallyport::uplink
