#include "common/storage/ledger_table.hpp"

namespace sallyport::storage {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS ledger (id INTEGER PRIMARY KEY, peer TEXT NOT NULL,"
    " reason INTEGER NOT NULL, tag INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " first INTEGER NOT NULL, last INTEGER NOT NULL, records INTEGER NOT NULL,"
    " since INTEGER NOT NULL, until INTEGER NOT NULL, pass INTEGER NOT NULL,"
    " settled INTEGER NOT NULL, sent_to INTEGER NOT NULL);";

// SQLite has no unsigned numbers: 64-bit ones are stored as their two's complement.
std::int64_t stored(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}
std::uint64_t number(const Statement& row, int column) {
    return static_cast<std::uint64_t>(row.integer(column));
}

}  // namespace

LedgerTable::LedgerTable(Database& database) : database_(database) {
    database_.execute(kSchema);
}

void LedgerTable::apply(const record::LedgerChange& change) {
    auto erase = database_.prepare("DELETE FROM ledger WHERE id = ?");
    for (const auto id : change.erased) erase.with(stored(id)).run();
    auto put = database_.prepare(
        "INSERT OR REPLACE INTO ledger (id, peer, reason, tag, epoch, first, last, records, since,"
        " until, pass, settled, sent_to) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    for (const auto& row : change.put) {
        const auto& entry = row.entry;
        put.with(stored(row.id), std::string_view(entry.peer),
                 stored(static_cast<std::uint64_t>(entry.reason)), stored(entry.tag),
                 stored(entry.epoch), stored(entry.first), stored(entry.last),
                 stored(entry.records), entry.since.ns, entry.until.ns, stored(row.pass),
                 stored(row.settled ? 1 : 0), stored(row.sent_to))
            .run();
    }
}

std::vector<record::LedgerRow> LedgerTable::load() {
    std::vector<record::LedgerRow> rows;
    auto row = database_.prepare(
        "SELECT id, peer, reason, tag, epoch, first, last, records, since, until, pass, settled,"
        " sent_to FROM ledger ORDER BY id");
    while (row.step()) {
        auto& read = rows.emplace_back();
        read.id = number(row, 0);
        read.entry.peer = row.text(1);
        read.entry.reason = static_cast<record::LedgerReason>(number(row, 2));
        read.entry.tag = static_cast<record::TagId>(number(row, 3));
        read.entry.epoch = number(row, 4);
        read.entry.first = number(row, 5);
        read.entry.last = number(row, 6);
        read.entry.records = number(row, 7);
        read.entry.since.ns = row.integer(8);
        read.entry.until.ns = row.integer(9);
        read.pass = number(row, 10);
        read.settled = row.integer(11) != 0;
        read.sent_to = number(row, 12);
    }
    return rows;
}

}  // namespace sallyport::storage
