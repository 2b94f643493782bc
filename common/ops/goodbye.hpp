// The end of an agent: its core has said goodbye to everybody; wait until they are gone, but not
// for ever.
#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include <boost/asio/steady_timer.hpp>

namespace sallyport::ops {

class Goodbye {
public:
    static constexpr std::chrono::milliseconds kLookEvery{20};
    static constexpr std::chrono::seconds kWithin{2};

    explicit Goodbye(boost::asio::io_context& io) : timer_(io) {}

    /// Calls `finish` once, as soon as `all_gone()` or after kWithin.
    void begin(std::function<bool()> all_gone, std::function<void()> finish) {
        all_gone_ = std::move(all_gone);
        finish_ = std::move(finish);
        until_ = std::chrono::steady_clock::now() + kWithin;
        look_later();
    }

private:
    void look_later() {
        timer_.expires_after(kLookEvery);
        timer_.async_wait([this](boost::system::error_code) {
            if (!all_gone_() && std::chrono::steady_clock::now() < until_) return look_later();
            finish_();
        });
    }

    boost::asio::steady_timer timer_;
    std::chrono::steady_clock::time_point until_;
    std::function<bool()> all_gone_;
    std::function<void()> finish_;
};

}  // namespace sallyport::ops
