// Several stores share a database file, each with tables and a version of its own: table
// components(name, version). A store says how its tables came to be, one step a version.
#pragma once

#include <span>
#include <string_view>

#include "common/storage/database.hpp"

namespace sallyport::storage {

/// Brings a component's tables from the version before to the next.
using SchemaStep = void (*)(Database&);

/// The component's version in this file; 0: it has no tables here yet.
std::int64_t component_version(Database& database, std::string_view component);
/// Inside a transaction.
void set_component_version(Database& database, std::string_view component, std::int64_t version);

/// Runs the steps that the file lacks: all of them or none, in the caller's transaction where one
/// is open. `steps[n]` leads from version n to n + 1. A file of a version beyond the last step
/// is refused: DatabaseError that is neither disk, nor damage, nor busy, and nothing has changed.
void bring_up_to_date(Database& database, std::string_view component,
                      std::span<const SchemaStep> steps);

/// What a file of a later version is refused with.
DatabaseError newer_version(const std::string& path, std::string_view component,
                            std::int64_t version, std::int64_t known);

}  // namespace sallyport::storage
