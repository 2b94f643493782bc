// What an agent says of the flow through it, hop by hop: the one account that `status`, `/status`,
// `/metrics` and `/healthz` are made of. `live` is the only healthy state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/time.hpp"

namespace sallyport::ops {

struct Hop {
    std::string name;   // "edge → relay", "hq", "spool"
    std::string state;  // "live", "lost", …
    bool live = false;
    std::optional<base::WallTime> since;  // of the state
    std::string reason;                   // what was seen, where it is not live
    std::string flow;                     // what passes, waits and is left, in words
};

struct Page {
    std::string agent;  // "edge-agent acme/line3"
    base::WallTime now;
    std::vector<Hop> hops;

    bool live() const;
};

/// For people: a line a hop, what is wrong first. Control characters of peers are escaped.
std::string to_text(const Page& page);

/// What is wrong, a line each, as on the page: the body of /healthz. Empty where all is live.
std::vector<std::string> wrong(const Page& page);

}  // namespace sallyport::ops
