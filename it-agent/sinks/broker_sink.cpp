#include "it-agent/sinks/broker_sink.hpp"

#include <algorithm>
#include <utility>

#include "common/base/assert.hpp"
#include "common/base/mutants.hpp"
#include "common/mqtt/decode.hpp"

namespace sallyport::sinks {
namespace {

bool has_value(const tunnel::BatchRecord& record) {
    return (record.flags & record::kHasValue) != 0;
}
bool is_retained(const tunnel::BatchRecord& record) {
    return has_value(record) && (record.flags & record::kRetain) != 0;
}

/// Entries beyond this wait for the transaction under way before they join the next: a store that
/// hangs while sessions come and go costs no more.
constexpr std::size_t kWaitingBytesMax = 16U << 20U;

/// 2020-01-01: a clock that says less has not been set since its machine was switched on. Once it
/// is, how long ago that was cannot be told.
constexpr base::WallTime kClocksAreSet{1'577'836'800'000'000'000};

/// Its Message Expiry Interval.
std::optional<base::Duration> expiry_of(const tunnel::BatchRecord& record) {
    const auto found =
        mqtt::find_property(record.properties, mqtt::PropertyId::message_expiry_interval);
    if (!found) return std::nullopt;
    return std::chrono::seconds(found->number);
}

/// Of what was left out of an entry, beyond what was had before.
std::uint64_t conflated_behind(record::Seq after, const tunnel::BatchHead& head) {
    std::uint64_t records = 0;
    for (const auto& absent : head.absent)
        if (absent.why == tunnel::AbsentReason::conflated && absent.last > after)
            records += absent.last - std::max(absent.first, after + 1) + 1;
    return records;
}

}  // namespace

bool BrokerSink::takes_more() const {
    return !failing_ && waiting_bytes_ < kWaitingBytesMax && !broker_.holds_back();
}

void BrokerSink::add(const Arrival& arrival, base::ByteView body,
                     const std::vector<tunnel::BatchRecord>& records, base::Now now) {
    Waiting entry{arrival, std::make_shared<const base::Bytes>(body.begin(), body.end())};
    entry.came = now;
    entry.edge_came = arrival.feed->edge_clock(now);
    if (held_.empty() && takes_more())
        take(std::move(entry), records, now);
    else
        held_.push_back(std::move(entry));
}

std::uint64_t BrokerSink::note_missing(const record::LedgerEntry& range,
                                       const std::vector<tunnel::Run>& log) {
    if (base::mutant(base::Mutant::gap_not_ledgered)) return 0;
    return ledger_.add_range(range, log);
}

void BrokerSink::take_held(base::Now now) {
    while (!held_.empty() && takes_more()) {
        auto entry = std::move(held_.front());
        held_.pop_front();
        const auto head = tunnel::decode_batch(*entry.body, records_);
        SALLYPORT_ASSERT(head.has_value());  // the receiver decoded the same bytes
        take(std::move(entry), records_, now);
    }
}

std::map<record::Epoch, tunnel::Position> BrokerSink::forget_held(const emit::EdgeFeed& feed) {
    std::map<record::Epoch, tunnel::Position> taken;
    for (const auto& held : held_)
        if (held.arrival.feed == &feed)
            taken.try_emplace(held.arrival.end.epoch, held.arrival.before);
    std::erase_if(held_, [&](const Waiting& held) { return held.arrival.feed == &feed; });
    return taken;
}

std::uint64_t BrokerSink::pending(const emit::EdgeFeed& feed) const {
    const auto is_of = [&](const Waiting& entry) { return entry.arrival.feed == &feed; };
    return static_cast<std::uint64_t>(
        std::ranges::count_if(held_, is_of) + std::ranges::count_if(waiting_, is_of) +
        std::ranges::count_if(committing_, is_of) + std::ranges::count_if(committed_, is_of));
}

/// It goes into the open transaction, and into the queues of lasting sessions.
void BrokerSink::take(Waiting entry, const std::vector<tunnel::BatchRecord>& records,
                      base::Now now) {
    entry.taken = now;
    entry.edge_taken = entry.arrival.feed->edge_clock(now);
    auto& waiting = waiting_.emplace_back(std::move(entry));
    waiting_bytes_ += waiting.body->size();
    const auto& arrival = waiting.arrival;
    const auto& edge = arrival.feed->edge();
    if (arrival.end.seq <= arrival.after)
        return;  // had before: only to be acknowledged in its turn
    if (broker_.has_lasting_sessions() || std::ranges::any_of(records, is_retained))
        stage(waiting, records, now);
    // One position an edge and epoch is enough; the newest is behind the others.
    auto& positions = open_job_.positions;
    if (!positions.empty() && positions.back().edge == edge &&
        positions.back().position.epoch == arrival.end.epoch)
        positions.back().position = arrival.end;
    else
        positions.push_back({edge, arrival.end});
    if (base::mutant(base::Mutant::position_not_stored)) positions.clear();
    for (const auto& record : records) {
        if (record.seq <= arrival.after) continue;
        note_tag(arrival, record, record.tag);
        for (const auto tag : record.also_tags) note_tag(arrival, record, tag);
        if (waiting.is_expired(record))
            note_expired(waiting, record);
        else if (is_retained(record))
            note_retained(waiting, record);
    }
    open_job_.handed_over.push_back({edge, waiting.body, arrival.after});
}

/// The tag table changes only when a tag is new or its own quality changes.
void BrokerSink::note_tag(const Arrival& arrival, const tunnel::BatchRecord& record,
                          record::TagId tag) {
    auto& feed = *arrival.feed;
    const auto index = (*arrival.tags)[tag];
    if (!feed.note_stored(index, record.quality)) return;
    open_job_.tags.push_back({feed.edge(), feed.topic(index), record.quality});
}

void BrokerSink::note_retained(const Waiting& waiting, const tunnel::BatchRecord& record) {
    const auto& arrival = waiting.arrival;
    auto& feed = *arrival.feed;
    StoredRetained retained;
    retained.topic = feed.emitted_topic((*arrival.tags)[record.tag]);
    retained.payload.assign(record.value.begin(), record.value.end());
    retained.qos = mqtt::Qos{static_cast<std::uint8_t>(record::qos_of(record.flags))};
    const emit::Origin origin{feed.edge(), emit::epoch_text(arrival.end.epoch)};
    emit::mirror_properties(retained.properties, record, origin, record.quality,
                            feed.is_historical(record.arrival_time, waiting.edge_taken));
    if (const auto expires_at = waiting.expires_at(record))
        retained.expires_at = waiting.taken.wall + (*expires_at - waiting.taken.instant);
    if (base::mutant(base::Mutant::retained_not_stored)) return;
    open_job_.retained.push_back(std::move(retained));
}

/// It is not handed over. What it would have replaced is gone all the same.
void BrokerSink::note_expired(const Waiting& waiting, const tunnel::BatchRecord& record) {
    const auto& arrival = waiting.arrival;
    record::LedgerEntry missing;
    missing.peer = arrival.feed->edge();
    missing.reason = record::LedgerReason::expired;
    missing.epoch = arrival.end.epoch;
    missing.first = missing.last = record.seq;
    missing.since = missing.until = waiting.taken.wall;
    ledger_.add_range(missing);
    if (is_retained(record))
        clear_retained(arrival.feed->emitted_topic((*arrival.tags)[record.tag]));
}

void BrokerSink::clear_retained(const std::string& topic) {
    open_job_.retained.push_back({topic, {}, {}});
}

std::optional<StoreJob> BrokerSink::next_job(base::Now now) {
    if (out_) return std::nullopt;
    if (in_flight_) {  // failed before
        if (now.instant < retry_at_) return std::nullopt;
    } else {
        auto changes = broker_.next_changes();
        if (waiting_.empty() && !changes && !ledger_.is_changed()) return std::nullopt;
        in_flight_ = std::exchange(open_job_, {});
        in_flight_->ledger = ledger_.take_change();
        if (changes) in_flight_->broker = std::move(*changes);
        if (base::mutant(base::Mutant::broker_changes_left_out)) in_flight_->broker.changes.clear();
        in_flight_->id = next_job_id_++;
        committing_ = std::exchange(waiting_, {});
        waiting_bytes_ = 0;
        if (base::mutant(base::Mutant::handed_over_before_commit)) committing_.swap(committed_);
    }
    out_ = true;
    retry_at_.reset();
    return in_flight_;
}

void BrokerSink::complete(const StoreDone& done, base::Now now) {
    SALLYPORT_ASSERT(out_ && in_flight_ && done.id == in_flight_->id);
    out_ = false;
    if (done.error && !base::mutant(base::Mutant::store_error_ignored)) {
        last_error_ = *done.error;
        failing_ = true;
        retry_at_ = now.instant + kRetryAfter;
        return;
    }
    failing_ = false;
    if (in_flight_->broker.upto != 0) broker_.changes_saved(in_flight_->broker.upto, now);
    in_flight_.reset();
    for (auto& waiting : committing_) committed_.push_back(std::move(waiting));
    committing_.clear();
}

std::optional<Emitted> BrokerSink::emit_next(base::Now now) {
    if (committed_.empty() || broker_.holds_back_passing()) return std::nullopt;
    if (base::mutant(base::Mutant::later_commit_first))
        std::swap(committed_.front(), committed_.back());
    const auto waiting = std::move(committed_.front());
    committed_.pop_front();
    emit(waiting, now);
    const auto& arrival = waiting.arrival;
    return Emitted{arrival.feed, arrival.session, arrival.end, arrival.credit_bytes};
}

void BrokerSink::look_up_origin(const Arrival& arrival) {
    if (origin_epoch_ == arrival.end.epoch && origin_.edge == arrival.feed->edge()) return;
    origin_epoch_ = arrival.end.epoch;
    origin_ = {arrival.feed->edge(), emit::epoch_text(arrival.end.epoch)};
}

/// The edge's clock says how long it had waited there. Set back since, it would say less than
/// nothing, and an interval never becomes longer.
std::optional<base::Instant> BrokerSink::Waiting::expires_at(
    const tunnel::BatchRecord& record) const {
    const auto expiry = expiry_of(record);
    if (!expiry) return std::nullopt;
    const auto arrived = std::max(record.arrival_time, base::WallTime{});
    const bool set_since = arrived < kClocksAreSet && edge_came >= kClocksAreSet;
    const auto waited = set_since ? base::Duration{} : edge_came - arrived;
    return came.instant + (*expiry - std::max(waited, base::Duration{}));
}

bool BrokerSink::Waiting::is_expired(const tunnel::BatchRecord& record) const {
    if (!has_value(record)) return false;
    const auto over = expires_at(record);
    return over && *over <= taken.instant;
}

/// Views properties_, until the next call. `judged`: the edge's clock, by which it is historical or
/// not.
emit::Value BrokerSink::value_of(const Waiting& waiting, const tunnel::BatchRecord& record,
                                 base::WallTime judged) {
    const bool historical = waiting.arrival.feed->is_historical(record.arrival_time, judged);
    emit::mirror_properties(properties_, record, origin_, record.quality, historical);
    emit::Value value{record.value,
                      properties_,
                      mqtt::Qos{static_cast<std::uint8_t>(record::qos_of(record.flags))},
                      (record.flags & record::kRetain) != 0,
                      record.quality,
                      historical};
    value.expires_at = waiting.expires_at(record);
    return value;
}

/// Its values go into the queues of lasting sessions now, so that the transaction which stores the
/// entry's position stores them too. What is retained goes where later ones of them will find it.
void BrokerSink::stage(Waiting& waiting, const std::vector<tunnel::BatchRecord>& records,
                       base::Now now) {
    const auto& arrival = waiting.arrival;
    look_up_origin(arrival);
    for (const auto& record : records) {
        if (record.seq <= arrival.after || !has_value(record) || waiting.is_expired(record))
            continue;
        const auto index = (*arrival.tags)[record.tag];
        waiting.stages.push_back(
            arrival.feed->stage_value(index, value_of(waiting, record, waiting.edge_taken), now));
    }
}

void BrokerSink::emit(const Waiting& waiting, base::Now now) {
    const auto& arrival = waiting.arrival;
    look_up_origin(arrival);
    const auto head = tunnel::decode_batch(*waiting.body, records_);
    SALLYPORT_ASSERT(head.has_value());  // the receiver decoded the same bytes
    arrival.feed->note_conflated(conflated_behind(arrival.after, *head));
    auto stage = waiting.stages.begin();
    for (const auto& record : records_) {
        if (record.seq <= arrival.after) continue;
        if (waiting.is_expired(record))
            drop_value(waiting, record, now);
        else if (has_value(record))
            emit_value(waiting, record, stage == waiting.stages.end() ? mqtt::kUnstaged : *stage++,
                       now);
        arrival.feed->quality_emitted((*arrival.tags)[record.tag], record.quality, now);
        for (const auto tag : record.also_tags)
            arrival.feed->quality_emitted((*arrival.tags)[tag], record.quality, now);
    }
}

void BrokerSink::drop_value(const Waiting& waiting, const tunnel::BatchRecord& record,
                            base::Now now) {
    auto& feed = *waiting.arrival.feed;
    const auto index = (*waiting.arrival.tags)[record.tag];
    feed.note_value(index, record);
    feed.drop_value(index, value_of(waiting, record, waiting.edge_taken), now);
}

/// What was staged says the same to everybody.
void BrokerSink::emit_value(const Waiting& waiting, const tunnel::BatchRecord& record,
                            std::uint64_t stage, base::Now now) {
    auto& feed = *waiting.arrival.feed;
    const auto index = (*waiting.arrival.tags)[record.tag];
    feed.note_value(index, record);
    auto value = value_of(waiting, record,
                          stage == mqtt::kUnstaged ? feed.edge_clock(now) : waiting.edge_taken);
    value.stage = stage;
    feed.emit_value(index, value, now);
    if (!value.has_expired(now) && !broker_.was_heard()) feed.note_unheard(index);
}

}  // namespace sallyport::sinks
