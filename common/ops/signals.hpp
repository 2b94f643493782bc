// What the operating system asks of an agent: stop (SIGTERM, SIGINT) and reload (SIGHUP).
#pragma once

#include <functional>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace sallyport::ops {

/// Calls back on the io_context's thread, reload as often as asked, stop once. Holds work in the
/// io_context until it has said stop or stop() was called. SIGPIPE is ignored from here on.
class Signals {
public:
    Signals(boost::asio::io_context& io, std::function<void()> on_stop,
            std::function<void()> on_reload);
    ~Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    void stop();

private:
    struct State;
    static void wait(const std::shared_ptr<State>& state);
    std::shared_ptr<State> state_;
};

}  // namespace sallyport::ops
