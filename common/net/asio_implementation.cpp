// Asio is compiled once, here, instead of in every unit that includes it.
#include <boost/asio/impl/src.hpp>
