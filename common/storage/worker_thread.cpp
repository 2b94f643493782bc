#include "common/storage/worker_thread.hpp"

#include <csignal>
#include <pthread.h>

#include "common/base/assert.hpp"

namespace sallyport::storage {
namespace {

constexpr std::size_t kThreadNameLengthMax = 15;

/// Signals are the main thread's: while this lives, a new thread starts with all of them blocked.
class SignalsBlocked {
public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    sigset_t before_{};
};

}  // namespace

WorkerThread::WorkerThread(const std::string& name, std::size_t jobs_max, Executor post_back)
    : jobs_max_(jobs_max), post_back_(std::move(post_back)) {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), name.substr(0, kThreadNameLengthMax).c_str());
}

WorkerThread::~WorkerThread() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

std::size_t WorkerThread::queued() const {
    const std::lock_guard lock(mutex_);
    return jobs_.size();
}

void WorkerThread::enqueue(Job job) {
    {
        const std::lock_guard lock(mutex_);
        SALLYPORT_ASSERT(!ending_);
        SALLYPORT_ASSERT(jobs_.size() < jobs_max_);
        jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
}

void WorkerThread::run() noexcept {
    for (;;) {
        Job job;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
            if (jobs_.empty()) return;
            job = std::move(jobs_.front());
            jobs_.pop_front();
        }
        job();
    }
}

}  // namespace sallyport::storage
