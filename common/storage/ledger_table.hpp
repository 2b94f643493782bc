// The table `ledger`: what a side does not deliver, and why (record/ledger.hpp). In the database of
// its positions, so that both change in one transaction: the caller's.
#pragma once

#include <vector>

#include "common/record/ledger.hpp"
#include "common/storage/database.hpp"

namespace sallyport::storage {

class LedgerTable {
public:
    /// Makes the table where it is not there. `database` must outlive this. All calls throw
    /// DatabaseError.
    explicit LedgerTable(Database& database);

    void apply(const record::LedgerChange& change);
    /// Every row, oldest first.
    std::vector<record::LedgerRow> load();

private:
    Database& database_;
};

}  // namespace sallyport::storage
