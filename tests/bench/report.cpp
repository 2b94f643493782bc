#include "tests/bench/report.hpp"

#include <array>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace sallyport::bench {
namespace {

struct NamedPercentile {
    const char* name;
    double percent;
};
constexpr std::array<NamedPercentile, 4> kPercentiles{
    {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}}};

double milliseconds(std::uint64_t ns) {
    return static_cast<double>(ns) / 1e6;
}

std::string paced(std::uint64_t rate) {
    return rate == 0 ? "as fast as possible" : fmt::format("{} messages/s", rate);
}

}  // namespace

bool Report::is_good(mqtt::Qos qos) const {
    if (!error.empty()) return false;
    if (qos == mqtt::Qos::at_most_once) return true;
    return lost == 0 && repeated == 0 && out_of_order == 0 && refused == 0;
}

std::string to_text(const Options& options, const Report& report) {
    const auto qos = static_cast<int>(options.qos);
    std::string text =
        fmt::format("QoS {}, {} publishers, {} topics, {} bytes, {}", qos, options.publishers,
                    options.topics, options.payload_bytes, paced(options.rate));
    if (qos > 0) text += fmt::format(", {} in flight a publisher", report.window);
    text += fmt::format("\nsent {}  acked {}  refused {}  unacked {}\n", report.sent,
                        report.acknowledged, report.refused, report.unacknowledged);
    text += fmt::format("received {}  lost {}  repeated {}  out of order {}  foreign {}\n",
                        report.received, report.lost, report.repeated, report.out_of_order,
                        report.foreign);
    text += fmt::format("{:.0f} messages/s over {:.2f} s ({} measured)\nlatency ms",
                        report.messages_per_second, report.receiving_seconds, report.measured);
    for (const auto& [name, percent] : kPercentiles)
        text += fmt::format("  {} {:.3f}", name, milliseconds(report.latency.percentile(percent)));
    text += fmt::format("  max {:.3f}\nload generator's own CPU {:.2f} s\n",
                        milliseconds(report.latency.max()), report.own_cpu_seconds);
    if (!report.error.empty()) text += "ended early: " + report.error + "\n";
    return text + (report.is_good(options.qos) ? "good\n" : "NOT GOOD\n");
}

std::string to_json(const Options& options, const Report& report) {
    boost::json::object latency;
    for (const auto& [name, percent] : kPercentiles)
        latency[name] = milliseconds(report.latency.percentile(percent));
    latency["max"] = milliseconds(report.latency.max());

    boost::json::object out;
    out["qos"] = static_cast<int>(options.qos);
    out["publishers"] = options.publishers;
    out["topics"] = options.topics;
    out["payload_bytes"] = options.payload_bytes;
    out["rate"] = options.rate;
    out["window"] = report.window;
    out["sent"] = report.sent;
    out["acked"] = report.acknowledged;
    out["refused"] = report.refused;
    out["unacked"] = report.unacknowledged;
    out["received"] = report.received;
    out["lost"] = report.lost;
    out["repeated"] = report.repeated;
    out["out_of_order"] = report.out_of_order;
    out["foreign"] = report.foreign;
    out["measured"] = report.measured;
    out["receiving_seconds"] = report.receiving_seconds;
    out["messages_per_second"] = report.messages_per_second;
    out["latency_ms"] = std::move(latency);
    out["own_cpu_seconds"] = report.own_cpu_seconds;
    out["error"] = report.error;
    out["good"] = report.is_good(options.qos);
    return boost::json::serialize(out) + "\n";
}

}  // namespace sallyport::bench
