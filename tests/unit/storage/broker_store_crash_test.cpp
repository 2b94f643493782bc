// A process that is killed while it applies batches leaves whole ones: all it reported, at most one
// more, never a part. A disk that takes no more is an error that passes.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <numeric>
#include <poll.h>
#include <random>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/storage/broker_store_fixture.hpp"

namespace sallyport::storage {
namespace {

constexpr std::uint64_t kQueued = 10;

/// Batch n queues message n for two clients, retains it, and takes message n - 10 from both.
mqtt::DurableChanges batch(std::uint64_t n) {
    const auto payload = std::string(n % 7 * 1000, 'p') + std::to_string(n);
    mqtt::DurableChanges made{n, {}};
    if (n == 1) made.changes = {session("a"), session("b")};
    made.changes.insert(made.changes.end(),
                        {put(n, message("t", payload)), delivery("a", n, n), delivery("b", n, n),
                         retained(message("last", payload))});
    if (n > kQueued)
        made.changes.insert(made.changes.end(),
                            {mqtt::DeliveryGone{"a", n - kQueued},
                             mqtt::DeliveryGone{"b", n - kQueued}, mqtt::MessageGone{n - kQueued}});
    return made;
}

/// Applies batches from n on and writes each one's number to `reports` when it is durable.
[[noreturn]] void apply_until_killed(const std::string& path, std::uint64_t n, int reports) {
    try {
        Database database(path);
        BrokerStore store(database);
        for (;; ++n) {
            Transaction transaction(database);
            store.apply(batch(n));
            transaction.commit();
            if (::write(reports, &n, sizeof n) != sizeof n) break;
        }
    } catch (const DatabaseError& error) {
        std::fprintf(stderr, "%s\n", error.what());
    }
    ::_exit(1);
}

/// Lets a child apply for a random time and kills it; gives the last batch it reported.
std::uint64_t killed_at_random(const std::string& path, std::uint64_t from,
                               std::mt19937_64& random) {
    std::array<int, 2> pipe{};
    EXPECT_EQ(::pipe(pipe.data()), 0);
    const auto child = ::fork();
    if (child == 0) apply_until_killed(path, from, pipe[1]);
    ::close(pipe[1]);
    // Some die while they open the file, most after a few reports and a bit.
    auto reports_left = random() % 6;
    std::uint64_t reported = from - 1;
    while (reports_left-- > 0 && ::read(pipe[0], &reported, sizeof reported) > 0) {
    }
    pollfd next{pipe[0], 0, 0};  // asks for nothing: a wait of microseconds that only death ends
    const timespec moment{0, static_cast<long>(random() % 4'000'000)};
    ::ppoll(&next, 1, &moment, nullptr);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
    while (::read(pipe[0], &reported, sizeof reported) > 0) {
    }
    ::close(pipe[0]);
    return reported;
}

/// The batch up to which the state is exactly what batches 1, 2, … make; fails on any other state.
std::uint64_t whole_batches(const mqtt::DurableState& state) {
    if (state.messages.empty()) {
        EXPECT_TRUE(state.sessions.empty() && state.deliveries.empty() && state.retained.empty());
        return 0;
    }
    const auto last = state.messages.back().number;
    const auto count = std::min(last, kQueued);
    EXPECT_EQ(state.sessions.size(), 2U);
    EXPECT_EQ(state.messages.size(), count);
    EXPECT_EQ(state.deliveries.size(), 2 * count);
    for (std::uint64_t i = 0; i < state.deliveries.size() && i < 2 * count; ++i) {
        EXPECT_EQ(state.deliveries[i].order, last - count + 1 + i % count);
        EXPECT_EQ(state.deliveries[i].message, state.deliveries[i].order);
    }
    EXPECT_EQ(state.retained.size(), 1U);
    const auto& payload = state.retained[0].message->payload;
    EXPECT_EQ(payload, state.messages.back().message->payload);
    EXPECT_TRUE(std::string(payload.begin(), payload.end()).ends_with(std::to_string(last)));
    return last;
}

TEST_F(BrokerStoreTest, AProcessKilledAtAnyMomentLeavesWholeBatches) {
    std::mt19937_64 random(20260102);
    std::uint64_t done = 0, unreported = 0;
    for (int round = 0; round < 60; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        const auto reported = killed_at_random(path(), done + 1, random);
        const auto state = load();
        const auto found = whole_batches(state);
        EXPECT_GE(found, reported) << "a batch that was said to be durable is gone";
        EXPECT_LE(found, reported + 1);
        EXPECT_EQ(store().report().without_message + store().report().messages_unneeded, 0);
        unreported += found - reported;
        done = found;
        close();
        if (HasFailure()) return;
    }
    EXPECT_GT(done, 60U);
    std::printf("%llu batches over 60 kills, %llu of them durable but unreported\n",
                static_cast<unsigned long long>(done), static_cast<unsigned long long>(unreported));
}

/// Files of this process grow to `bytes` and no further, as on a full disk.
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

private:
    void (*handler_)(int);
    rlimit before_{};
};

TEST_F(BrokerStoreTest, AFullDiskFailsTheBatchAloneAndPasses) {
    for (std::uint64_t n = 1; n <= 20; ++n) apply(batch(n).changes);
    const auto log_bytes = std::filesystem::file_size(path() + "-wal");
    {
        const FileSizeLimit full(log_bytes + 5000);
        for (int attempt = 0; attempt < 3; ++attempt) {
            try {
                apply({retained(message("large", std::string(100'000, 'x')))});
                FAIL() << "more was stored than there is room";
            } catch (const DatabaseError& error) {
                EXPECT_TRUE(error.is_disk()) << error.what();
            }
        }
        EXPECT_FALSE(database().in_transaction());
    }
    apply(batch(21).changes);
    EXPECT_EQ(whole_batches(load()), 21U);
    auto check = database().prepare("PRAGMA integrity_check");
    ASSERT_TRUE(check.step());
    EXPECT_EQ(check.text(0), "ok");
}

TEST_F(BrokerStoreTest, AFullDiskDoesNotKeepAStartFromLoading) {
    apply({session("a"), delivery("a", 1, 404), retained(message("r", "kept"))});
    for (int i = 0; i < 50; ++i)
        apply({retained(message("over" + std::to_string(i), std::string(3000, 'x'), kNow))});
    close();
    store();
    {
        const FileSizeLimit full(5000);  // no room for two pages in the log
        const auto state = store().load(kNow);
        EXPECT_FALSE(store().report().cleaned);
        EXPECT_EQ(store().report().without_message, 1);
        EXPECT_TRUE(state.deliveries.empty());
        EXPECT_EQ(state.retained.size(), 1U);
    }
    EXPECT_EQ(rows("deliveries"), 1);
    EXPECT_EQ(load().retained.size(), 1U);
    EXPECT_TRUE(store().report().cleaned);
    EXPECT_EQ(rows("deliveries"), 0);
}

}  // namespace
}  // namespace sallyport::storage
