// SQLite as C++ values: one connection, prepared statements with typed binding and columns,
// transactions. Nothing of any schema is known here.
//
// Durable means durable: write-ahead log with synchronous = FULL, so COMMIT returns only after the
// log is synced; no memory map. One connection per database file and process, used by one thread at
// a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "common/base/bytes.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace sallyport::storage {

/// What failed, in which file, and SQLite's reason. `code` is SQLite's extended result code. After
/// it the statement is reset and the connection usable; an open transaction is rolled back by its
/// destructor.
class DatabaseError : public std::runtime_error {
public:
    DatabaseError(int code, const std::string& what) : std::runtime_error(what), code_(code) {}

    int code() const { return code_; }
    bool is_busy() const;
    /// The disk's fault (full, I/O error, read-only): the same call may succeed later.
    bool is_disk() const;
    /// The file is damaged or no database of ours.
    bool is_damage() const;

private:
    int code_;
};

/// A prepared statement. Parameters and columns are numbered as in SQLite: parameters from 1,
/// columns from 0. Must not outlive its Database.
class Statement {
public:
    Statement(Statement&&) noexcept = default;
    Statement& operator=(Statement&&) noexcept = default;

    /// Texts and blobs are copied. Bindings stay until bound again, also over reset().
    Statement& bind(int parameter, std::int64_t value);
    Statement& bind(int parameter, double value);
    Statement& bind(int parameter, std::string_view text);
    Statement& bind(int parameter, base::ByteView blob);
    Statement& bind(int parameter, std::nullptr_t);

    /// Resets, binds the values to parameters 1, 2, …: all of them, or the assertion fails.
    template <class... Values>
    Statement& with(const Values&... values) {
        reset();
        require_parameters(sizeof...(values));
        int parameter = 0;
        (bind(++parameter, values), ...);
        return *this;
    }

    /// True: there is a row, readable until the next step or reset. False: done, and reset.
    bool step();
    /// For statements without rows: steps to the end.
    void run();
    void reset();

    /// Each throws DatabaseError (mismatch) where the stored value is of another type.
    std::int64_t integer(int column) const;
    double real(int column) const;
    /// Valid until the next step or reset.
    std::string_view text(int column) const;
    base::ByteView blob(int column) const;
    bool is_null(int column) const;

private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
    void check(int code, const char* doing) const;
    void require_parameters(std::size_t count) const;
    void require_type(int column, int type) const;

    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
public:
    /// Opens, or makes with mode 0600. ":memory:" for tests: everything but the log.
    explicit Database(const std::string& path,
                      std::chrono::milliseconds busy_timeout = std::chrono::seconds(5));
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    /// One or more statements without parameters and results, e.g. a schema.
    void execute(const std::string& sql);
    /// Exactly one statement.
    Statement prepare(std::string_view sql);

    /// Rows changed by the last INSERT, UPDATE or DELETE.
    std::int64_t changes() const;
    std::int64_t last_insert_rowid() const;
    bool in_transaction() const;
    /// The schema's version, 0 in a new file (PRAGMA user_version).
    std::int64_t schema_version();
    void set_schema_version(std::int64_t version);
    const std::string& path() const { return path_; }

private:
    struct Close {
        void operator()(sqlite3* connection) const;
    };
    void check(int code, const std::string& doing) const;
    void use_write_ahead_log();

    std::string path_;
    std::unique_ptr<sqlite3, Close> connection_;
};

/// BEGIN IMMEDIATE … COMMIT; rolled back where commit() was not reached or failed.
class Transaction {
public:
    explicit Transaction(Database& database);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    /// Returns when everything is on the disk.
    void commit();

private:
    Database& database_;
    bool open_ = true;
};

}  // namespace sallyport::storage
