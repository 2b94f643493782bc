#include <sqlite3.h>

#include "common/base/assert.hpp"
#include "common/storage/database.hpp"

namespace sallyport::storage {
namespace {

/// An empty text or blob is not NULL, but SQLite takes a null pointer for it.
const char* never_null(const void* data) {
    return data ? static_cast<const char*>(data) : "";
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

void Statement::check(int code, const char* doing) const {
    if (code == SQLITE_OK) return;
    sqlite3* const connection = sqlite3_db_handle(statement_.get());
    const char* const file = sqlite3_db_filename(connection, nullptr);
    std::string what = file && *file ? file : ":memory:";
    what += std::string(": ") + doing + " \"" + sqlite3_sql(statement_.get()) +
            "\": " + sqlite3_errmsg(connection);
    sqlite3_reset(statement_.get());
    throw DatabaseError(code, what);
}

void Statement::require_parameters(std::size_t count) const {
    SALLYPORT_ASSERT(static_cast<std::size_t>(sqlite3_bind_parameter_count(statement_.get())) ==
                     count);
}

Statement& Statement::bind(int parameter, std::int64_t value) {
    check(sqlite3_bind_int64(statement_.get(), parameter, value), "binding");
    return *this;
}

Statement& Statement::bind(int parameter, double value) {
    check(sqlite3_bind_double(statement_.get(), parameter, value), "binding");
    return *this;
}

Statement& Statement::bind(int parameter, std::string_view text) {
    check(sqlite3_bind_text64(statement_.get(), parameter, never_null(text.data()), text.size(),
                              SQLITE_TRANSIENT, SQLITE_UTF8),
          "binding");
    return *this;
}

Statement& Statement::bind(int parameter, base::ByteView blob) {
    check(sqlite3_bind_blob64(statement_.get(), parameter, never_null(blob.data()), blob.size(),
                              SQLITE_TRANSIENT),
          "binding");
    return *this;
}

Statement& Statement::bind(int parameter, std::nullptr_t) {
    check(sqlite3_bind_null(statement_.get(), parameter), "binding");
    return *this;
}

bool Statement::step() {
    const int code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) return true;
    check(code == SQLITE_DONE ? SQLITE_OK : code, "running");
    reset();
    return false;
}

void Statement::run() {
    while (step()) {
    }
}

void Statement::reset() {
    // Repeats the error of the last step, which has been thrown already.
    (void)sqlite3_reset(statement_.get());
}

void Statement::require_type(int column, int type) const {
    SALLYPORT_ASSERT(column >= 0 && column < sqlite3_data_count(statement_.get()));
    const int stored = sqlite3_column_type(statement_.get(), column);
    if (stored == type) return;
    throw DatabaseError(SQLITE_MISMATCH, std::string("column ") +
                                             sqlite3_column_name(statement_.get(), column) +
                                             " of \"" + sqlite3_sql(statement_.get()) +
                                             "\" holds a value of another type");
}

std::int64_t Statement::integer(int column) const {
    require_type(column, SQLITE_INTEGER);
    return sqlite3_column_int64(statement_.get(), column);
}

double Statement::real(int column) const {
    require_type(column, SQLITE_FLOAT);
    return sqlite3_column_double(statement_.get(), column);
}

std::string_view Statement::text(int column) const {
    require_type(column, SQLITE_TEXT);
    const auto* const data =
        reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

base::ByteView Statement::blob(int column) const {
    require_type(column, SQLITE_BLOB);
    const auto* const data =
        static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_.get(), column));
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

bool Statement::is_null(int column) const {
    SALLYPORT_ASSERT(column >= 0 && column < sqlite3_data_count(statement_.get()));
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

}  // namespace sallyport::storage
