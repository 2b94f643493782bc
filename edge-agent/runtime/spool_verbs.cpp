#include "edge-agent/runtime/spool_verbs.hpp"

#include <array>
#include <filesystem>
#include <iostream>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "common/base/base64.hpp"
#include "common/ops/control_socket.hpp"
#include "common/ops/data_dir_lock.hpp"
#include "common/ops/json_as_text.hpp"
#include "edge-agent/ingest/timestamp.hpp"
#include "edge-agent/runtime/checkpoint_store.hpp"
#include "edge-agent/runtime/edge_config.hpp"
#include "edge-agent/runtime/spool_files.hpp"
#include "edge-agent/runtime/spool_json.hpp"

namespace sallyport::edge_agent {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

fs::path spool_directory(const EdgeConfig& config) {
    return fs::path(config.agent.data_dir) / "spool";
}

json::object answer_from_database(const EdgeConfig& config) {
    const auto file = spool_directory(config) / "state.db";
    if (!fs::exists(file))
        throw ops::Failure(ops::ExitCode::storage, file.string() +
                                                       ": is not there: this edge has never run "
                                                       "with this configuration");
    const ops::DataDirLock lock(config.agent.data_dir);
    auto store = CheckpointStore::open_as_it_is(file);
    auto checkpoint =
        store ? (*store)->load() : base::Result<spool::Checkpoint, spool::DiskError>(store.error());
    if (!checkpoint)
        throw ops::Failure(ops::ExitCode::storage,
                           file.string() + ": " + std::string(to_string(checkpoint.error())) +
                               "; check the disk; a start moves a damaged file aside");
    std::map<record::TagId, std::string> topics;
    json::array tags;
    for (const auto& tag : checkpoint->tags) {
        topics[tag.id] = tag.topic;
        tags.push_back(json::array{tag.id, tag.topic});
    }
    const auto topic_of = [&](record::TagId tag) -> std::optional<std::string_view> {
        const auto topic = topics.find(tag);
        if (topic == topics.end()) return std::nullopt;
        return topic->second;
    };
    return {{"running", false},
            {"cursors", cursors_json(checkpoint->cursors)},
            {"ledger", ledger_json(checkpoint->ledger.put, topic_of)},
            {"tags", std::move(tags)},
            {"next", nullptr}};
}

/// What the agent says, or its database where nobody answers.
json::object answer(const EdgeConfig& config, const std::string& question) {
    try {
        return json::parse(ops::ask(config.control.socket, question)).as_object();
    } catch (const ops::Failure& failure) {
        if (failure.code() != ops::ExitCode::unreachable) throw;
    }
    return answer_from_database(config);
}

int print(const json::value& value, bool as_json) {
    const auto text = json::serialize(value);
    std::cout << (as_json ? text + "\n" : ops::json_as_text(text));
    return ops::to_int(ops::ExitCode::ok);
}

/// `keys` of the answer.
int show(const EdgeConfig& config, const ops::SpoolArguments& arguments,
         const std::vector<std::string_view>& keys) {
    const auto all = answer(config, "spool-" + arguments.verb);
    json::object shown;
    for (const auto key : keys)
        if (const auto* value = all.if_contains(key)) shown[key] = *value;
    return print(shown, arguments.json);
}

int stats(const EdgeConfig& config, const ops::SpoolArguments& arguments) {
    const auto all = answer(config, "spool-stats");
    if (all.contains("spool")) return print(all, arguments.json);
    const auto walk = walk_spool(spool_directory(config), [](const WalkedEntry&) {});
    return print(json::object{{"running", false},
                              {"spool", json::object{{"segments", walk.segments},
                                                     {"first_seq", walk.first},
                                                     {"synced_seq", walk.last},
                                                     {"records", walk.records}}},
                              {"cursors", all.at("cursors")}},
                 arguments.json);
}

/// Whether one row of the ledger, of all tags, covers the hole.
bool is_explained(const Hole& hole, const json::array& ledger) {
    for (const auto& each : ledger) {
        const auto& row = each.as_object();
        if (row.contains("topic") || row.at("last_seq").is_null()) continue;
        if (row.at("first_seq").to_number<record::Seq>() <= hole.first &&
            row.at("last_seq").to_number<record::Seq>() >= hole.last)
            return true;
    }
    return false;
}

int verify(const EdgeConfig& config, const ops::SpoolArguments& arguments) {
    const auto walk = walk_spool(spool_directory(config), [](const WalkedEntry&) {});
    json::array ledger;
    if (!walk.holes.empty()) ledger = answer(config, "spool-ledger").at("ledger").as_array();
    json::array holes, unreadable;
    bool sound = walk.unreadable.empty();
    for (const auto& hole : walk.holes) {
        const bool explained = is_explained(hole, ledger);
        sound = sound && explained;
        holes.push_back(json::object{{"first_seq", hole.first},
                                     {"last_seq", hole.last},
                                     {"file", hole.file},
                                     {"in_ledger", explained}});
    }
    for (const auto& name : walk.unreadable) unreadable.emplace_back(name);
    print(json::object{{"sound", sound},
                       {"segments", walk.segments},
                       {"entries", walk.entries},
                       {"records", walk.records},
                       {"first_seq", walk.first},
                       {"last_seq", walk.last},
                       {"unfinished_tail", walk.unfinished_tail},
                       {"holes", std::move(holes)},
                       {"unreadable_files", std::move(unreadable)}},
          arguments.json);
    return ops::to_int(sound ? ops::ExitCode::ok : ops::ExitCode::storage);
}

bool is_plain_text(base::ByteView bytes) {
    for (const auto byte : bytes)
        if (byte < 0x20 || byte > 0x7E) return false;
    return true;
}

std::optional<base::WallTime> parse_time(const std::string& text, const char* option) {
    if (text.empty()) return std::nullopt;
    const auto time = ingest::parse_rfc3339(text);
    if (!time)
        throw ops::Failure(ops::ExitCode::usage,
                           std::string(option) + ": not a time like 2026-01-31T12:00:00Z: " + text);
    return time;
}

/// `spool export`: a line of JSON a record.
class Export {
public:
    Export(const EdgeConfig& config, const ops::SpoolArguments& arguments)
        : from_(arguments.from_seq),
          to_(arguments.to_seq),
          since_(parse_time(arguments.since, "--since")),
          until_(parse_time(arguments.until, "--until")) {
        for (std::optional<record::TagId> from = 1; from;) {
            const auto page = answer(config, fmt::format("spool-tags {}", *from));
            for (const auto& tag : page.at("tags").as_array())
                topics_[tag.at(0).to_number<record::TagId>()] = tag.at(1).as_string().c_str();
            const auto& next = page.at("next");
            from.reset();
            if (!next.is_null()) from = next.to_number<record::TagId>();
        }
    }

