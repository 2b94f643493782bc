// An uplink over a real spool on a model disk, and the far side of its link.
#pragma once

#include <algorithm>
#include <memory>

#include "edge-agent/uplink/uplink.hpp"
#include "tests/simulation/model_disk.hpp"
#include "tests/unit/edge/far_side.hpp"

namespace sallyport::uplink {

using namespace std::chrono_literals;
using edge_core::FarSession;
using edge_core::FarSide;
using tunnel::SessionEnd;
using Lines = std::vector<std::string>;

class UplinkTest : public testing::Test {
protected:
    void start(std::vector<std::string> destinations) {
        spool::SpoolOptions stored;
        stored.edge = "acme/line3";
        stored.destinations = destinations;
        stored.segment_bytes_max = 256U << 10U;
        stored.cache_bytes_max = cache_bytes_max_;
        auto recovered = spool::Spool::recover(stored, disk_, 100, 1, now_);
        ASSERT_TRUE(recovered);
        spool_ = std::move(*recovered);
        UplinkOptions options;
        options.plant = "acme";
        options.name = "line3";
        options.destinations = std::move(destinations);
        options.process = 9;
        uplink_ = std::make_unique<Uplink>(options, *spool_, now_);
    }
    Uplink& uplink() { return *uplink_; }
    spool::Spool& spool() { return *spool_; }
    FarSide& far() { return *far_; }

    /// Dials when the uplink wants to and lets the relay answer.
    void connect(const base::Identity& identity = edge_core::kRelayIdentity) {
        pass(1s);
        ASSERT_TRUE(dialled_) << "the uplink does not dial";
        link_ = std::exchange(dialled_, std::nullopt);
        far_ = std::make_unique<FarSide>(now_);
        uplink().opened(*link_, {0, "10.20.0.5:8443", identity}, now_);
        drain();
    }
    FarSession& open(const std::string& peer, const Lines& topics) {
        auto& session = far().open(++next_session_, peer, topics, now_);
        drain();
        return session;
    }
    FarSession& connect_to_hq(const Lines& topics = {"#"}) {
        start({"hq"});
        connect();
        return open("acme/hq", topics);
    }
    void hang_up(base::CloseCause cause) {
        link_.reset();
        uplink().closed(cause, now_);
        drain();
    }

    record::Seq append(const std::string& topic, const std::string& value) {
        tunnel::BatchRecord record;
        record.tag = spool().tag(topic);
        record.flags = record::kHasValue;
        record.source_time = record.arrival_time = now_.wall;
        record.value = base::as_bytes(value);
        return spool().append(record, now_).value_or(0);
    }
    void append_quality(record::Quality quality, const Lines& topics) {
        tunnel::BatchRecord record;
        record.quality = quality;
        record.arrival_time = now_.wall;
        record.tag = spool().tag(topics.at(0));
        for (std::size_t i = 1; i < topics.size(); ++i)
            record.also_tags.push_back(spool().tag(topics[i]));
        spool().append(record, now_);
    }
    void sync() {
        while (auto job = spool().next_job(now_))
            spool().complete(run(disk_, std::move(*job)), now_);
        drain();
    }
    /// One entry of its own.
    void publish(const std::string& topic, const std::string& value) {
        append(topic, value);
        sync();
    }

    void pass(base::Duration time) {
        constexpr base::Duration kStep = 50ms;
        for (; time > base::Duration{}; time -= kStep) {
            now_.instant = now_.instant + std::min(kStep, time);
            now_.wall = now_.wall + std::min(kStep, time);
            const auto deadline = uplink().next_deadline();
            if (deadline && *deadline <= now_.instant) uplink().expire(now_);
            drain();
        }
    }
    void drain() {
        for (bool moved = true; moved;) {
            moved = false;
            uplink().pump(now_);
            while (const auto command = uplink().next_command()) moved = obey(*command) || moved;
            base::Bytes bytes;
            while (link_ && uplink().take_output(bytes)) {
                moved = true;
                far().receive(bytes, now_);
            }
            while (link_ && far().take_output(bytes)) {
                moved = true;
                uplink().received(*link_, bytes, now_);
            }
            while (auto job = spool().next_job(now_)) {
                if (!is_read(*job)) {
                    later_.push_back(std::move(*job));
                    break;
                }
                moved = true;
                spool().complete(run(disk_, std::move(*job)), now_);
            }
            for (auto& job : std::exchange(later_, {})) {
                moved = true;
                spool().complete(run(disk_, std::move(job)), now_);
            }
        }
        while (const auto notice = uplink().next_notice()) notices_.push_back(notice->text);
    }

    DestinationStatus status_of(std::size_t destination = 0) {
        return uplink().status(now_).destinations.at(destination);
    }
    tunnel::Position cursor() { return spool().cursors().at(0).position; }
    bool noticed(std::string_view what) const {
        return std::ranges::any_of(
            notices_, [&](const auto& text) { return text.find(what) != std::string::npos; });
    }

    base::Now now_{base::Instant{1h}, base::WallTime{1'000'000'000'000}};
    std::optional<base::ConnectionId> dialled_, link_;
    simulation::ModelDisk disk_;
    std::size_t cache_bytes_max_ = 4U << 20U;

private:
    bool obey(const base::Command& command) {
        if (const auto* connect = std::get_if<base::Connect>(&command)) dialled_ = connect->id;
        if (!std::holds_alternative<base::Close>(command) || !link_) return false;
        base::Bytes bytes;
        while (uplink().take_output(bytes)) far().receive(bytes, now_);
        link_.reset();
        uplink().closed(base::CloseCause::local, now_);
        return true;
    }
    static bool is_read(const spool::DiskJob& job) {
        return job.ops.size() == 1 && std::holds_alternative<spool::ReadBytes>(job.ops[0]);
    }

    std::unique_ptr<spool::Spool> spool_;
    std::unique_ptr<Uplink> uplink_;
    std::unique_ptr<FarSide> far_;
    std::vector<spool::DiskJob> later_;
    Lines notices_;
    std::uint64_t next_session_ = 500;
};

}  // namespace sallyport::uplink
