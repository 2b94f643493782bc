// The storage thread: jobs run there one after the other, their results come back to the thread
// that asked. This is how nothing on the network thread ever waits for a disk.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

namespace sallyport::storage {

class WorkerThread {
public:
    /// Called on the worker with what is to run on the caller's thread; must be safe to call from
    /// another thread, like `asio::post`, and stay so until the destructor has returned.
    using Executor = std::function<void(std::function<void()>)>;

    /// `name` is what the system's tools show, up to 15 characters. `jobs_max` bounds what waits.
    WorkerThread(const std::string& name, std::size_t jobs_max, Executor post_back);
    /// Runs what is queued, posts its results, joins. Results that are posted while nobody runs the
    /// caller's executor any more are the executor's to drop.
    ~WorkerThread();
    WorkerThread(const WorkerThread&) = delete;
    WorkerThread& operator=(const WorkerThread&) = delete;

    /// Queues `work()`; its result comes back as `done(result)`, or `done()` for void. In the order
    /// of submission, both. More than `jobs_max` waiting is the caller's error: he asks queued()
    /// first. An exception that leaves `work` ends the process: failures are part of the result.
    template <class Work, class Done>
    void submit(Work work, Done done) {
        struct Task {
            Work work;
            Done done;
        };
        // Shared, because std::function wants to copy what a job may only move.
        auto task = std::make_shared<Task>(Task{std::move(work), std::move(done)});
        enqueue([this, task = std::move(task)]() mutable {
            if constexpr (std::is_void_v<std::invoke_result_t<Work&>>) {
                task->work();
                post_back_([task = std::move(task)] { task->done(); });
            } else {
                auto result = std::make_shared<std::invoke_result_t<Work&>>(task->work());
                post_back_([task = std::move(task), result = std::move(result)] {
                    task->done(std::move(*result));
                });
            }
        });
    }

    /// Jobs that wait, without the one that runs.
    std::size_t queued() const;

private:
    using Job = std::function<void()>;

    void enqueue(Job job);
    void run() noexcept;

    const std::size_t jobs_max_;
    const Executor post_back_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job> jobs_;
    bool ending_ = false;
    std::thread thread_;  // last: it uses all the others
};

}  // namespace sallyport::storage
