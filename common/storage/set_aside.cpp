#include "common/storage/set_aside.hpp"

#include <filesystem>
#include <system_error>

#include <sqlite3.h>

namespace sallyport::storage {
namespace {

/// "20260102T030405Z": no colons, which some tools take for a host name.
std::string compact(base::WallTime time) {
    const auto text = base::to_rfc3339(time);
    std::string made;
    for (const char c : text.substr(0, text.find('.')))
        if (c != '-' && c != ':') made += c;
    return made + 'Z';
}

}  // namespace

std::string set_aside(const std::string& path, base::WallTime now) {
    const auto first_choice = path + ".damaged-" + compact(now);
    auto target = first_choice;
    for (int n = 2; std::filesystem::exists(target); ++n)
        target = first_choice + '-' + std::to_string(n);
    std::error_code error;
    // The database first: SQLite throws away a log whose database is gone, should the process end
    // between the two, and would replay it into the new file were it the other way round.
    std::filesystem::rename(path, target, error);
    if (error)
        throw DatabaseError(SQLITE_CANTOPEN,
                            path + ": damaged, and cannot be moved aside: " + error.message());
    for (const char* part : {"-wal", "-shm"})  // need not be there
        std::filesystem::rename(path + part, target + part, error);
    return target;
}

}  // namespace sallyport::storage
