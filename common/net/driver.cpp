// Listeners, targets and connections: who comes in, who is dialled, who is gone.
#include "common/net/driver.hpp"

#include <stdexcept>
#include <utility>

#include <boost/asio/post.hpp>

#include "common/base/assert.hpp"
#include "common/net/driver_impl.hpp"
#include "common/net/socket_options.hpp"
#include "common/net/transport.hpp"

namespace sallyport::net {
namespace {

namespace asio = boost::asio;
using base::CloseCause;

constexpr std::size_t kKeptBuffersMax = 64;
constexpr std::size_t kKeptBufferBytes = 256U << 10U;

std::shared_ptr<TransportSetup> make_setup(TransportKind kind, std::shared_ptr<TlsContext> tls,
                                           const DriverLimits& limits) {
    if (is_tls(kind) && !tls)
        throw std::invalid_argument("a TLS listener or target without TLS settings");
    auto setup = std::make_shared<TransportSetup>();
    setup->kind = kind;
    setup->tls = std::move(tls);
    setup->read_bytes = limits.read_bytes;
    setup->message_bytes_max = limits.message_bytes_max;
    return setup;
}

}  // namespace

base::Now real_now() {
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    return {{std::chrono::steady_clock::now().time_since_epoch()},
            {std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count()}};
}

Driver::Impl::Impl(asio::io_context& io, base::NetworkCore& core, DriverLimits limits,
                   std::function<void()> after_input)
    : io_(io),
      core_(core),
      limits_(limits),
      after_input_(std::move(after_input)),
      refusals_(limits.rejected_log_interval),
      timer_(io) {}

Driver::Impl::~Impl() {
    for (const auto& listener : listeners_) listener->close();
    for (const auto& [id, dialler] : diallers_) dialler->cancel();
    for (const auto& [id, connection] : connections_) connection->abandon();
}

void Driver::Impl::listen(const ListenerOptions& options) {
    auto setup = make_setup(options.transport, options.tls, limits_);
    setup->messages = options.messages && is_websocket(options.transport);
    setup->subprotocol = options.subprotocol;
    setup->path = options.path;
    const auto index = listeners_.size();
    listeners_.push_back(std::make_shared<Listener>(
        io_, options.address,
        [this, index, shared = SharedSetup(std::move(setup))](Socket socket) {
            accept(index, shared, std::move(socket));
        },
        [this, index, address = options.address](const std::string& what) {
            tell_refused(ConnectionId{}, {index, address, std::nullopt}, what);
        }));
    listeners_.back()->start();
}

std::size_t Driver::Impl::add_target(const TargetOptions& options) {
    auto setup = make_setup(options.transport, options.tls, limits_);
    setup->dialled = true;
    setup->messages = options.messages && is_websocket(options.transport);
    setup->host = options.host;
    setup->port = options.port;
    setup->subprotocol = options.subprotocol;
    setup->path = options.path;
    targets_.push_back({std::move(setup), options.host + ":" + options.port});
    return targets_.size() - 1;
}

std::vector<std::uint16_t> Driver::Impl::ports() const {
    std::vector<std::uint16_t> ports;
    ports.reserve(listeners_.size());
    for (const auto& listener : listeners_) ports.push_back(listener->port());
    return ports;
}

void Driver::Impl::accept(std::size_t listener, const SharedSetup& setup, Socket socket) {
    boost::system::error_code gone;
    const auto from = socket.remote_endpoint(gone);
    if (gone || stopping_) return;
    base::Peer peer{listener, to_text(from), std::nullopt};
    const bool needs_handshake = setup->kind != TransportKind::tcp;
    if (!make_room(needs_handshake))
        return tell_refused(ConnectionId{}, peer, "too many connections");
    last_accepted_ += 2;
    const ConnectionId id{last_accepted_};
    if (needs_handshake) handshakes_.insert(id);
    adopt(id, std::move(peer), setup, std::move(socket));
}

/// Whoever has not yet shown who he is gives way, the one that took longest first: so sockets that
/// say nothing cannot keep honest ones out.
bool Driver::Impl::make_room(bool needs_handshake) {
    if (needs_handshake && handshakes_.size() >= limits_.handshakes_max) drop_oldest_handshake();
    if (connections_.size() < limits_.connections_max) return true;
    if (handshakes_.empty()) return false;
    drop_oldest_handshake();
    return true;
}

void Driver::Impl::drop_oldest_handshake() {
    if (handshakes_.empty()) return;
    const auto oldest = connections_.at(*handshakes_.begin());
    tell_refused(oldest->id(), oldest->peer(),
                 "unfinished handshake dropped in favour of a new one");
    oldest->close(false);
}

void Driver::Impl::adopt(ConnectionId id, base::Peer peer, const SharedSetup& setup,
                         Socket socket) {
    tune(socket, setup->messages);
    auto connection = std::make_shared<Connection>(io_, *this, limits_, id, std::move(peer),
                                                   make_transport(std::move(socket), setup));
    const auto [place, is_new] = connections_.emplace(id, std::move(connection));
    SALLYPORT_ASSERT(is_new);
    const auto started = place->second;
    started->start();
}

void Driver::Impl::dialled(ConnectionId id, std::size_t target, Dialler::Outcome outcome) {
    diallers_.erase(id);
    base::Peer peer{target, targets_[target].address, std::nullopt};
    if (const auto* failure = std::get_if<Ending>(&outcome)) {
        if (refused) refused(id, peer, failure->what);
        core_.closed(id, failure->cause, real_now());
        return schedule_pump();
    }
    auto& socket = std::get<Socket>(outcome);
    boost::system::error_code gone;
    const auto endpoint = socket.remote_endpoint(gone);
    if (!gone) peer.address = to_text(endpoint);
    adopt(id, std::move(peer), targets_[target].setup, std::move(socket));
}

void Driver::Impl::tell_refused(ConnectionId id, const base::Peer& peer, std::string_view what) {
    const auto text = refusals_.tell(what, real_now().instant);
    if (text && refused) refused(id, peer, *text);
}

void Driver::Impl::on_opened(Connection& connection) {
    handshakes_.erase(connection.id());
    ++opened_;
    core_.opened(connection.id(), connection.peer(), real_now());
    schedule_pump();
}

void Driver::Impl::on_received(Connection& connection, base::ByteView bytes) {
    core_.received(connection.id(), bytes, real_now());
    schedule_pump();
}

void Driver::Impl::on_progressed(Connection& connection) {
    core_.progressed(connection.id(), real_now());
    schedule_pump();
}

bool Driver::Impl::take_output(Connection& connection, base::Bytes& out) {
    // Taking output makes room in the core, which may now want to read from somebody else.
    schedule_pump();
    return core_.take_output(connection.id(), out);
}

base::Bytes Driver::Impl::borrow_buffer() {
    if (buffers_.empty()) return {};
    base::Bytes buffer = std::move(buffers_.back());
    buffers_.pop_back();
    return buffer;
}

void Driver::Impl::give_back(base::Bytes buffer) {
    if (buffers_.size() >= kKeptBuffersMax || buffer.capacity() > kKeptBufferBytes) return;
    buffer.clear();
    buffers_.push_back(std::move(buffer));
}

void Driver::Impl::on_rejected(Connection& connection, const Ending& ending) {
    tell_refused(connection.id(), connection.peer(), ending.what);
}

void Driver::Impl::on_ended(Connection& connection, const Ending& ending) {
    const auto id = connection.id();
    handshakes_.erase(id);
    if (connection.was_opened()) --opened_;
    const bool in_order = ending.cause == CloseCause::closed || ending.cause == CloseCause::local;
    if (base::is_dialled(id) && refused && !(connection.was_opened() && in_order) &&
        ending.cause != CloseCause::local)
        refused(id, connection.peer(), ending.what);
    const auto place = connections_.find(id);
    SALLYPORT_ASSERT(place != connections_.end());
    // The connection is still on the stack; it goes when this handler has returned.
    asio::post(io_, [kept = std::move(place->second)] {});
    connections_.erase(place);
    if (connection.was_opened() || base::is_dialled(id)) {
        core_.closed(id, ending.cause, real_now());
        schedule_pump();
    }
}

void Driver::Impl::stop() {
    stopping_ = true;
    for (const auto& listener : listeners_) listener->close();
    const auto diallers = std::exchange(diallers_, {});
    for (const auto& [id, dialler] : diallers) {
        dialler->cancel();
        core_.closed(id, CloseCause::local, real_now());
    }
    const auto connections = connections_;
    for (const auto& [id, connection] : connections) connection->close(true);
    schedule_pump();
}

Driver::Driver(asio::io_context& io, base::NetworkCore& core, DriverLimits limits,
               std::function<void()> after_input)
    : impl_(std::make_shared<Impl>(io, core, limits, std::move(after_input))) {
    impl_->schedule_pump();
}

Driver::~Driver() = default;

void Driver::listen(const ListenerOptions& options) {
    impl_->listen(options);
}
std::size_t Driver::add_target(const TargetOptions& options) {
    return impl_->add_target(options);
}
void Driver::poke() {
    impl_->schedule_pump();
}
void Driver::stop() {
    impl_->stop();
}
std::size_t Driver::connections() const {
    return impl_->opened_connections();
}
std::vector<std::uint16_t> Driver::ports() const {
    return impl_->ports();
}
void Driver::on_refused(OnRefused callback) {
    impl_->refused = std::move(callback);
}

}  // namespace sallyport::net
