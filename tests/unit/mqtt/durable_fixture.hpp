// Scripted clients against a broker that keeps state, and a store that has what was saved and
// nothing else. The test decides when a batch reaches the disk, and when the process dies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tests/unit/mqtt/broker_fixture.hpp"
#include "tests/unit/mqtt/model_store.hpp"

namespace sallyport::mqtt {

class DurableBrokerTest : public BrokerTest {
protected:
    DurableBrokerTest() { restart(limits_, options_); }
    ~DurableBrokerTest() override { EXPECT_EQ(store_.faults, ""); }

    /// Takes a batch; true where there is one.
    bool begin_save() {
        under_way_ = broker().next_changes();
        return under_way_.has_value();
    }
    void end_save() {
        ASSERT_TRUE(under_way_.has_value());
        store_.apply(*under_way_);
        const auto upto = std::exchange(under_way_, {})->upto;
        broker().changes_saved(upto, now_);
        drain();
    }
    /// Until there is nothing left to be saved.
    void save() {
        if (under_way_) end_save();
        while (begin_save()) end_save();
    }
    /// The process dies and starts again with what was on disk.
    void crash() {
        under_way_.reset();
        restart(limits_, options_);
        broker().restore(store_.state(), now_);
    }
    /// The batch under way reaches the disk, and then the process dies before it knows.
    void crash_after_write() {
        if (under_way_) store_.apply(*under_way_);
        crash();
    }

    ScriptedClient& subscriber(std::string_view client_id, std::string_view filter, Qos qos) {
        auto& client = join_lasting(client_id);
        send(client, Subscribe{7, {}, {SubscribeFilter{filter, qos, false, false, 0}}});
        save();
        expect<Suback>(client);
        return client;
    }
    /// Of the client's session, as the store has it.
    std::uint64_t key_of(const std::string& client_id) const {
        return store_.sessions.at(client_id).key;
    }
    void publish(std::string_view topic, std::string_view payload, Qos qos, bool retain = false) {
        broker().publish({topic, base::as_bytes(payload), {}, qos, retain}, now_);
        drain();
    }

    BrokerLimits limits_;
    BrokerOptions options_{true, false, {}};
    ModelStore store_;
    std::optional<DurableChanges> under_way_;
};

}  // namespace sallyport::mqtt
