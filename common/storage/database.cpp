#include "common/storage/database.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <sqlite3.h>

#include "common/base/assert.hpp"

namespace sallyport::storage {
namespace {

constexpr const char* kInMemory = ":memory:";
constexpr int kPrimaryCodeMask = 0xff;

/// SQLite makes files with the umask's mode; payloads are nobody else's to read. The log and its
/// index take the mode of the database.
void make_private_file(const std::string& path) {
    if (path == kInMemory) return;
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        throw DatabaseError(SQLITE_CANTOPEN,
                            path + ": cannot be opened for writing: " + std::strerror(errno));
    ::close(file);
}

}  // namespace

bool DatabaseError::is_busy() const {
    const int primary = code_ & kPrimaryCodeMask;
    return primary == SQLITE_BUSY || primary == SQLITE_LOCKED;
}

bool DatabaseError::is_disk() const {
    const int primary = code_ & kPrimaryCodeMask;
    return primary == SQLITE_FULL || primary == SQLITE_IOERR || primary == SQLITE_READONLY ||
           primary == SQLITE_CANTOPEN;
}

bool DatabaseError::is_damage() const {
    const int primary = code_ & kPrimaryCodeMask;
    return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_MISMATCH;
}

void Database::Close::operator()(sqlite3* connection) const {
    sqlite3_close_v2(connection);
}

Database::Database(const std::string& path, std::chrono::milliseconds busy_timeout) : path_(path) {
    make_private_file(path);
    sqlite3* opened = nullptr;
    const int code = sqlite3_open_v2(
        path.c_str(), &opened,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
        nullptr);
    connection_.reset(opened);  // SQLite makes one even where opening failed
    check(code, "opening");
    check(sqlite3_busy_timeout(opened, static_cast<int>(busy_timeout.count())), "opening");
    use_write_ahead_log();
    execute(
        "PRAGMA synchronous = FULL;"
        "PRAGMA mmap_size = 0;"
        "PRAGMA foreign_keys = ON;"
        "PRAGMA trusted_schema = OFF;"
        "PRAGMA journal_size_limit = 67108864;"
        "PRAGMA secure_delete = FAST;");
}

/// The pragma does not fail where it is refused; it answers with the mode that stays.
void Database::use_write_ahead_log() {
    auto statement = prepare("PRAGMA journal_mode = WAL");
    const bool answered = statement.step();
    const std::string mode = answered ? std::string(statement.text(0)) : "unknown";
    if (mode != "wal" && path_ != kInMemory)
        throw DatabaseError(
            SQLITE_CANTOPEN,
            path_ + ": no write-ahead log on this file system (mode stays " + mode + ")");
}

void Database::check(int code, const std::string& doing) const {
    if (code == SQLITE_OK) return;
    throw DatabaseError(code, path_ + ": " + doing + ": " + sqlite3_errmsg(connection_.get()));
}

void Database::execute(const std::string& sql) {
    check(sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr), sql);
}

Statement Database::prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    const char* rest = nullptr;
    check(sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                             SQLITE_PREPARE_PERSISTENT, &statement, &rest),
          std::string(sql));
    Statement prepared(statement);
    SALLYPORT_ASSERT(statement != nullptr);  // a comment is no statement
    SALLYPORT_ASSERT(
        std::string_view(rest, static_cast<std::size_t>(sql.data() + sql.size() - rest))
            .find_first_not_of("; \n\t") == std::string_view::npos);
    return prepared;
}

std::int64_t Database::changes() const {
    return sqlite3_changes64(connection_.get());
}

std::int64_t Database::last_insert_rowid() const {
    return sqlite3_last_insert_rowid(connection_.get());
}

bool Database::in_transaction() const {
    return sqlite3_get_autocommit(connection_.get()) == 0;
}

std::int64_t Database::schema_version() {
    auto statement = prepare("PRAGMA user_version");
    const bool answered = statement.step();
    SALLYPORT_ASSERT(answered);
    return statement.integer(0);
}

void Database::set_schema_version(std::int64_t version) {
    execute("PRAGMA user_version = " + std::to_string(version));
}

Transaction::Transaction(Database& database) : database_(database) {
    database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
    // Some errors (full disk among them) have rolled back already.
    if (!open_ || !database_.in_transaction()) return;
    try {
        database_.execute("ROLLBACK");
    } catch (const DatabaseError&) {  // NOLINT(bugprone-empty-catch)
        // Nothing was committed either way; the next BEGIN reports what is wrong.
    }
}

void Transaction::commit() {
    SALLYPORT_ASSERT(open_);
    database_.execute("COMMIT");
    open_ = false;
}

}  // namespace sallyport::storage
