// Well-formedness of an MQTT UTF-8 Encoded String (section 1.5.4; 1.5.3 in 3.1.1).
#pragma once

#include <string_view>

namespace sallyport::mqtt {

/// Well-formed as in Unicode's table 3-7 (no overlong form, no surrogate, nothing above U+10FFFF)
/// and without U+0000. Non-characters and control characters pass: refusing them is optional.
bool is_valid_utf8(std::string_view text);

}  // namespace sallyport::mqtt
