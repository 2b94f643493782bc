#include "common/ops/tags.hpp"

#include <algorithm>
#include <charconv>
#include <iostream>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "common/mqtt/topic.hpp"
#include "common/mqtt/utf8.hpp"
#include "common/ops/control_socket.hpp"
#include "common/ops/escape.hpp"
#include "common/ops/exit_codes.hpp"

namespace sallyport::ops {
namespace {

namespace json = boost::json;

constexpr std::string_view kVerb = "tags ";
constexpr std::size_t kHexBytesMax = 32;
constexpr std::size_t kUtf8BytesMax = 4;  // of one character

template <class Number>
bool take_number(std::string_view& text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end == text.data() + text.size() || *end != ' ') return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
    return true;
}

/// The head as text; a character that the cut has split is left out.
std::optional<std::string_view> as_utf8(const record::NewestValue& value) {
    std::string_view text = value.head;
    if (mqtt::is_valid_utf8(text)) return text;
    if (value.bytes == text.size()) return std::nullopt;
    for (std::size_t cut = 1; cut < kUtf8BytesMax && cut <= text.size(); ++cut)
        if (mqtt::is_valid_utf8(text.substr(0, text.size() - cut)))
            return text.substr(0, text.size() - cut);
    return std::nullopt;
}

json::value shown_value(const record::NewestValue& value) {
    if (!value.is_known) return nullptr;
    if (const auto text = as_utf8(value)) return json::string(text->data(), text->size());
    std::string hex = "0x";
    for (const char c : value.head.substr(0, kHexBytesMax))
        hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return json::string(hex);
}

json::object to_json(const record::TagRow& row) {
    const auto time = [&](base::WallTime at) {
        return row.value.is_known ? json::value(base::to_rfc3339(at)) : json::value(nullptr);
    };
    json::object shown{{"topic", row.topic},
                       {"value", shown_value(row.value)},
                       {"bytes", row.value.bytes},
                       {"quality", to_string(row.quality)},
                       {"code", record::code(row.quality)},
                       {"shown", to_string(row.shown)},
                       {"source_time", time(row.value.source_time)},
                       {"arrival_time", time(row.value.arrival_time)},
                       {"publisher", row.publisher},
                       {"seq", row.value.seq}};
    if (row.unheard) shown["unheard"] = *row.unheard;
    return shown;
}

std::string_view text_of(const json::object& row, json::string_view key) {
    const auto* text = row.at(key).if_string();
    return text == nullptr ? "-" : std::string_view(text->data(), text->size());
}

void print_line(const json::object& row) {
    const auto value = text_of(row, "value");
    const bool is_cut = row.at("bytes").to_number<std::uint64_t>() > value.size();
    const auto quality = text_of(row, "quality"), shown = text_of(row, "shown");
    const auto publisher = text_of(row, "publisher");
    const auto* unheard = row.if_contains("unheard");
    const auto missed = unheard == nullptr ? 0 : unheard->to_number<std::uint64_t>();
    std::cout << fmt::format(
        "{}  {}{}  {}{}  source {}  arrival {}  by {}  seq {}{}\n", one_line(text_of(row, "topic")),
        one_line(value), is_cut ? "…" : "", quality,
        shown == quality ? std::string() : fmt::format(" (shown {})", shown),
        text_of(row, "source_time"), text_of(row, "arrival_time"),
        publisher.empty() ? "-" : one_line(publisher), row.at("seq").to_number<std::uint64_t>(),
        missed == 0 ? std::string() : fmt::format("  unheard {}", missed));
}

}  // namespace

std::string to_request(const record::TagsQuery& query) {
    return fmt::format("{}{} {} {}", kVerb, query.from, query.rows_max, query.filter);
}

std::optional<record::TagsQuery> parse_tags_request(std::string_view request) {
    if (!request.starts_with(kVerb)) return std::nullopt;
    request.remove_prefix(kVerb.size());
    record::TagsQuery query;
    if (!take_number(request, query.from) || !take_number(request, query.rows_max))
        return std::nullopt;
    if (!mqtt::is_valid_topic_filter(request)) return std::nullopt;
    query.rows_max = std::clamp<std::size_t>(query.rows_max, 1, record::TagsQuery::kRowsMax);
    query.filter = request;
    return query;
}

std::string tags_json(const record::TagsPage& page) {
    json::array rows;
    rows.reserve(page.rows.size());
    for (const auto& row : page.rows) rows.push_back(to_json(row));
    return json::serialize(json::object{{"tags", std::move(rows)},
                                        {"next", page.next ? json::value(*page.next) : nullptr}});
}

int show_tags(const std::string& socket, const std::string& filter, std::size_t rows_max,
              bool as_json) {
    if (!mqtt::is_valid_topic_filter(filter) || filter.starts_with("$share/"))
        throw Failure(ExitCode::usage, "not an MQTT topic filter: " + escape(filter));
    record::TagsQuery query;
    query.filter = filter;
    json::array all;
    std::size_t rows = 0;
    bool has_more = true;
    while (has_more && rows < rows_max) {
        query.rows_max = std::min(rows_max - rows, record::TagsQuery::kRowsMax);
        const auto answer = json::parse(ask(socket, to_request(query)));
        const auto* page = answer.get_object().if_contains("tags");
        if (page == nullptr)
            throw Failure(ExitCode::failure,
                          "the agent does not know the request: it is of "
                          "another version");
        for (const auto& row : page->get_array()) {
            ++rows;
            if (as_json)
                all.push_back(row);
            else
                print_line(row.get_object());
        }
        const auto& next = answer.at("next");
        has_more = !next.is_null();
        if (has_more) query.from = next.to_number<std::uint64_t>();
    }
    if (as_json)
        std::cout << json::serialize(json::object{{"tags", std::move(all)}, {"more", has_more}})
                  << '\n';
    else if (has_more)
        std::cout << "… there may be more: give a narrower FILTER, or a larger --limit\n";
    return to_int(ExitCode::ok);
}

}  // namespace sallyport::ops
