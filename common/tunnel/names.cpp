// The names of the tunnel's enumerators, for logs and status.
#include "common/tunnel/frame.hpp"

namespace sallyport::tunnel {

std::string_view to_string(FrameError error) {
    switch (error) {
        case FrameError::misaligned: return "misaligned buffer";
        case FrameError::too_large: return "frame too large";
        case FrameError::malformed: return "malformed frame";
        case FrameError::out_of_range: return "field out of range";
    }
    return "?";
}

std::string_view to_string(SessionEnd end) {
    switch (end) {
        case SessionEnd::peer_gone: return "peer gone";
        case SessionEnd::peer_lost: return "peer silent";
        case SessionEnd::not_wanted: return "not wanted by the peer";
        case SessionEnd::overrun: return "overrun";
        case SessionEnd::protocol: return "protocol broken";
        case SessionEnd::route_removed: return "route removed";
        case SessionEnd::shutdown: return "shutdown";
        case SessionEnd::peer_reset: return "connection of the peer broke";
    }
    return "?";
}

std::string_view to_string(ByeReason reason) {
    switch (reason) {
        case ByeReason::shutdown: return "shutdown";
        case ByeReason::replaced: return "replaced by a newer link";
        case ByeReason::duplicate: return "another live process has this identity";
        case ByeReason::protocol: return "protocol broken";
        case ByeReason::limit: return "limit reached";
        case ByeReason::version: return "protocol version not spoken";
        case ByeReason::name: return "name does not agree with the certificate";
    }
    return "?";
}

std::string_view to_string(GapReason reason) {
    switch (reason) {
        case GapReason::before_log: return "before the log's first record";
        case GapReason::damaged: return "damaged";
        case GapReason::dropped: return "dropped, the spool was full";
        case GapReason::refused: return "refused by the route";
        case GapReason::unknown_position: return "the far side's position is not in this log";
    }
    return "?";
}

}  // namespace sallyport::tunnel
