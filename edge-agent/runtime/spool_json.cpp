#include "edge-agent/runtime/spool_json.hpp"

#include <charconv>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace sallyport::edge_agent {

namespace json = boost::json;
using record::LedgerReason;

json::array ledger_json(const std::vector<record::LedgerRow>& rows, const TopicOf& topic_of) {
    json::array all;
    for (const auto& row : rows) {
        const auto& entry = row.entry;
        const bool merged = row.settled && row.pass == 0;  // detail that was merged away
        json::object one{
            {"destination", entry.peer},
            {"reason", record::to_string(entry.reason)},
            {"first_seq", entry.first},
            {"last_seq", entry.last < entry.first ? json::value(nullptr) : json::value(entry.last)},
            {"records", entry.records},
            {"epoch", fmt::format("{:016x}", entry.epoch)},
            {"since", base::to_rfc3339(entry.since)},
            {"until", base::to_rfc3339(entry.until)},
            {"state", !row.settled ? "pending"
                      : merged     ? "merged"
                                   : "settled"}};
        if (entry.tag != 0) {
            const auto topic = topic_of(entry.tag);
            one["topic"] = topic ? json::value(std::string(*topic)) : json::value(nullptr);
        }
        all.push_back(std::move(one));
    }
    return all;
}

json::array cursors_json(const std::vector<spool::Cursor>& cursors) {
    json::array all;
    for (const auto& cursor : cursors)
        all.push_back(json::object{{"destination", cursor.destination},
                                   {"seq", cursor.position.seq},
                                   {"epoch", fmt::format("{:016x}", cursor.position.epoch)},
                                   {"checksum", fmt::format("{:016x}", cursor.position.checksum)},
                                   {"store", fmt::format("{:016x}", cursor.store)},
                                   {"counted_from_seq", cursor.counted_from}});
    return all;
}

json::array counts_json(const std::vector<spool::DestinationCounts>& counts) {
    json::array all;
    for (const auto& count : counts) {
        json::object one{{"destination", count.destination},
                         {"counted_from_seq", count.counted_from},
                         {"accepted", count.accepted},
                         {"delivered", count.delivered},
                         {"in_flight", count.in_flight}};
        for (const auto reason :
             {LedgerReason::dropped, LedgerReason::damaged, LedgerReason::refused,
              LedgerReason::conflated, LedgerReason::expired})
            one[record::to_string(reason)] = count.left_out.of(reason);
        all.push_back(std::move(one));
    }
    return all;
}

json::object stats_json(const spool::SpoolStats& stats) {
    return {
        {"first_seq", stats.first},
        {"synced_seq", stats.synced},
        {"segments", stats.segments},
        {"bytes", stats.bytes},
        {"max_bytes", stats.max_bytes},
        {"pending_bytes", stats.pending_bytes},
        {"commits", stats.commits},
        {"records", stats.records},
        {"dropped_records", stats.dropped_records},
        {"disk_errors", stats.disk_errors},
        {"full", stats.full},
        {"failing", stats.failing ? json::value(to_string(*stats.failing)) : json::value(nullptr)}};
}

namespace {

/// Of "spool-tags FROM".
std::optional<record::TagId> first_tag_asked(std::string_view question) {
    constexpr std::string_view kVerb = "spool-tags ";
    if (!question.starts_with(kVerb)) return std::nullopt;
    question.remove_prefix(kVerb.size());
    record::TagId from = 0;
    const auto [end, error] =
        std::from_chars(question.data(), question.data() + question.size(), from);
    const bool is_number = error == std::errc() && end == question.data() + question.size();
    return is_number && from != 0 ? std::optional(from) : std::nullopt;
}

}  // namespace

json::object tags_page_json(const spool::Spool& spool, record::TagId from) {
    json::array tags;
    auto tag = from;
    for (; tag <= spool.last_tag() && tag - from < kTagsPage; ++tag)
        if (const auto topic = spool.topic(tag))
            tags.push_back(json::array{tag, std::string(*topic)});
    return {{"tags", std::move(tags)},
            {"next", tag <= spool.last_tag() ? json::value(tag) : json::value(nullptr)}};
}

std::string answer_spool_question(const spool::Spool& spool, std::string_view question) {
    json::object answer;
    if (question == "spool-stats") {
        answer["spool"] = stats_json(spool.stats());
        answer["counts"] = counts_json(spool.counts());
    } else if (question == "spool-ledger") {
        answer["ledger"] =
            ledger_json(spool.ledger_rows(), [&](record::TagId tag) { return spool.topic(tag); });
    } else if (question == "spool-cursors") {
        answer["cursors"] = cursors_json(spool.cursors());
        answer["counts"] = counts_json(spool.counts());
    } else if (const auto from = first_tag_asked(question)) {
        answer = tags_page_json(spool, *from);
    } else {
        answer["error"] = "unknown verb";
    }
    return json::serialize(answer);
}

}  // namespace sallyport::edge_agent
