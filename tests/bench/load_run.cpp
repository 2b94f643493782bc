#include "tests/bench/load_run.hpp"

#include <algorithm>
#include <chrono>
#include <sys/resource.h>

namespace sallyport::bench {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr double kTimeoutExtraSeconds = 60;
constexpr double kDisconnectSeconds = 2;
constexpr auto kStartDelay = 50ms;
constexpr auto kPollInterval = 10ms;
/// After the last message has come: time for a repeat of it to show itself.
constexpr std::int64_t kLingerNs = 200'000'000;

std::int64_t nanoseconds(double seconds) {
    return static_cast<std::int64_t>(seconds * kNsPerSecond);
}

std::int64_t expected_ns(const Options& options) {
    if (options.count == 0) return nanoseconds(options.warmup_seconds + options.seconds);
    if (options.rate == 0) return 0;
    return nanoseconds(static_cast<double>(options.count) / static_cast<double>(options.rate));
}

double own_cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// "host:port", "[::1]:port". Nothing, and `why`, where the name has no address.
bool resolve_endpoint(asio::io_context& io, const std::string& text, tcp::endpoint& endpoint,
                      std::string& why) {
    const auto colon = text.rfind(':');
    std::string host = text.substr(0, colon);
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    tcp::resolver resolver(io);
    error_code error;
    const auto found = resolver.resolve(host, text.substr(colon + 1), error);
    if (error) {
        why = text + ": " + error.message();
        return false;
    }
    endpoint = found.begin()->endpoint();
    return true;
}

}  // namespace

LoadRun::LoadRun(const Options& options, std::uint64_t run)
    : options_(options),
      arrivals_(options.publishers),
      subscriber_(io_, *this, options.qos, run, arrivals_),
      deadline_(io_),
      poll_(io_) {
    for (std::size_t index = 0; index < options.publishers; ++index)
        publishers_.push_back(
            std::make_unique<Publisher>(io_, *this, options, index, run, arrivals_));
}

Report LoadRun::execute() {
    if (resolve()) {
        const double expected = static_cast<double>(expected_ns(options_)) / kNsPerSecond;
        give_up_after(options_.timeout_seconds > 0
                          ? options_.timeout_seconds
                          : expected + options_.settle_seconds + kTimeoutExtraSeconds);
        subscriber_.open(subscribe_at_);
        io_.run();
    }
    return report();
}

bool LoadRun::resolve() {
    return resolve_endpoint(io_, options_.publish_to, publish_to_, error_) &&
           resolve_endpoint(io_, options_.subscribe_at, subscribe_at_, error_);
}

void LoadRun::on_subscribed() {
    ++open_connections_;
    publishers_.front()->open(publish_to_);
}

void LoadRun::on_publisher_ready() {
    ++open_connections_;
    if (++publishers_ready_ < publishers_.size())
        publishers_[publishers_ready_]->open(publish_to_);
    else
        start_load();
}

void LoadRun::start_load() {
    started_ = true;
    Schedule schedule;
    schedule.publishers = publishers_.size();
    schedule.rate = options_.rate;
    schedule.start_ns = monotonic_ns() + kStartDelay / 1ns;
    schedule.measure_ns = schedule.start_ns + nanoseconds(options_.warmup_seconds);
    if (options_.count > 0)
        schedule.count = options_.count;
    else
        schedule.stop_ns = schedule.start_ns + expected_ns(options_);
    subscriber_.measure_from(schedule.measure_ns);
    poll_.expires_after(kStartDelay);
    poll_.async_wait([this, schedule](const error_code& cancelled) {
        if (cancelled) return;
        for (const auto& publisher : publishers_) publisher->start(schedule);
    });
}

void LoadRun::on_publisher_done() {
    if (++publishers_done_ < publishers_.size()) return;
    sent_all_ns_ = monotonic_ns();
    await_arrivals();
}

void LoadRun::await_arrivals() {
    if (is_settled()) return disconnect();
    poll_.expires_after(kPollInterval);
    poll_.async_wait([this](const error_code& cancelled) {
        if (!cancelled) await_arrivals();
    });
}

bool LoadRun::is_settled() const {
    const std::int64_t latest_ns = std::max(sent_all_ns_, subscriber_.last_arrival_ns());
    const std::int64_t patience_ns =
        arrivals_.missing() == 0 ? kLingerNs : nanoseconds(options_.settle_seconds);
    return monotonic_ns() - latest_ns >= patience_ns;
}

/// A DISCONNECT is part of the run: a connection that just ends is a fault for the broker, and it
/// would go on to tell everybody about it.
void LoadRun::disconnect() {
    if (disconnecting_) return;
    disconnecting_ = true;
    poll_.cancel();
    give_up_after(kDisconnectSeconds);
    subscriber_.finish();
    for (const auto& publisher : publishers_) publisher->finish();
    if (open_connections_ == 0) io_.stop();
}

void LoadRun::one_closed() {
    if (--open_connections_ == 0 && disconnecting_) io_.stop();
}

void LoadRun::on_subscriber_closed() {
    one_closed();
}
void LoadRun::on_publisher_closed() {
    one_closed();
}
void LoadRun::on_subscriber_failed(const std::string& why) {
    give_up("subscriber at " + options_.subscribe_at + ": " + why);
}
void LoadRun::on_publisher_failed(const std::string& why) {
    give_up("publisher at " + options_.publish_to + ": " + why);
}

/// The first reason stands. What still arrives while disconnecting is not of interest.
void LoadRun::give_up(const std::string& why) {
    if (disconnecting_) return io_.stop();
    error_ = why;
    disconnect();
}

void LoadRun::give_up_after(double seconds) {
    deadline_.expires_after(std::chrono::nanoseconds(nanoseconds(seconds)));
    deadline_.async_wait([this](const error_code& cancelled) {
        if (!cancelled) give_up("timeout");
    });
}

Report LoadRun::report() const {
    Report report;
    report.sent = arrivals_.sent();
    for (const auto& publisher : publishers_) {
        report.acknowledged += publisher->acknowledged();
        report.refused += publisher->refused();
        report.unacknowledged += publisher->in_flight();
        report.window = std::max(report.window, publisher->window());
    }
    report.received = arrivals_.received();
    report.lost = arrivals_.missing();
    report.repeated = arrivals_.repeated();
    report.out_of_order = arrivals_.out_of_order();
    report.foreign = subscriber_.foreign() + arrivals_.never_sent();

    const Measured& measured = subscriber_.measured();
    report.measured = measured.received;
    report.latency = measured.latency;
    report.receiving_seconds =
        static_cast<double>(measured.last_ns - measured.first_ns) / kNsPerSecond;
    if (measured.received > 1 && report.receiving_seconds > 0)
        report.messages_per_second =
            static_cast<double>(measured.received - 1) / report.receiving_seconds;
    report.own_cpu_seconds = own_cpu_seconds();
    report.unreachable = !started_;
    report.error = error_;
    return report;
}

}  // namespace sallyport::bench
