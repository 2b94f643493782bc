#include "common/base/time.hpp"

#include <cstdio>

namespace sallyport::base {

std::string to_rfc3339(WallTime time) {
    using namespace std::chrono;
    const sys_time<nanoseconds> at{nanoseconds{time.ns}};
    const auto day = floor<days>(at);
    const year_month_day date{day};
    // Not `at - day`: the first day begins before the range of nanoseconds.
    auto of_day = at.time_since_epoch() % days{1};
    if (of_day < of_day.zero()) of_day += days{1};
    const hh_mm_ss clock{of_day};
    char text[48];
    std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%09dZ", int(date.year()),
                  unsigned(date.month()), unsigned(date.day()), int(clock.hours().count()),
                  int(clock.minutes().count()), int(clock.seconds().count()),
                  int(clock.subseconds().count()));
    return text;
}

}  // namespace sallyport::base
