// The verb `status`: asks the running agent once, or again and again, and prints what it says.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace sallyport::ops {

enum class StatusForm {
    page,     // a line a hop (page.hpp)
    json,     // as /status gives it
    numbers,  // the same JSON as indented "key: value" lines
};

/// Throws Failure where the agent does not answer.
int show_status(const std::string& socket, StatusForm form);

/// Every kWatchEvery, until SIGINT or SIGTERM; gives 0 then. A terminal is painted over in place,
/// anything else gets block behind block. An agent that does not run is said to, and waited for.
/// Throws Failure where asking can never work: the socket may not be opened.
int watch_status(const std::string& program, const std::string& socket, StatusForm form);

inline constexpr std::chrono::seconds kWatchEvery{2};

struct Window {
    std::size_t rows = 0, columns = 0;
};
/// What paints `text` over what a terminal shows, without clearing it first (which flickers): from
/// the top, each line cut at the window's width and cleared to its end, then the rest below.
std::string repaint(std::string_view text, Window window);

}  // namespace sallyport::ops
