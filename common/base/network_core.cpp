#include "common/base/network_core.hpp"

namespace sallyport::base {

std::string_view to_string(CloseCause cause) {
    switch (cause) {
        case CloseCause::closed: return "closed";
        case CloseCause::reset: return "reset";
        case CloseCause::silent: return "silent";
        case CloseCause::refused: return "refused";
        case CloseCause::unreachable: return "unreachable";
        case CloseCause::identity: return "identity refused";
        case CloseCause::local: return "closed by this side";
    }
    return "?";
}

}  // namespace sallyport::base
