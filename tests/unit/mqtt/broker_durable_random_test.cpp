// A publisher, a subscriber, an owner with a log of its own, a store and a process that dies at any
// moment, driven by a seed. Whatever happens: QoS 2 is received, and logged by the owner, exactly
// once and in order, QoS 1 at least once, and no exchange stays open.
#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "tests/unit/mqtt/durable_fixture.hpp"

namespace sallyport::mqtt {
namespace {

constexpr std::uint32_t kRuns = 3'000;
constexpr int kStepsPerRun = 80;
constexpr std::uint16_t kWindow = 4;  // packet identifiers are used again soon

class BrokerDurableRandom : public DurableBrokerTest {
protected:
    struct Outgoing {
        int number = 0;
        Qos qos{};
        bool retain = false;
        bool released = false;
        std::uint16_t packet_id = 0;
    };
    struct Logged {
        AckToken token;
        std::uint16_t packet_id = 0;
        std::optional<int> number;  // nothing: a release
        Qos qos{};
    };

    void run(std::uint32_t seed) {
        random_.seed(seed);
        begin(seed % 2 == 0);
        for (int i = 0; i < kStepsPerRun; ++i) step();
        finish();
        check();
    }

private:
    int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }

    void begin(bool owner_keeps_receipts) {
        store_ = {};
        under_way_.reset();
        options_.owner_keeps_receipts = owner_keeps_receipts;
        restart(limits_, options_);
        acknowledges_ = false;
        outgoing_.clear();
        sent_.clear();
        receiving_.clear();
        received_.clear();
        unsynced_.clear();
        log_.clear();
        log_receipts_.clear();
        has_retained_ = false;
        subscriber_ = &subscriber("s", "t", Qos::exactly_once);
        publisher_ = &join_lasting("p");
        save();
    }

    void step() {
        switch (pick(16)) {
            case 0:
            case 1:
            case 2: publish_next(); break;
            case 3: sync(pick(4)); break;
            case 4:
            case 5: begin_or_end_save(); break;
            case 6:
            case 7:
            case 8: publisher_reads(); break;
            case 9:
            case 10:
            case 11: subscriber_reads(); break;
            case 12: reconnect_publisher(pick(2) == 0); break;
            case 13: reconnect_subscriber(pick(2) == 0); break;
            case 14: crash_at(pick(3)); break;
            default: pass(std::chrono::seconds(1)); break;
        }
        take_events();
    }

    void publish_next() {
        if (outgoing_.size() >= kWindow) return;
        Outgoing next;
        next.number = static_cast<int>(sent_.size()) + 1;
        next.qos = pick(2) == 0 ? Qos::at_least_once : Qos::exactly_once;
        next.retain = pick(3) == 0;
        const auto in_use = [&](std::uint16_t id) {
            return std::ranges::any_of(
                outgoing_, [&](const Outgoing& other) { return other.packet_id == id; });
        };
        for (next.packet_id = 1; in_use(next.packet_id);) ++next.packet_id;
        has_retained_ |= next.retain;
        sent_.push_back(next.qos);
        outgoing_.push_back(next);
        transmit(next, false);
    }

    void transmit(const Outgoing& outgoing, bool dup) {
        if (outgoing.released) {
            acknowledge(*publisher_, PacketType::pubrel, outgoing.packet_id);
            return;
        }
        const std::string payload = std::to_string(outgoing.number);
        Publish publish = message("t", payload, outgoing.qos, outgoing.packet_id);
        publish.dup = dup;
        publish.retain = outgoing.retain;
        send(*publisher_, publish);
    }

    void publisher_reads() {
        if (publisher_->inbox.empty()) return;
        const auto ack = expect<Acknowledgement>(*publisher_);
        // A PUBREL whose PUBCOMP was lost with its connection releases nothing any more.
        EXPECT_TRUE(ack.reason == ReasonCode::success ||
                    (ack.type == PacketType::pubcomp &&
                     ack.reason == ReasonCode::packet_identifier_not_found));
        const auto outgoing = std::ranges::find(outgoing_, ack.packet_id, &Outgoing::packet_id);
        if (outgoing == outgoing_.end()) return;
        if (ack.type == PacketType::pubrec) {
            EXPECT_EQ(outgoing->qos, Qos::exactly_once);
            outgoing->released = true;
            transmit(*outgoing, false);
            return;
        }
        EXPECT_EQ(ack.type, outgoing->released ? PacketType::pubcomp : PacketType::puback);
        outgoing_.erase(outgoing);
    }

    void subscriber_reads() {
        if (subscriber_->inbox.empty()) return;
        if (subscriber_->inbox[0] >> 4U == static_cast<unsigned>(PacketType::pubrel)) {
            const auto packet_id = expect<Acknowledgement>(*subscriber_).packet_id;
            receiving_.erase(packet_id);
            acknowledge(*subscriber_, PacketType::pubcomp, packet_id);
            return;
        }
        const auto got = expect<Publish>(*subscriber_);
        const int number = std::stoi(std::string(base::as_text(got.payload)));
        if (got.qos == Qos::at_least_once) {
            received_.push_back(number);
            acknowledge(*subscriber_, PacketType::puback, got.packet_id);
            return;
        }
        if (receiving_.insert(got.packet_id).second) received_.push_back(number);
        acknowledge(*subscriber_, PacketType::pubrec, got.packet_id);
    }

