// The agent's control socket: a unix socket for whoever may open the file (mode 0600). One request
// a connection: a line with a verb, answered with JSON, then closed. Runs on the network thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace boost::asio {
class io_context;
}

namespace sallyport::ops {

constexpr std::size_t kControlRequestBytesMax = 4096;
constexpr std::size_t kControlResponseBytesMax = 64U << 20U;  // what ask() takes

class ControlSocket {
public:
    static constexpr std::size_t kClientsMax = 16;                    // more are closed at once
    static constexpr std::chrono::milliseconds kClientTimeout{2000};  // for the whole exchange

    /// Gives the JSON to answer with. Must not block: it runs on the network thread.
    using Handler = std::function<std::string(std::string_view verb)>;

    /// Removes a socket file that nobody answers on. Throws Failure where somebody does, where
    /// something else is in the place, or where the system refuses.
    ControlSocket(boost::asio::io_context& io, const std::string& path, Handler handler,
                  std::chrono::milliseconds client_timeout = kClientTimeout);
    ~ControlSocket();
    ControlSocket(const ControlSocket&) = delete;
    ControlSocket& operator=(const ControlSocket&) = delete;

    /// Closes everything and removes the file; no work is left in the io_context.
    void stop();

private:
    class Server;
    std::shared_ptr<Server> server_;
};

/// Asks the agent behind the socket `path` and waits. Throws Failure: unreachable where nobody
/// answers in time, denied where the file may not be opened.
std::string ask(const std::string& path, std::string_view verb,
                std::chrono::milliseconds timeout = std::chrono::seconds(5));

}  // namespace sallyport::ops
