// Beast's non-template part is compiled once, here.
#include <boost/beast/src.hpp>
