#include "it-agent/runtime/ledger_verb.hpp"

#include <charconv>
#include <filesystem>
#include <iostream>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "common/ops/control_socket.hpp"
#include "common/ops/data_dir_lock.hpp"
#include "common/ops/escape.hpp"
#include "common/ops/exit_codes.hpp"
#include "common/storage/ledger_table.hpp"
#include "it-agent/runtime/it_config.hpp"

namespace sallyport::it_agent {
namespace {

namespace json = boost::json;

constexpr std::string_view kVerb = "ledger ";

json::object to_json(const record::LedgerRow& row) {
    const auto& entry = row.entry;
    return {{"edge", entry.peer},
            {"reason", to_string(entry.reason)},
            {"first_seq", entry.first},
            {"last_seq", entry.last},
            {"records", entry.records},
            {"epoch", entry.epoch == 0 ? json::value(nullptr)
                                       : json::value(fmt::format("{:016x}", entry.epoch))},
            {"since", base::to_rfc3339(entry.since)},
            {"until", base::to_rfc3339(entry.until)},
            {"state", row.pass == 0 ? "merged" : "settled"}};
}

json::array to_json(const std::vector<record::LedgerRow>& rows) {
    json::array all;
    all.reserve(rows.size());
    for (const auto& row : rows) all.push_back(to_json(row));
    return all;
}

json::array ask_all(const std::string& socket) {
    json::array all;
    std::uint64_t after = 0;
    for (bool has_more = true; has_more;) {
        auto answer = json::parse(ops::ask(socket, fmt::format("{}{}", kVerb, after)));
        auto* page = answer.get_object().if_contains("ledger");
        if (page == nullptr)
            throw ops::Failure(ops::ExitCode::failure,
                               "the agent does not know the request: it is of another version");
        for (auto& row : page->get_array()) all.push_back(std::move(row));
        const auto* next = answer.get_object().if_contains("next");
        has_more = next != nullptr;
        if (has_more) after = next->to_number<std::uint64_t>();
    }
    return all;
}

json::array read_from_store(const ItConfig& config) {
    const auto file = std::filesystem::path(config.agent.data_dir) / "store.db";
    if (!std::filesystem::exists(file))
        throw ops::Failure(ops::ExitCode::storage,
                           file.string() +
                               ": is not there: this it-agent has never run with this "
                               "configuration");
    const ops::DataDirLock lock(config.agent.data_dir);
    try {
        storage::Database database(file.string());
        return to_json(storage::LedgerTable(database).load());
    } catch (const storage::DatabaseError& error) {
        throw ops::Failure(ops::ExitCode::storage, error.what());
    }
}

void print_line(const json::object& row) {
    const auto number = [&](std::string_view key) {
        return row.at(json::string_view(key.data(), key.size())).to_number<std::uint64_t>();
    };
    const auto text = [&](std::string_view key) {
        const auto* value = row.at(json::string_view(key.data(), key.size())).if_string();
        return value == nullptr ? std::string("-") : ops::one_line({value->data(), value->size()});
    };
    std::cout << fmt::format("{}  {}  seq {}..{}  {} records  epoch {}  named {} to {}  {}\n",
                             text("edge"), text("reason"), number("first_seq"), number("last_seq"),
                             number("records"), text("epoch"), text("since"), text("until"),
                             text("state"));
}

}  // namespace

std::optional<std::uint64_t> parse_ledger_question(std::string_view question) {
    if (!question.starts_with(kVerb)) return std::nullopt;
    question.remove_prefix(kVerb.size());
    std::uint64_t after = 0;
    const auto [end, error] =
        std::from_chars(question.data(), question.data() + question.size(), after);
    if (error != std::errc{} || end != question.data() + question.size()) return std::nullopt;
    return after;
}

std::string ledger_answer(const std::vector<record::LedgerRow>& page) {
    json::object answer{{"ledger", to_json(page)}};
    if (page.size() == kLedgerPageRowsMax) answer["next"] = page.back().id;
    return json::serialize(answer);
}

int show_ledger(const std::string& config_path, bool as_json) {
    const auto config = load_it_config(config_path);
    json::array rows;
    try {
        rows = ask_all(config.control.socket);
    } catch (const ops::Failure& failure) {
        if (failure.code() != ops::ExitCode::unreachable) throw;
        rows = read_from_store(config);
    }
    if (as_json) {
        std::cout << json::serialize(json::object{{"ledger", std::move(rows)}}) << '\n';
        return ops::to_int(ops::ExitCode::ok);
    }
    for (const auto& row : rows) print_line(row.get_object());
    if (rows.empty()) std::cout << "nothing is missing\n";
    return ops::to_int(ops::ExitCode::ok);
}

}  // namespace sallyport::it_agent
