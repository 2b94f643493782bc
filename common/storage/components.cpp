#include "common/storage/components.hpp"

#include <optional>

#include <sqlite3.h>

namespace sallyport::storage {
namespace {

bool has_components(Database& database) {
    auto found = database.prepare(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'components'");
    return found.step();
}

}  // namespace

DatabaseError newer_version(const std::string& path, std::string_view component,
                            std::int64_t version, std::int64_t known) {
    return {SQLITE_ERROR, path + ": was written by a newer version (" + std::string(component) +
                              " schema " + std::to_string(version) + ", known here up to " +
                              std::to_string(known) +
                              "); run that version, or restore an older copy of the file"};
}

std::int64_t component_version(Database& database, std::string_view component) {
    if (!has_components(database)) return 0;
    auto version = database.prepare("SELECT version FROM components WHERE name = ?");
    return version.with(component).step() ? version.integer(0) : 0;
}

void set_component_version(Database& database, std::string_view component, std::int64_t version) {
    database.execute(
        "CREATE TABLE IF NOT EXISTS components("
        "name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID");
    database
        .prepare(
            "INSERT INTO components(name, version) VALUES(?, ?) "
            "ON CONFLICT DO UPDATE SET version = excluded.version")
        .with(component, version)
        .run();
}

void bring_up_to_date(Database& database, std::string_view component,
                      std::span<const SchemaStep> steps) {
    const auto known = static_cast<std::int64_t>(steps.size());
    const auto version = component_version(database, component);
    if (version == known) return;
    if (version > known || version < 0)
        throw newer_version(database.path(), component, version, known);
    std::optional<Transaction> own;
    if (!database.in_transaction()) own.emplace(database);
    for (const auto step : steps.subspan(static_cast<std::size_t>(version))) step(database);
    set_component_version(database, component, known);
    if (own) own->commit();
}

}  // namespace sallyport::storage
