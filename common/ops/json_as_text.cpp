#include "common/ops/json_as_text.hpp"

#include <algorithm>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "common/ops/escape.hpp"

namespace sallyport::ops {
namespace {

namespace json = boost::json;

std::string_view view(json::string_view text) {
    return {text.data(), text.size()};
}

bool is_plain(const json::value& value) {
    return !value.is_object() && !value.is_array();
}

std::string plain(const json::value& value) {
    if (value.is_null()) return "-";
    if (value.is_string()) return one_line(view(value.get_string()));
    if (value.is_bool()) return value.get_bool() ? "yes" : "no";
    if (value.is_double()) return fmt::format("{:.6g}", value.get_double());
    return json::serialize(value);
}

/// True where the value goes behind its key; else it takes lines of its own.
bool fits_on_line(const json::value& value) {
    if (const auto* list = value.if_array()) return std::ranges::all_of(*list, is_plain);
    if (const auto* object = value.if_object()) return object->empty();
    return true;
}

std::string on_line(const json::value& value) {
    if (is_plain(value)) return plain(value);
    const auto* list = value.if_array();
    if (list == nullptr || list->empty()) return "none";
    std::string text;
    for (const auto& element : *list) text += (text.empty() ? "" : ", ") + plain(element);
    return text;
}

/// The parser refuses what is nested deeper than 32, which bounds the recursion.
void write(const json::value& value, std::size_t indent, std::string& out) {
    constexpr std::size_t kStep = 2;
    const std::string margin(indent, ' ');
    if (fits_on_line(value)) {
        out += margin + on_line(value) + '\n';
    } else if (const auto* object = value.if_object()) {
        for (const auto& [key, member] : *object) {
            out += margin + one_line(view(key)) + ':';
            if (fits_on_line(member)) {
                out += ' ' + on_line(member) + '\n';
            } else {
                out += '\n';
                write(member, indent + kStep, out);
            }
        }
    } else {
        for (const auto& element : value.get_array()) {
            const auto start = out.size();
            write(element, indent + kStep, out);
            out[start + indent] = '-';
        }
    }
}

}  // namespace

std::string json_as_text(std::string_view json_text) {
    json::error_code error;
    const auto value = json::parse({json_text.data(), json_text.size()}, error);
    if (error) return one_line(json_text) + '\n';
    std::string out;
    write(value, 0, out);
    return out;
}

}  // namespace sallyport::ops