    void reconnect_publisher(bool hangs_up) {
        if (hangs_up) hang_up(*publisher_);
        publisher_ = &join_lasting("p");
        EXPECT_TRUE(last_connack_.session_present);
        for (const auto& outgoing : outgoing_) transmit(outgoing, true);
    }
    void reconnect_subscriber(bool hangs_up) {
        if (hangs_up) hang_up(*subscriber_);
        subscriber_ = &join_lasting("s");
        EXPECT_TRUE(last_connack_.session_present);
    }

    void begin_or_end_save() {
        if (under_way_)
            end_save();
        else
            begin_save();
    }

    /// The owner appends in order; without receipts it has nothing of its own on disk.
    void take_events() {
        for (const auto& event : events()) {
            if (event.kind == SeenEvent::Kind::released) {
                unsynced_.push_back({event.token, event.token.packet_id, {}, {}});
            } else if (event.kind == SeenEvent::Kind::published) {
                EXPECT_TRUE(options_.owner_keeps_receipts || !event.already_distributed);
                if (event.already_yours)
                    broker().acknowledge(event.token, ReasonCode::success, now_);
                else
                    unsynced_.push_back(
                        {event.token, event.token.packet_id, std::stoi(event.payload), event.qos});
            }
        }
        drain();
    }
    void sync(int count) {
        for (; count > 0 && !unsynced_.empty(); --count) {
            const Logged entry = unsynced_.front();
            unsynced_.pop_front();
            if (!entry.number) {
                log_receipts_.erase(entry.packet_id);
                broker().acknowledge_release(entry.token, now_);
                continue;
            }
            log_.push_back(*entry.number);
            if (entry.qos == Qos::exactly_once) log_receipts_.insert(entry.packet_id);
            broker().acknowledge(entry.token, ReasonCode::success, now_);
        }
        drain();
    }

    /// 0: what is under way is lost; 1: it is written; 2: likewise, and the owner's log, too.
    void crash_at(int kind) {
        if (kind == 2)
            while (!unsynced_.empty()) sync(1);
        unsynced_.clear();
        if (kind == 0)
            crash();
        else
            crash_after_write();
        for (const auto packet_id : log_receipts_) {
            if (!options_.owner_keeps_receipts) break;
            EXPECT_TRUE(broker().restore_receipt(key_of("p"), packet_id));
        }
        reconnect_publisher(false);
        reconnect_subscriber(false);
    }

    void finish() {
        for (int i = 0; i < 1'000; ++i) {
            if (i == 0) {
                reconnect_publisher(true);
                reconnect_subscriber(true);
            }
            take_events();
            sync(100);
            save();
            publisher_reads();
            subscriber_reads();
            if (outgoing_.empty() && subscriber_->inbox.empty() && store_.deliveries.empty() &&
                receiving_.empty())
                break;
        }
        take_events();
        sync(100);
        save();
    }

    void check() {
        EXPECT_TRUE(outgoing_.empty());
        EXPECT_TRUE(receiving_.empty());
        EXPECT_TRUE(store_.deliveries.empty());
        EXPECT_TRUE(store_.messages.empty());
        EXPECT_TRUE(store_.receipts.empty());
        EXPECT_EQ(store_.faults, "");
        EXPECT_EQ(broker().counters().restored_left_out, 0U);
        if (options_.owner_keeps_receipts) {
            EXPECT_TRUE(log_receipts_.empty());
        }
        count(received_);
        // Without receipts of its own the owner may miss what the store alone has taken over.
        if (options_.owner_keeps_receipts) count(log_);
        // A resend of QoS 1 may have brought an older value back; disk and memory agree on it.
        EXPECT_EQ(broker().counters().retained, store_.retained.size());
        EXPECT_EQ(store_.retained.contains("t"), has_retained_);
        if (!has_retained_) return;
        auto& late = join("late");
        subscribe(late, "t");
        expect_message(late, "t", base::as_text(store_.retained.at("t").message->payload));
    }
    void count(const std::vector<int>& all) {
        std::map<int, int> times;
        int last = 0;
        for (const int number : all) {
            ++times[number];
            if (sent_.at(static_cast<std::size_t>(number) - 1) != Qos::exactly_once) continue;
            EXPECT_GT(number, last);
            last = number;
        }
        for (std::size_t i = 0; i < sent_.size(); ++i) {
            const int of_this = times[static_cast<int>(i) + 1];
            EXPECT_GE(of_this, 1) << "message " << i + 1;
            if (sent_[i] == Qos::exactly_once) {
                EXPECT_EQ(of_this, 1) << "message " << i + 1;
            }
        }
    }

    std::mt19937 random_;
    ScriptedClient* publisher_ = nullptr;
    ScriptedClient* subscriber_ = nullptr;
    std::vector<Outgoing> outgoing_;  // in order of publication
    std::vector<Qos> sent_;           // of message 1, 2, …
    std::set<std::uint16_t> receiving_;
    std::vector<int> received_;
    std::deque<Logged> unsynced_;
    std::vector<int> log_;
    std::set<std::uint16_t> log_receipts_;
    bool has_retained_ = false;
};

TEST_F(BrokerDurableRandom, NothingIsLostAndQosTwoIsOnce) {
    for (std::uint32_t seed = 1; seed <= kRuns && !HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        run(seed);
    }
}

}  // namespace
}  // namespace sallyport::mqtt
