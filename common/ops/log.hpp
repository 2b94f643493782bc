// The log of one process: one event, one line, to stderr, as text or JSON.
//
//     2026-01-02T03:04:05.678Z info edge-agent: ready: mqtt on 127.0.0.1:1883
//     {"time":"2026-01-02T03:04:05.678Z","level":"info","agent":"edge-agent","text":"ready: …"}
//
// Lines are written by a thread of its own: a stderr that nobody reads must not hold up the network
// thread. When kWaitingLinesMax wait, the oldest are lost and counted.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "common/config/sections.hpp"
#include "common/ops/escape.hpp"

namespace spdlog {
class logger;
namespace details {
class thread_pool;
}
namespace sinks {
class sink;
}
}  // namespace spdlog

namespace sallyport::ops {

class Log {
public:
    static constexpr std::size_t kWaitingLinesMax = 8192;

    Log(const config::LogSection& section, const std::string& agent);
    /// Writes to `sink`, whose formatter it replaces.
    Log(const config::LogSection& section, const std::string& agent,
        std::shared_ptr<spdlog::sinks::sink> sink);
    /// Writes what waits.
    ~Log();
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    /// From any thread. What comes from a peer goes in through escape(); whatever comes in, a line
    /// stays one line.
    spdlog::logger& logger() { return *logger_; }
    std::size_t lines_lost() const;

private:
    std::shared_ptr<spdlog::logger> logger_;
    // Goes first, when all lines are written: so the logger never goes on the writer's thread.
    std::shared_ptr<spdlog::details::thread_pool> writer_;
};

}  // namespace sallyport::ops
