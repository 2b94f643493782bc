// The HTTP side of accepting a WebSocket (RFC 6455 section 4.2): who is let in, and what the others
// are told.
#pragma once

#include <optional>
#include <string>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/status.hpp>

#include "common/net/transport.hpp"

namespace sallyport::net {

constexpr std::size_t kHttpHeaderBytesMax = 8U << 10U;

using UpgradeRequest = boost::beast::http::request<boost::beast::http::empty_body>;

/// Nothing where `request` asks for a WebSocket on our path and offers our subprotocol; else the
/// status to answer: 404 for another path, 400 for all else.
std::optional<boost::beast::http::status> why_not_upgraded(const UpgradeRequest& request,
                                                           const TransportSetup& setup);

/// A whole answer without a body that says nothing about who we are.
std::string refusal_answer(boost::beast::http::status status);

}  // namespace sallyport::net
