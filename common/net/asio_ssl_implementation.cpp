// Asio's TLS part is compiled once, here.
#include <boost/asio/ssl/impl/src.hpp>
