// The it-agent's own tables in store.db, version by version.
#pragma once

#include "common/storage/database.hpp"

namespace sallyport::it_agent {

/// Makes or migrates them and the broker's, in one transaction; a store that is made now gets the
/// id. Throws storage::DatabaseError for a file of a newer version, unchanged.
void bring_up_to_date(storage::Database& database, std::uint64_t new_store_id);

}  // namespace sallyport::it_agent
