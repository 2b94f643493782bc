// Who published each tag last, kept on disk so that a restarted edge can tell a device that does
// not come back from one that is merely quiet. Behind the present by up to a second: what is lost
// with it is only whose absence a tag would show. Implemented with SQLite on the storage thread
// (runtime/).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::ingest {

struct TagPublisher {
    std::string topic;
    std::string client;  // its client identifier
};

/// One transaction: these topics have these publishers now.
struct PublisherJob {
    std::uint64_t id = 0;
    std::vector<TagPublisher> changed;
};
struct PublisherDone {
    std::uint64_t id = 0;
    std::optional<std::string> error;  // nothing: committed
};

class PublisherStore {
public:
    PublisherStore() = default;
    PublisherStore(const PublisherStore&) = delete;
    PublisherStore& operator=(const PublisherStore&) = delete;
    virtual ~PublisherStore() = default;

    virtual std::vector<TagPublisher> load() = 0;
    /// On the storage thread. The error's text, or nothing when it is durable.
    virtual std::optional<std::string> commit(const PublisherJob& job) = 0;
};

}  // namespace sallyport::ingest
