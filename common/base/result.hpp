// Errors are values: `Result<T, E>` holds a `T` or one enumerator of its module's error enum.
#pragma once

#include <boost/system/result.hpp>

namespace sallyport::base {

template <class T, class E>
using Result = boost::system::result<T, E>;

}  // namespace sallyport::base
