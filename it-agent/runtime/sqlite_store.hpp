// The it-agent's store in SQLite: `store.db` in data_dir. Two components share it: "it-agent"
// (meta with the store's id, positions, tags, ledger) and "broker" (storage::BrokerStore), so that
// an entry's positions, tags, retained and queued messages are one transaction.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/storage/broker_store.hpp"
#include "common/storage/set_aside.hpp"
#include "it-agent/sinks/store.hpp"

namespace sallyport::it_agent {

/// One connection, used by the storage thread alone after load().
class SqliteStore final : public sinks::Store {
public:
    /// Opens or makes the file and loads it. `new_store_id` (random) names a store that is made
    /// now. A damaged file is moved aside and an empty store begun, of that id: aside() says so.
    /// Throws storage::DatabaseError where the disk refuses or the file is of a newer version.
    SqliteStore(const std::string& path, std::uint64_t new_store_id, base::WallTime now);
    ~SqliteStore() override;

    /// What the start found; once.
    sinks::StoreState load() override;
    const storage::BrokerLoadReport& report() const;
    /// For an alarm: the damage that this start found.
    const std::optional<storage::SetAside>& aside() const { return aside_; }

    std::optional<std::string> commit(const sinks::StoreJob& job) override;

private:
    struct File;

    std::optional<storage::SetAside> aside_;
    std::unique_ptr<File> file_;
    sinks::StoreState state_;
};

}  // namespace sallyport::it_agent
