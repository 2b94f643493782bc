#include "common/ops/page.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "common/ops/escape.hpp"
#include "common/ops/words.hpp"

namespace sallyport::ops {
namespace {

// At least this wide, so that columns stand still while times grow.
constexpr std::size_t kNameColumns = 14, kStateColumns = 11, kSinceColumns = 30;

/// Code points, which is what a terminal shows of the names and words used here.
std::size_t columns(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string padded(std::string text, std::size_t width) {
    const auto wide = columns(text);
    if (wide < width) text.append(width - wide, ' ');
    return text;
}

std::string since_in_words(const Hop& hop, base::WallTime now) {
    if (!hop.since) return "";
    return fmt::format("since {} ({})", clock_in_words(*hop.since, now),
                       in_words(now - *hop.since));
}

std::string said(const Hop& hop) {
    return one_line(hop.reason + (hop.reason.empty() || hop.flow.empty() ? "" : "; ") + hop.flow);
}

std::string heading(const Page& page) {
    const auto ill = std::ranges::count_if(page.hops, [](const Hop& hop) { return !hop.live; });
    const auto verdict =
        ill == 0 ? "live" : fmt::format("NOT LIVE: {} of {} hops", ill, page.hops.size());
    const auto time = base::to_rfc3339(page.now);
    return fmt::format("{}   {} {} UTC   {}\n", page.agent, time.substr(0, 10), time.substr(11, 8),
                       verdict);
}

}  // namespace

bool Page::live() const {
    return std::ranges::all_of(hops, &Hop::live);
}

std::string to_text(const Page& page) {
    std::vector<Hop> hops;
    std::ranges::copy_if(page.hops, std::back_inserter(hops), std::logical_not(), &Hop::live);
    std::ranges::copy_if(page.hops, std::back_inserter(hops), std::identity(), &Hop::live);
    std::size_t name_width = kNameColumns, since_width = kSinceColumns;
    for (auto& hop : hops) {
        hop.name = one_line(hop.name);
        name_width = std::max(name_width, columns(hop.name));
        since_width = std::max(since_width, columns(since_in_words(hop, page.now)));
    }
    auto text = heading(page);
    for (const auto& hop : hops) {
        auto line = fmt::format("{} {}  {}  {}  {}", hop.live ? ' ' : '!',
                                padded(hop.name, name_width), padded(hop.state, kStateColumns),
                                padded(since_in_words(hop, page.now), since_width), said(hop));
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text;
}

std::vector<std::string> wrong(const Page& page) {
    std::vector<std::string> lines;
    for (const auto& hop : page.hops) {
        if (hop.live) continue;
        auto line =
            fmt::format("{} {} {}", one_line(hop.name), hop.state, since_in_words(hop, page.now));
        line.erase(line.find_last_not_of(' ') + 1);
        const auto words = said(hop);
        if (!words.empty()) line.append(": ").append(words);
        lines.push_back(std::move(line));
    }
    return lines;
}

}  // namespace sallyport::ops
