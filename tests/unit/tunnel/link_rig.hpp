// A link that has greeted, and its output frame by frame.
#pragma once

#include <optional>

#include <gtest/gtest.h>

#include "common/tunnel/link.hpp"
#include "tests/unit/tunnel/samples.hpp"

namespace sallyport::tunnel {

inline std::optional<LinkFailure> failure_of(const LinkEvent& event) {
    const auto* failed = std::get_if<LinkFailed>(&event);
    return failed == nullptr ? std::nullopt : std::optional(failed->reason);
}

/// A link that has greeted, at 0 s.
inline Link up(LinkSide side, const LinkTimers& timers = {}) {
    Link link(side, timers, samples::at({}));
    const auto greeting = side == LinkSide::relay ? encode(Hello{}) : encode(Welcome{});
    EXPECT_FALSE(failure_of(link.receive(greeting, samples::at({}))));
    EXPECT_TRUE(link.is_up());
    return link;
}

/// The next frame to go out, as session and kind; session 99 where there is none.
struct Out {
    SessionId session{99};
    FrameKind kind{};
    std::uint64_t count = 0;  // of a Ping or Pong, or the sample's body
};
inline Out next_out(Link& link) {
    base::Bytes message;
    if (!link.take_output(message)) return {};
    const auto frame = decode_frame(message);
    EXPECT_TRUE(frame);
    const auto ping = decode_ping(frame->body);
    return {frame->session, FrameKind{frame->kind}, ping ? ping->count : 0};
}
inline void drain(Link& link) {
    base::Bytes message;
    while (link.take_output(message)) EXPECT_FALSE(message.empty());
}

}  // namespace sallyport::tunnel
