#include "common/storage/worker_thread.hpp"

#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::storage {
namespace {

/// What an io_context is in the agents: collects what is posted from any thread until it is run.
class Inbox {
public:
    WorkerThread::Executor executor() {
        return [this](std::function<void()> call) {
            const std::lock_guard lock(mutex_);
            calls_.push_back(std::move(call));
            arrived_.notify_one();
        };
    }
    /// Waits for so many calls and runs them here.
    void run(std::size_t count) {
        for (; count > 0; --count) {
            std::function<void()> call;
            {
                std::unique_lock lock(mutex_);
                arrived_.wait(lock, [this] { return !calls_.empty(); });
                call = std::move(calls_.front());
                calls_.pop_front();
            }
            call();
        }
    }
    std::size_t waiting() {
        const std::lock_guard lock(mutex_);
        return calls_.size();
    }

private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<std::function<void()>> calls_;
};

TEST(WorkerThread, RunsJobsInOrderThereAndResultsHere) {
    Inbox inbox;
    WorkerThread worker("test", 100, inbox.executor());
    std::vector<int> results;
    std::thread::id there;
    for (int i = 0; i < 50; ++i)
        worker.submit(
            [i, &there] {
                there = std::this_thread::get_id();
                return i * i;
            },
            [&results, here = std::this_thread::get_id()](int square) {
                EXPECT_EQ(std::this_thread::get_id(), here);
                results.push_back(square);
            });
    inbox.run(50);
    ASSERT_EQ(results.size(), 50U);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)], i * i);
    EXPECT_NE(there, std::this_thread::get_id());
}

TEST(WorkerThread, TakesJobsWithoutResultAndThingsThatOnlyMove) {
    Inbox inbox;
    WorkerThread worker("test", 10, inbox.executor());
    std::string said;
    worker.submit([] {}, [&said] { said += "void "; });
    worker.submit([owned = std::make_unique<int>(7)]() mutable { return std::move(owned); },
                  [&said, kept = std::make_unique<int>(1)](std::unique_ptr<int> value) {
                      said += std::to_string(*value + *kept);
                  });
    inbox.run(2);
    EXPECT_EQ(said, "void 8");
}

TEST(WorkerThread, DrainsBeforeItGoes) {
    Inbox inbox;
    int done = 0;
    {
        WorkerThread worker("test", 100, inbox.executor());
        std::promise<void> gate;
        worker.submit([opened = gate.get_future()]() mutable { opened.wait(); },
                      [&done] { ++done; });
        for (int i = 0; i < 20; ++i) worker.submit([] {}, [&done] { ++done; });
        gate.set_value();
    }
    EXPECT_EQ(inbox.waiting(), 21U);
    inbox.run(21);
    EXPECT_EQ(done, 21);
}

TEST(WorkerThread, CountsWhatWaits) {
    Inbox inbox;
    std::promise<void> gate, started;
    WorkerThread worker("test", 10, inbox.executor());
    worker.submit(
        [&started, opened = gate.get_future()]() mutable {
            started.set_value();
            opened.wait();
        },
        [] {});
    started.get_future().wait();
    worker.submit([] {}, [] {});
    worker.submit([] {}, [] {});
    EXPECT_EQ(worker.queued(), 2U);
    gate.set_value();
    inbox.run(3);
    EXPECT_EQ(worker.queued(), 0U);
}

/// One job runs, one waits, and one more is submitted.
void submit_beyond_the_bound() {
    Inbox inbox;
    std::promise<void> gate, started;
    WorkerThread worker("test", 1, inbox.executor());
    worker.submit(
        [&started, opened = gate.get_future()]() mutable {
            started.set_value();
            opened.wait();
        },
        [] {});
    started.get_future().wait();
    worker.submit([] {}, [] {});
    worker.submit([] {}, [] {});
}

TEST(WorkerThreadDeathTest, MoreJobsThanItsBoundAreAProgrammersError) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(submit_beyond_the_bound(), "jobs_max_");
}

}  // namespace
}  // namespace sallyport::storage
