#include "common/ops/signals.hpp"

#include <csignal>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace sallyport::ops {
namespace {

TEST(Signals, ReloadAsOftenAsAskedAndStopOnce) {
    boost::asio::io_context io;
    int stops = 0, reloads = 0;
    const Signals signals(
        io, [&] { ++stops; },
        [&] {
            if (++reloads == 2)
                std::raise(SIGTERM);
            else
                std::raise(SIGHUP);
        });
    std::raise(SIGHUP);
    io.run();
    EXPECT_EQ(reloads, 2);
    EXPECT_EQ(stops, 1);
}

TEST(Signals, StoppedTheyLeaveNoWork) {
    boost::asio::io_context io;
    int calls = 0;
    Signals signals(io, [&] { ++calls; }, [&] { ++calls; });
    signals.stop();
    io.run();
    EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace sallyport::ops
