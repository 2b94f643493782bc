// Asio's own functions, compiled once (BOOST_ASIO_SEPARATE_COMPILATION); the load generator shares
// nothing with the agents but the MQTT codec.
#include <boost/asio/impl/src.hpp>