    void write(const WalkedEntry& entry) {
        for (const auto& tag : entry.local.new_tags) topics_[tag.id] = tag.topic;
        for (const auto& record : entry.records) {
            if (record.seq < from_ || (to_ != 0 && record.seq > to_)) continue;
            if (since_ && record.arrival_time < *since_) continue;
            if (until_ && record.arrival_time > *until_) continue;
            write(entry.epoch, record, record.tag);
            for (const auto tag : record.also_tags) write(entry.epoch, record, tag);
        }
    }

private:
    void write(record::Epoch epoch, const record::Record& record, record::TagId tag) {
        json::object line{{"seq", record.seq}, {"epoch", fmt::format("{:016x}", epoch)}};
        const auto topic = topics_.find(tag);
        line["topic"] = topic != topics_.end() ? json::value(topic->second) : json::value(nullptr);
        if ((record.flags & record::kHasValue) != 0) {
            std::string encoded;
            if (!is_plain_text(record.value)) base::append_base64(encoded, record.value);
            if (encoded.empty())
                line["value"] = base::as_text(record.value);
            else
                line["value_base64"] = encoded;
        }
        line["quality"] = record::to_string(record.quality);
        line["source_time"] = base::to_rfc3339(record.source_time);
        line["arrival_time"] = base::to_rfc3339(record.arrival_time);
        line["qos"] = record::qos_of(record.flags);
        line["retain"] = (record.flags & record::kRetain) != 0;
        std::cout << json::serialize(line) << '\n';
    }

    record::Seq from_, to_;
    std::optional<base::WallTime> since_, until_;
    std::map<record::TagId, std::string> topics_;
};

int export_records(const EdgeConfig& config, const ops::SpoolArguments& arguments) {
    Export lines(config, arguments);
    walk_spool(spool_directory(config), [&](const WalkedEntry& entry) { lines.write(entry); });
    std::cout.flush();
    if (!std::cout)
        throw ops::Failure(ops::ExitCode::failure, "the output cannot be written; it is not whole");
    return ops::to_int(ops::ExitCode::ok);
}

}  // namespace

int run_spool_verb(const ops::SpoolArguments& arguments) {
    const auto config = load_edge_config(arguments.config);
    if (arguments.verb == "ledger") return show(config, arguments, {"ledger"});
    if (arguments.verb == "cursors") return show(config, arguments, {"cursors", "counts"});
    if (arguments.verb == "verify") return verify(config, arguments);
    if (arguments.verb == "export") return export_records(config, arguments);
    return stats(config, arguments);
}

}  // namespace sallyport::edge_agent
