// How a connection, or the attempt to make one, came to its end: one value for the core and one
// text for the log, made from the error codes of the kernel, OpenSSL and Beast.
#pragma once

#include <string>

#include <boost/system/error_code.hpp>

#include "common/base/network_core.hpp"

namespace sallyport::net {

struct Ending {
    base::CloseCause cause = base::CloseCause::closed;
    std::string what;  // for people; not part of any protocol
};

/// What was going on when the error came: the same code means different things.
enum class Stage {
    connecting,   // name resolution and TCP
    handshaking,  // TLS and HTTP
    open,
};

base::CloseCause cause_of(const boost::system::error_code& error, Stage stage);
Ending ending_of(const boost::system::error_code& error, Stage stage);

}  // namespace sallyport::net
