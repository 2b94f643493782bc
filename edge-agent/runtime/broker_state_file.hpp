// `broker.db` in data_dir: what of the edge's broker outlives its process. One connection, used by
// the storage thread alone after the constructor.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/storage/broker_store.hpp"
#include "common/storage/set_aside.hpp"

namespace sallyport::edge_agent {

class BrokerStateFile {
public:
    /// Opens or makes the file and loads it. A damaged one is moved aside and an empty one begun:
    /// sessions, queued and retained messages are lost, and aside() says so. Throws
    /// storage::DatabaseError where the disk refuses or the file is of a newer version.
    BrokerStateFile(const std::string& path, base::WallTime now);
    ~BrokerStateFile();
    BrokerStateFile(const BrokerStateFile&) = delete;
    BrokerStateFile& operator=(const BrokerStateFile&) = delete;

    /// What the start found; once.
    mqtt::DurableState take_state();
    const storage::BrokerLoadReport& report() const;
    /// For an alarm: the damage that this start found.
    const std::optional<storage::SetAside>& aside() const { return aside_; }

    /// One transaction. Nothing: it is on the disk. Else why not; nothing of it is, and the same
    /// changes may be tried again.
    std::optional<std::string> commit(const mqtt::DurableChanges& changes);

private:
    struct File;

    std::optional<storage::SetAside> aside_;
    std::unique_ptr<File> file_;
    mqtt::DurableState state_;
};

}  // namespace sallyport::edge_agent
