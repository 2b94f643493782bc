// What the spool's tables say, as JSON: for the control socket while the agent runs, and from its
// database while it does not.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "common/record/ledger.hpp"
#include "edge-agent/spool/disk.hpp"
#include "edge-agent/spool/spool.hpp"

namespace sallyport::edge_agent {

using TopicOf = std::function<std::optional<std::string_view>(record::TagId)>;

boost::json::array ledger_json(const std::vector<record::LedgerRow>& rows, const TopicOf& topic_of);
boost::json::array cursors_json(const std::vector<spool::Cursor>& cursors);
/// accepted = delivered + in_flight + the reasons, for each destination.
boost::json::array counts_json(const std::vector<spool::DestinationCounts>& counts);
boost::json::object stats_json(const spool::SpoolStats& stats);

/// Ids that one answer looks at, so that a million tags do not hold up the network thread.
constexpr record::TagId kTagsPage = 2048;
/// Tags from id `from` on; `next` is where to go on, null at the end.
boost::json::object tags_page_json(const spool::Spool& spool, record::TagId from);

/// Answers to the control socket's questions `spool-stats`, `spool-ledger`, `spool-cursors` and
/// `spool-tags FROM`.
std::string answer_spool_question(const spool::Spool& spool, std::string_view question);

}  // namespace sallyport::edge_agent
