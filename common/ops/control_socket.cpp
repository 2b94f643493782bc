#include "common/ops/control_socket.hpp"

#include <cerrno>
#include <set>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "common/ops/exit_codes.hpp"

namespace sallyport::ops {
namespace {

using boost::asio::local::stream_protocol;
using boost::system::error_code;

constexpr mode_t kOwnerOnly = 0600;
constexpr std::chrono::milliseconds kAcceptRetry{100};  // after running out of descriptors

[[noreturn]] void fail(const std::string& path, const std::string& why) {
    throw Failure(ExitCode::failure, "cannot open the control socket " + path + ": " + why);
}

/// A process that was killed leaves its socket file behind. Nobody answers there, so it may go;
/// anything that is not a dead socket stays.
void remove_stale(boost::asio::io_context& io, const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) return;
    if (!S_ISSOCK(status.st_mode))
        fail(path, "a file that is not a socket is in its place; move it away");
    stream_protocol::socket probe(io);
    error_code error;
    probe.connect(stream_protocol::endpoint(path), error);
    if (error != boost::asio::error::connection_refused)
        fail(path,
             "another process answers there; stop it, or set [control] socket to another path");
    if (::unlink(path.c_str()) != 0) fail(path, error_code(errno, error.category()).message());
}

}  // namespace

class ControlSocket::Server : public std::enable_shared_from_this<Server> {
public:
    Server(boost::asio::io_context& io, std::string path, Handler handler,
           std::chrono::milliseconds client_timeout)
        : acceptor_(io),
          retry_(io),
          path_(std::move(path)),
          handler_(std::move(handler)),
          client_timeout_(client_timeout) {}

    void open(boost::asio::io_context& io);
    void accept();
    void stop();

private:
    class Client;
    void accepted(error_code error, stream_protocol::socket socket);

    stream_protocol::acceptor acceptor_;
    boost::asio::steady_timer retry_;
    std::string path_;
    Handler handler_;
    std::chrono::milliseconds client_timeout_;
    std::set<std::shared_ptr<Client>> clients_;
};

/// One exchange. Lives as long as one of its operations is under way; the timer closes the socket,
/// which ends them.
class ControlSocket::Server::Client : public std::enable_shared_from_this<Client> {
public:
    Client(stream_protocol::socket socket, std::weak_ptr<Server> server)
        : socket_(std::move(socket)), timer_(socket_.get_executor()), server_(std::move(server)) {}

    void start(std::chrono::milliseconds timeout) {
        timer_.expires_after(timeout);
        timer_.async_wait([self = shared_from_this()](error_code error) {
            if (!error) self->close();
        });
        boost::asio::async_read_until(
            socket_, boost::asio::dynamic_buffer(request_, kControlRequestBytesMax), '\n',
            [self = shared_from_this()](error_code error, std::size_t bytes) {
                if (error)
                    self->close();
                else
                    self->answer(bytes - 1);
            });
    }

    void close() {
        error_code ignored;
        timer_.cancel();
        socket_.close(ignored);
        if (const auto server = server_.lock()) server->clients_.erase(shared_from_this());
    }

private:
    void answer(std::size_t verb_bytes) {
        const auto server = server_.lock();
        if (!server) return close();
        auto verb = std::string_view(request_).substr(0, verb_bytes);
        if (verb.ends_with('\r')) verb.remove_suffix(1);
        response_ = server->handler_(verb) + "\n";
        boost::asio::async_write(
            socket_, boost::asio::buffer(response_),
            [self = shared_from_this()](error_code, std::size_t) { self->close(); });
    }

    stream_protocol::socket socket_;
    boost::asio::steady_timer timer_;
    std::weak_ptr<Server> server_;
    std::string request_, response_;
};

void ControlSocket::Server::open(boost::asio::io_context& io) {
    if (path_.size() >= sizeof(sockaddr_un::sun_path))
        fail(path_,
             "the path is longer than unix sockets can have; set [control] socket to a shorter "
             "one");
    remove_stale(io, path_);
    error_code error;
    acceptor_.open(stream_protocol(), error);
    // On Linux the file takes its mode from the descriptor, so there is no moment in which it is
    // open to others, and no process-wide umask to change.
    if (!error && ::fchmod(acceptor_.native_handle(), kOwnerOnly) != 0)
        error = error_code(errno, boost::system::system_category());
    if (!error) acceptor_.bind(stream_protocol::endpoint(path_), error);
    if (!error) acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
    if (error)
        fail(path_, error.message() + "; check that its folder is there and may be written to");
}

void ControlSocket::Server::accept() {
    acceptor_.async_accept(
        [self = shared_from_this()](error_code error, stream_protocol::socket socket) {
            self->accepted(error, std::move(socket));
        });
}

void ControlSocket::Server::accepted(error_code error, stream_protocol::socket socket) {
    if (!acceptor_.is_open()) return;
    if (error) {
        retry_.expires_after(kAcceptRetry);
        retry_.async_wait([self = shared_from_this()](error_code cancelled) {
            if (!cancelled && self->acceptor_.is_open()) self->accept();
        });
        return;
    }
    if (clients_.size() < kClientsMax) {
        const auto client = std::make_shared<Client>(std::move(socket), weak_from_this());
        clients_.insert(client);
        client->start(client_timeout_);
    }
    accept();
}

void ControlSocket::Server::stop() {
    if (!acceptor_.is_open()) return;
    error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
    for (const auto& client : std::set(clients_)) client->close();
    ::unlink(path_.c_str());
}

ControlSocket::ControlSocket(boost::asio::io_context& io, const std::string& path, Handler handler,
                             std::chrono::milliseconds client_timeout)
    : server_(std::make_shared<Server>(io, path, std::move(handler), client_timeout)) {
    server_->open(io);
    server_->accept();
}

ControlSocket::~ControlSocket() {
    stop();
}
void ControlSocket::stop() {
    server_->stop();
}

}  // namespace sallyport::ops
