// The blocking side of the control socket, for command line verbs. Plain system calls: there is
// nothing to do meanwhile, and the timeouts are the socket's own.
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

#include "common/ops/control_socket.hpp"
#include "common/ops/escape.hpp"
#include "common/ops/exit_codes.hpp"

namespace sallyport::ops {
namespace {

class Socket {
public:
    Socket() : descriptor_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    int descriptor() const { return descriptor_; }

private:
    int descriptor_;
};

[[noreturn]] void fail(const std::string& path, int error) {
    const auto reason = std::generic_category().message(error);
    if (error == EACCES || error == EPERM)
        throw Failure(ExitCode::denied, "the control socket " + path + " may not be opened: " +
                                            reason + "; run this as the agent's user or as root");
    if (error == ENOENT || error == ECONNREFUSED)
        throw Failure(ExitCode::unreachable,
                      "the agent is not running: nobody answers on its control "
                      "socket " +
                          path + " (" + reason + "); start it with the verb run");
    if (error == EAGAIN || error == EWOULDBLOCK || error == EINPROGRESS)
        throw Failure(ExitCode::unreachable, "the agent does not answer on its control socket " +
                                                 path +
                                                 "; it is overloaded or stopped, look at its log");
    throw Failure(ExitCode::unreachable,
                  "cannot ask the agent by its control socket " + path + ": " + reason);
}

void connect(const Socket& socket, const std::string& path, std::chrono::milliseconds timeout) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) fail(path, ENAMETOOLONG);
    std::memcpy(address.sun_path, path.data(), path.size());
    timeval limit{};
    limit.tv_sec = timeout.count() / 1000;
    limit.tv_usec = (timeout.count() % 1000) * 1000;
    if (socket.descriptor() < 0 ||
        ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
        ::connect(socket.descriptor(), reinterpret_cast<const sockaddr*>(&address),
                  sizeof address) != 0)
        fail(path, errno);
}

void send_all(const Socket& socket, const std::string& path, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(socket.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) fail(path, errno);
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

}  // namespace

std::string ask(const std::string& path, std::string_view verb, std::chrono::milliseconds timeout) {
    if (verb.size() >= kControlRequestBytesMax || verb.find('\n') != std::string_view::npos)
        throw Failure(ExitCode::usage, "not a verb for a control socket: " + escape(verb));
    const Socket socket;
    connect(socket, path, timeout);
    send_all(socket, path, std::string(verb) + "\n");
    std::string response;
    std::array<char, 16384> chunk{};
    while (response.size() <= kControlResponseBytesMax) {
        const auto got = ::recv(socket.descriptor(), chunk.data(), chunk.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail(path, errno);
        if (got == 0) break;
        response.append(chunk.data(), static_cast<std::size_t>(got));
    }
    // An answer ends with a line end; without it the agent broke off.
    if (!response.ends_with('\n') || response.size() > kControlResponseBytesMax)
        throw Failure(
            ExitCode::unreachable,
            "the agent broke off its answer on the control socket " + path + "; ask again");
    response.pop_back();
    return response;
}

}  // namespace sallyport::ops
