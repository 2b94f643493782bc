// The changes of what outlives the process (durable_state.hpp) that no batch has taken yet. Each
// has a number; numbers rise, and what depends on a change waits until its number is saved.
//
// There is at most one change of a thing: a later one takes the place of an earlier one, and what
// came and went between two batches leaves no trace. So a fast retained topic costs one row a
// batch, and while the disk stands still the journal is bounded by what bounds the state itself:
// one change for each thing there is, and one for each that was there when the last batch was
// taken.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/mqtt/durable_state.hpp"

namespace sallyport::mqtt {

class Journal {
public:
    enum class Kind : std::uint8_t { session, subscription, message, delivery, receipt, retained };
    /// What a change is about. `owner` is the session's key (never reused, unlike its client
    /// identifier), `number` tells deliveries, messages and receipts apart, `text` is a filter or
    /// a topic.
    struct Thing {
        Kind kind{};
        std::uint64_t owner = 0;
        std::uint64_t number = 0;
        std::string text;

        friend bool operator==(const Thing&, const Thing&) = default;
    };

    /// `is_new`: no earlier batch has the thing. `message` is copied when the batch is taken.
    void put(const Thing& thing, DurableChange change, bool is_new, StoredMessagePtr message = {});
    /// The thing is gone.
    void drop(const Thing& thing, DurableChange gone);
    /// As drop, but after all other changes: it takes with it what is below it.
    void drop_last(const Thing& thing, DurableChange gone);
    /// Another change says that the thing is gone: no change of it is needed.
    void forget(const Thing& thing);
    /// A change of something that has no other.
    void add(DurableChange change);

    /// Nothing while a batch is under way, or where nothing has changed.
    std::optional<DurableChanges> take(base::Now now);
    void saved(std::uint64_t upto);

    std::uint64_t last() const { return last_; }
    std::uint64_t saved() const { return saved_; }
    bool is_saved(std::uint64_t number) const { return number <= saved_; }
    std::size_t size() const { return open_.size(); }

private:
    struct Entry {
        DurableChange change;
        StoredMessagePtr message;
        bool is_new = false;
    };
    struct ThingHash {
        std::size_t operator()(const Thing& thing) const noexcept;
    };
    using Entries = std::list<Entry>;

    void settle();

    Entries open_;
    std::unordered_map<Thing, Entries::iterator, ThingHash> by_thing_;
    std::uint64_t last_ = 0;
    std::uint64_t saved_ = 0;
    std::optional<std::uint64_t> under_way_;
};

DurableMessage to_durable(const StoredMessage& message, base::Now now);

}  // namespace sallyport::mqtt
