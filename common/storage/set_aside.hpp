// A damaged database must not keep an agent from starting: its files are moved aside, for whoever
// wants to look at them, and an empty one takes their place.
#pragma once

#include <optional>
#include <string>

#include "common/base/time.hpp"
#include "common/storage/database.hpp"

namespace sallyport::storage {

/// Damage that a start found: what was wrong, and where the file is now.
struct SetAside {
    std::string reason;
    std::string moved_to;  // "<path>.damaged-20260102T030405Z", its log beside it with "-wal"
};

/// Moves the database and what belongs to it ("-wal", "-shm"); gives the new path. No connection to
/// it may be open. Throws DatabaseError (disk) where the folder refuses.
std::string set_aside(const std::string& path, base::WallTime now);

/// `open()`; where it finds the file damaged, twice, moves that aside and opens once more. `aside`
/// tells about it. Any other DatabaseError, or damage after that, is thrown. Twice, because SQLite
/// calls a read that fails damage, and the next one may not fail.
template <class Open>
auto open_or_set_aside(const std::string& path, base::WallTime now, std::optional<SetAside>& aside,
                       Open open) {
    try {
        return open();
    } catch (const DatabaseError& error) {
        if (!error.is_damage()) throw;
    }
    try {
        return open();
    } catch (const DatabaseError& error) {
        if (!error.is_damage()) throw;
        aside = SetAside{error.what(), {}};
    }
    aside->moved_to = set_aside(path, now);
    return open();
}

}  // namespace sallyport::storage
