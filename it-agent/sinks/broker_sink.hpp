// Sink `broker`: entries become messages of the embedded broker. An entry is handed over in two
// steps: one store transaction with its position, tags and retained messages; then, in order, its
// messages to the subscribers. "The sink has it" when both are done: only then is it acknowledged.
//
//   arrived -> held, while the broker's subscribers hold back, the store refuses, or enough waits
//   -> waiting (gathering) -> committing (one transaction at a time) -> committed -> emitted
//
// Held is bounded by the credit of one session: none is given for what has not been emitted.
//
// A transaction that fails is tried again, whole, a second later; nothing behind it overtakes it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/mqtt/broker.hpp"
#include "common/tunnel/frame.hpp"
#include "it-agent/emit/edge_feed.hpp"
#include "it-agent/emit/mirror.hpp"
#include "it-agent/sinks/ledger.hpp"
#include "it-agent/sinks/store.hpp"

namespace sallyport::sinks {

/// A session's numbers of its tags -> the feed's indices; shared with entries that outlive the
/// session.
using TagMap = std::vector<emit::EdgeFeed::TagIndex>;

/// One entry on its way through the sink.
struct Arrival {
    emit::EdgeFeed* feed = nullptr;
    tunnel::SessionId session{};
    tunnel::Position end;
    record::Seq after = 0;  // records at or below it were handed over before
    std::shared_ptr<const TagMap> tags;
    std::size_t credit_bytes = 0;
    tunnel::Position before{};  // up to where its epoch had been taken when it came
};
/// The sink has the entry.
struct Emitted {
    emit::EdgeFeed* feed = nullptr;
    tunnel::SessionId session{};
    tunnel::Position end;
    std::size_t credit_bytes = 0;
};

class BrokerSink {
public:
    static constexpr base::Duration kRetryAfter = std::chrono::seconds(1);

    explicit BrokerSink(mqtt::Broker& broker, Ledger ledger = Ledger())
        : broker_(broker), ledger_(std::move(ledger)) {}

    /// Takes the entry; `records` are its decoded records, valid during the call only.
    void add(const Arrival& arrival, base::ByteView body,
             const std::vector<tunnel::BatchRecord>& records, base::Now now);

    /// What will not come goes into the ledger, before any position passes it. Gives how many
    /// records are new there. `log`: see Ledger::add_range.
    std::uint64_t note_missing(const record::LedgerEntry& range,
                               const std::vector<tunnel::Run>& log);
    void begin_ledger_pass() { ledger_.begin_pass(); }
    const Ledger& ledger() const { return ledger_; }

    /// Takes entries that were held, as soon as nobody holds back any more. After every input.
    void take_held(base::Now now);
    /// A new session of the edge begins, in which what is held comes again: it is forgotten, so
    /// that no number of sessions can make it more than the credit of one. Gives up to where its
    /// epochs are taken without it, of those that are concerned.
    std::map<record::Epoch, tunnel::Position> forget_held(const emit::EdgeFeed& feed);
    /// Entries of this edge that were taken and are not handed over yet.
    std::uint64_t pending(const emit::EdgeFeed& feed) const;

    /// At a start: this retained message of the store is no more. It goes with the next
    /// transaction.
    void clear_retained(const std::string& topic);

    std::optional<StoreJob> next_job(base::Now now);
    void complete(const StoreDone& done, base::Now now);
    std::optional<base::Instant> next_deadline() const { return retry_at_; }

    /// Emits the next committed entry; nothing where none waits or the broker's subscribers hold
    /// back.
    std::optional<Emitted> emit_next(base::Now now);

    /// The newest transaction was refused, and none has succeeded since.
    bool is_failing() const { return failing_; }
    const std::string& last_error() const { return last_error_; }

private:
    struct Waiting {
        Arrival arrival;
        std::shared_ptr<const base::Bytes> body;
        // When it came, and what its edge's clock said: from there on the Message Expiry Intervals
        // of its values count by our own clock, whatever is learned of the edge's later.
        base::Now came{};
        base::WallTime edge_came{};
        // Likewise when it was taken. By this is decided, once, what has expired, and which of the
        // values that are staged are historical.
        base::Now taken{};
        base::WallTime edge_taken{};
        std::vector<std::uint64_t> stages{};  // of its values, in order; none: not staged

        std::optional<base::Instant> expires_at(const tunnel::BatchRecord& record) const;
        bool is_expired(const tunnel::BatchRecord& record) const;
    };

    /// Whether an entry is taken, or held.
    bool takes_more() const;
    void take(Waiting entry, const std::vector<tunnel::BatchRecord>& records, base::Now now);
    void note_tag(const Arrival& arrival, const tunnel::BatchRecord& record, record::TagId tag);
    void note_retained(const Waiting& waiting, const tunnel::BatchRecord& record);
    void note_expired(const Waiting& waiting, const tunnel::BatchRecord& record);
    void emit(const Waiting& waiting, base::Now now);
    void look_up_origin(const Arrival& arrival);
    emit::Value value_of(const Waiting& waiting, const tunnel::BatchRecord& record,
                         base::WallTime judged);
    void drop_value(const Waiting& waiting, const tunnel::BatchRecord& record, base::Now now);
    void stage(Waiting& waiting, const std::vector<tunnel::BatchRecord>& records, base::Now now);
    void emit_value(const Waiting& waiting, const tunnel::BatchRecord& record, std::uint64_t stage,
                    base::Now now);

    mqtt::Broker& broker_;
    Ledger ledger_;
    StoreJob open_job_;
    std::deque<Waiting> held_, waiting_, committing_, committed_;
    std::optional<StoreJob> in_flight_;  // kept for the retry
    bool out_ = false;                   // in_flight_ is with the storage thread
    bool failing_ = false;
    std::size_t waiting_bytes_ = 0;  // of the entries in waiting_
    std::optional<base::Instant> retry_at_;
    std::string last_error_;
    std::uint64_t next_job_id_ = 1;
    std::vector<tunnel::BatchRecord> records_;  // scratch
    base::Bytes properties_;                    // scratch
    emit::Origin origin_;                       // of the entry being emitted
    record::Epoch origin_epoch_ = 0;
};

}  // namespace sallyport::sinks
