// loadgen: publishes numbered messages to one MQTT broker, subscribes at another, and says what
// arrived, how fast and how late. Exit codes: 0 good, 1 lost, repeated, disordered or cut short,
// 2 usage, 5 unreachable.
#include <chrono>
#include <iostream>

#include <CLI/CLI.hpp>

#include "tests/bench/load_run.hpp"
#include "tests/bench/stamp.hpp"

namespace {

using sallyport::bench::Options;

enum ExitCode { kGood = 0, kNotGood = 1, kUsage = 2, kUnreachable = 5 };

constexpr std::size_t kPayloadBytesMax = 2U << 20U;

const CLI::Validator kEndpoint{
    [](const std::string& text) -> std::string {
        const auto colon = text.rfind(':');
        if (colon == std::string::npos || colon == 0 || colon + 1 == text.size())
            return "'" + text + "' is not of the form host:port";
        return {};
    },
    "HOST:PORT"};

void declare_target(CLI::App& app, Options& options) {
    app.add_option("--pub", options.publish_to, "Broker to publish to")
        ->required()
        ->check(kEndpoint);
    app.add_option("--sub", options.subscribe_at, "Broker to subscribe at, filter bench/#")
        ->required()
        ->check(kEndpoint);
    app.add_option("--publishers", options.publishers, "Publishing clients")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000));
    app.add_option("--size", options.payload_bytes, "Payload in bytes; it begins with a stamp")
        ->capture_default_str()
        ->check(CLI::Range(sallyport::bench::kStampBytes, kPayloadBytesMax));
    app.add_option("--topics", options.topics, "Topics bench/0, bench/1, …, used in turn")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000'000));
    app.add_option("--window", options.window, "In flight a publisher, QoS 1 and 2")
        ->capture_default_str()
        ->check(CLI::Range(1, 65'535));
}

void declare_course(CLI::App& app, Options& options) {
    app.add_option("--rate", options.rate,
                   "Messages a second of all publishers; 0: as fast as possible")
        ->capture_default_str()
        ->check(CLI::Range(0, 100'000'000));
    auto* seconds = app.add_option("--seconds", options.seconds, "Measured time after the warm-up")
                        ->capture_default_str()
                        ->check(CLI::Range(0.1, 86'400.0));
    app.add_option("--count", options.count, "Messages of the run, warm-up included")
        ->check(CLI::Range(1, 1'000'000'000))
        ->excludes(seconds);
    app.add_option("--warmup", options.warmup_seconds, "Seconds sent and checked, not measured")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 3600.0));
    app.add_option("--settle", options.settle_seconds,
                   "Seconds of silence after which what is missing counts as lost")
        ->capture_default_str()
        ->check(CLI::Range(0.1, 3600.0));
    app.add_option("--timeout", options.timeout_seconds,
                   "Seconds the whole run may take (default: what it should take, and 60)")
        ->check(CLI::Range(0.1, 100'000.0));
    app.add_flag("--json", options.as_json, "Report as one JSON object");
}

/// Unlike any other run's: runs do not start in the same nanosecond.
std::uint64_t run_number() {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(since_epoch / std::chrono::nanoseconds(1));
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Publishes at one MQTT broker, subscribes at another, checks and measures",
                 "loadgen"};
    Options options;
    int qos = 1;
    app.add_option("--qos", qos, "Of publishing and subscribing")
        ->capture_default_str()
        ->check(CLI::Range(0, 2));
    declare_target(app, options);
    declare_course(app, options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kGood : kUsage;
    }
    options.qos = static_cast<sallyport::mqtt::Qos>(qos);

    sallyport::bench::LoadRun run(options, run_number());
    const auto report = run.execute();
    std::cout << (options.as_json ? to_json(options, report) : to_text(options, report));
    if (report.unreachable) {
        std::cerr << "loadgen: " << report.error << '\n';
        return kUnreachable;
    }
    return report.is_good(options.qos) ? kGood : kNotGood;
}
