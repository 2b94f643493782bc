#include "common/record/ledger.hpp"

namespace sallyport::record {

std::string_view to_string(LedgerReason reason) {
    switch (reason) {
        case LedgerReason::dropped: return "dropped";
        case LedgerReason::damaged: return "damaged";
        case LedgerReason::torn_tail: return "torn-tail";
        case LedgerReason::refused: return "refused";
        case LedgerReason::cursor_freed: return "cursor-freed";
        case LedgerReason::conflated: return "conflated";
        case LedgerReason::expired: return "expired";
        case LedgerReason::parked: return "parked";
        case LedgerReason::kept: return "kept";
        case LedgerReason::before_log: return "before-log";
        case LedgerReason::unknown_position: return "unknown-position";
    }
    return "?";
}

}  // namespace sallyport::record
