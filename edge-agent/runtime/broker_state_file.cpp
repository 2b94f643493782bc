#include "edge-agent/runtime/broker_state_file.hpp"

#include <utility>

namespace sallyport::edge_agent {

struct BrokerStateFile::File {
    explicit File(const std::string& path) : database(path), store(database) {}

    storage::Database database;
    storage::BrokerStore store;
};

BrokerStateFile::BrokerStateFile(const std::string& path, base::WallTime now) {
    file_ = storage::open_or_set_aside(path, now, aside_, [&] {
        auto file = std::make_unique<File>(path);
        state_ = file->store.load(now);
        return file;
    });
}

BrokerStateFile::~BrokerStateFile() = default;

mqtt::DurableState BrokerStateFile::take_state() {
    return std::exchange(state_, {});
}

const storage::BrokerLoadReport& BrokerStateFile::report() const {
    return file_->store.report();
}

std::optional<std::string> BrokerStateFile::commit(const mqtt::DurableChanges& changes) {
    try {
        storage::Transaction transaction(file_->database);
        file_->store.apply(changes);
        transaction.commit();
        return std::nullopt;
    } catch (const storage::DatabaseError& error) {
        return error.what();
    }
}

}  // namespace sallyport::edge_agent
