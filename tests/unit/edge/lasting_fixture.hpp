// An edge with a store for its broker's state, which the test may hold or let fail, and clients
// whose sessions are lasting.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "common/mqtt/properties.hpp"
#include "tests/unit/edge/edge_fixture.hpp"
#include "tests/unit/mqtt/model_store.hpp"

namespace sallyport::edge_core {

class EdgeLastingSessionsTest : public EdgeTest {
protected:
    EdgeLastingSessionsTest() {
        options_.keeps_broker_state = true;
        begin();
    }
    /// A start; where there was a process before, it was killed.
    void begin() {
        clients_.clear();
        link_.reset();
        dialled_.reset();
        job_.reset();
        ++options_.seed;
        start();
        core().restore(store_.state(), now_);
    }
    bool run_storage() override {
        if (!job_) job_ = core().next_broker_job(now_);
        if (job_ && !store_is_held_) {
            const auto job = *std::exchange(job_, std::nullopt);
            BrokerDone done{job.changes->upto, std::nullopt};
            if (failures_left_ > 0) {
                --failures_left_;
                done.error = "disk full";
            } else {
                store_.apply(*job.changes);
            }
            core().complete(done, now_);
            return true;
        }
        return EdgeTest::run_storage();
    }
    Client& join_lasting(std::string_view id, bool clean_start = false) {
        auto connect = hello(id);
        connect.clean_start = clean_start;
        base::Bytes properties;
        mqtt::append_property(properties,
                              {mqtt::PropertyId::session_expiry_interval, 3600, {}, {}});
        connect.properties = properties;
        auto& client = open_client(connect);
        EXPECT_TRUE(client.take<mqtt::Connack>());
        return client;
    }
    void hold_store(bool on) {
        store_is_held_ = on;
        drain();
    }

    mqtt::ModelStore store_;
    int failures_left_ = 0;
    bool store_is_held_ = false;

private:
    std::optional<BrokerJob> job_;
};

}  // namespace sallyport::edge_core
