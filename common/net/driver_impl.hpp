// Driver's inside. Internal to driver*.cpp.
#pragma once

#include <map>
#include <set>
#include <unordered_map>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/net/connection.hpp"
#include "common/net/dialler.hpp"
#include "common/net/driver.hpp"
#include "common/net/listener.hpp"
#include "common/net/refusal_log.hpp"

namespace sallyport::net {

class Driver::Impl final : public ConnectionOwner, public std::enable_shared_from_this<Impl> {
public:
    Impl(boost::asio::io_context& io, base::NetworkCore& core, DriverLimits limits,
         std::function<void()> after_input);
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void listen(const ListenerOptions& options);
    std::size_t add_target(const TargetOptions& options);
    void stop();
    /// One pump for all the inputs of this turn of the io_context.
    void schedule_pump();
    std::size_t opened_connections() const { return opened_; }
    std::vector<std::uint16_t> ports() const;

    OnRefused refused;

private:
    using Socket = boost::asio::ip::tcp::socket;
    using ConnectionId = base::ConnectionId;
    using SharedSetup = std::shared_ptr<const TransportSetup>;

    // ConnectionOwner
    void on_opened(Connection& connection) override;
    void on_received(Connection& connection, base::ByteView bytes) override;
    void on_progressed(Connection& connection) override;
    bool take_output(Connection& connection, base::Bytes& out) override;
    void give_back(base::Bytes buffer) override;
    base::Bytes borrow_buffer() override;
    void on_rejected(Connection& connection, const Ending& ending) override;
    void on_ended(Connection& connection, const Ending& ending) override;

    void accept(std::size_t listener, const SharedSetup& setup, Socket socket);
    bool make_room(bool needs_handshake);
    void drop_oldest_handshake();
    void adopt(ConnectionId id, base::Peer peer, const SharedSetup& setup, Socket socket);
    void dialled(ConnectionId id, std::size_t target, Dialler::Outcome outcome);
    void tell_refused(ConnectionId id, const base::Peer& peer, std::string_view what);
    /// Tells the core from a handler of its own, not from within its commands.
    void answer_closed(ConnectionId id, const Ending& ending);

    void pump();
    void carry_out(const base::Connect& command);
    void carry_out(const base::Close& command);
    void carry_out(const base::SetReading& command);
    void carry_out(const base::OutputReady& command);
    void arm_timer();
    void timer_fired();
    void let_time_pass();

    boost::asio::io_context& io_;
    base::NetworkCore& core_;
    const DriverLimits limits_;
    const std::function<void()> after_input_;

    struct Target {
        SharedSetup setup;
        std::string address;  // "host:port", for logs
    };
    std::vector<std::shared_ptr<Listener>> listeners_;
    std::vector<Target> targets_;
    std::unordered_map<ConnectionId, std::shared_ptr<Connection>> connections_;
    std::unordered_map<ConnectionId, std::shared_ptr<Dialler>> diallers_;
    std::set<ConnectionId> handshakes_;  // accepted ones; ids rise, so the first is the oldest
    std::uint64_t last_accepted_ = 0;
    std::size_t opened_ = 0;
    RefusalLog refusals_;

    std::vector<base::Bytes> buffers_;  // to be used again
    boost::asio::steady_timer timer_;
    std::optional<base::Instant> armed_for_;
    bool pump_scheduled_ = false;
    bool stopping_ = false;
};

}  // namespace sallyport::net
