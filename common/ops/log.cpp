#include "common/ops/log.hpp"

#include <chrono>
#include <utility>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <spdlog/async.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "common/base/time.hpp"

namespace sallyport::ops {
namespace {

void append(std::string_view text, spdlog::memory_buf_t& line) {
    line.append(text.data(), text.data() + text.size());
}

/// RFC 3339 with three digits of a second, which is what a person reads.
std::string time_of(const spdlog::details::log_msg& event) {
    const auto since =
        std::chrono::duration_cast<std::chrono::nanoseconds>(event.time.time_since_epoch());
    constexpr std::size_t kUpToMilliseconds = 23;
    return base::to_rfc3339({since.count()}).substr(0, kUpToMilliseconds) + "Z";
}

std::string_view level_of(const spdlog::details::log_msg& event) {
    const auto name = spdlog::level::to_string_view(event.level);
    return event.level == spdlog::level::warn ? "warn" : std::string_view(name.data(), name.size());
}

std::string_view text_of(const spdlog::details::log_msg& event) {
    return {event.payload.data(), event.payload.size()};
}

class TextFormatter final : public spdlog::formatter {
public:
    explicit TextFormatter(std::string agent) : agent_(std::move(agent)) {}

    void format(const spdlog::details::log_msg& event, spdlog::memory_buf_t& line) override {
        append(time_of(event), line);
        append(" ", line);
        append(level_of(event), line);
        append(" " + agent_ + ": ", line);
        append(one_line(text_of(event)), line);
        append("\n", line);
    }
    std::unique_ptr<spdlog::formatter> clone() const override {
        return std::make_unique<TextFormatter>(agent_);
    }

private:
    std::string agent_;
};

class JsonFormatter final : public spdlog::formatter {
public:
    explicit JsonFormatter(std::string agent) : agent_(std::move(agent)) {}

    void format(const spdlog::details::log_msg& event, spdlog::memory_buf_t& line) override {
        append(R"({"time":")" + time_of(event) + R"(","level":")", line);
        append(level_of(event), line);
        append(R"(","agent":)" + boost::json::serialize(boost::json::string(agent_)), line);
        append(R"(,"text":)", line);
        append(boost::json::serialize(boost::json::string(text_of(event))), line);
        append("}\n", line);
    }
    std::unique_ptr<spdlog::formatter> clone() const override {
        return std::make_unique<JsonFormatter>(agent_);
    }

private:
    std::string agent_;
};

spdlog::level::level_enum to_spdlog(config::LogLevel level) {
    switch (level) {
        case config::LogLevel::trace: return spdlog::level::trace;
        case config::LogLevel::debug: return spdlog::level::debug;
        case config::LogLevel::info: return spdlog::level::info;
        case config::LogLevel::warn: return spdlog::level::warn;
        case config::LogLevel::error: return spdlog::level::err;
    }
    return spdlog::level::info;
}

std::unique_ptr<spdlog::formatter> make_formatter(config::LogFormat format,
                                                  const std::string& agent) {
    switch (format) {
        case config::LogFormat::text: return std::make_unique<TextFormatter>(agent);
        case config::LogFormat::json: return std::make_unique<JsonFormatter>(agent);
    }
    return nullptr;
}

}  // namespace

Log::Log(const config::LogSection& section, const std::string& agent)
    : Log(section, agent, std::make_shared<spdlog::sinks::stderr_sink_mt>()) {}

Log::Log(const config::LogSection& section, const std::string& agent,
         std::shared_ptr<spdlog::sinks::sink> sink)
    : writer_(std::make_shared<spdlog::details::thread_pool>(kWaitingLinesMax, 1)) {
    sink->set_formatter(make_formatter(section.format, agent));
    logger_ = std::make_shared<spdlog::async_logger>(agent, std::move(sink), writer_,
                                                     spdlog::async_overflow_policy::overrun_oldest);
    logger_->set_level(to_spdlog(section.level));
}

Log::~Log() = default;

std::size_t Log::lines_lost() const {
    return writer_->overrun_counter();
}

}  // namespace sallyport::ops
