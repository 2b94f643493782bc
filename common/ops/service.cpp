#include "common/ops/service.hpp"

#include <chrono>
#include <random>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <spdlog/logger.h>

#include "common/ops/control_socket.hpp"
#include "common/ops/data_dir_lock.hpp"
#include "common/ops/http_server.hpp"
#include "common/ops/signals.hpp"
#include "common/ops/tags.hpp"
#include "common/pki/certificate.hpp"

namespace sallyport::ops {

namespace {

constexpr std::chrono::minutes kFailedDialEvery{1};

std::string without_line_end(std::string text) {
    if (text.ends_with('\n')) text.pop_back();
    return text;
}

HttpResponse health(const Page& page) {
    HttpResponse response;
    for (const auto& line : wrong(page)) response.body += line + '\n';
    response.status = page.live() ? 200 : 503;
    if (page.live()) response.body = "ok\n";
    return response;
}

}  // namespace

struct Service::Parts {
    Parts(const ServiceOptions& options)
        : lock(options.agent.data_dir), log(options.log, options.program) {}

    DataDirLock lock;
    Log log;
    std::string failed_dial;  // the reason last told
    std::chrono::steady_clock::time_point failed_dial_told;
    std::uint64_t failed_dials_untold = 0;
    std::optional<Signals> signals;
    std::optional<ControlSocket> control;
    std::optional<HttpServer> http;
};

Service::Service(const ServiceOptions& options)
    : options_(options), parts_(std::make_unique<Parts>(options)) {
    for (const auto& warning : options_.warnings) log().warn("{}", escape(warning));
}

Service::~Service() = default;

void Service::start(boost::asio::io_context& io, ServiceViews views, std::function<void()> on_stop,
                    const std::string& listens) {
    const auto status = views.status;
    parts_->signals.emplace(io, std::move(on_stop), [this] {
        log().warn("SIGHUP: reloading is not in this version; restart to take a changed file");
    });
    const auto page = views.page;
    parts_->control.emplace(
        io, options_.control.socket,
        [status, page, tags = views.tags, answer = std::move(views.answer)](std::string_view verb) {
            if (verb == "status") return status();
            if (verb == "page") return without_line_end(to_text(page()));
            if (const auto query = parse_tags_request(verb); query && tags)
                return tags_json(tags(*query));
            return answer ? answer(verb) : std::string(R"({"error":"unknown verb"})");
        });
    if (options_.http) {
        HttpHandlers handlers;
        handlers["/status"] = [status] { return HttpResponse{200, "application/json", status()}; };
        handlers["/metrics"] = [metrics = std::move(views.metrics)] {
            return HttpResponse{200, "text/plain; version=0.0.4; charset=utf-8", metrics()};
        };
        handlers["/healthz"] = [page] { return health(page()); };
        parts_->http.emplace(io, options_.http->address.text(), std::move(handlers));
    }
    log().info("ready: {}", listens);
}

void Service::stop() {
    if (parts_->http) parts_->http->stop();
    if (parts_->control) parts_->control->stop();
    if (parts_->signals) parts_->signals->stop();
    // Their timers and sockets must not outlive the io_context.
    parts_->http.reset();
    parts_->control.reset();
    parts_->signals.reset();
}

spdlog::logger& Service::log() {
    return parts_->log.logger();
}

void Service::log(const base::Notice& notice) {
    switch (notice.level) {
        case base::NoticeLevel::info: log().info("{}", escape(notice.text)); break;
        case base::NoticeLevel::warning: log().warn("{}", escape(notice.text)); break;
        case base::NoticeLevel::alarm: log().error("ALARM {}", escape(notice.text)); break;
    }
}

void Service::log_failed_dial(const std::string& why) {
    const auto now = std::chrono::steady_clock::now();
    if (why == parts_->failed_dial && now < parts_->failed_dial_told + kFailedDialEvery) {
        ++parts_->failed_dials_untold;
        return;
    }
    const auto untold = std::exchange(parts_->failed_dials_untold, 0);
    if (untold > 0)
        log().warn("{} (and {} times more since the last line)", escape(why), untold);
    else
        log().warn("{}", escape(why));
    parts_->failed_dial = why;
    parts_->failed_dial_told = now;
}

base::Identity own_identity(const config::TlsSection& tls, base::Role role,
                            const std::string& name) {
    const auto info = pki::inspect_certificate(tls.cert);
    if (!info.identity)
        throw pki::PkiError(tls.cert +
                            ": holds no sallyport identity; have a request signed with "
                            "sallyport-ca sign and install it");
    if (info.identity->role != role || info.identity->name != name)
        throw pki::PkiError(tls.cert + ": is of " + to_uri(*info.identity) +
                            ", but the configuration says role " + std::string(to_string(role)) +
                            ", name " + name + "; install the certificate of this agent");
    return *info.identity;
}

std::uint64_t random_number() {
    std::random_device source;
    const auto number = (static_cast<std::uint64_t>(source()) << 32U) | source();
    return number == 0 ? 1 : number;
}

}  // namespace sallyport::ops
