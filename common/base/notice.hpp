// What a core wants a person to know. The shell writes it to the log, one event a line, escaped.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>

namespace sallyport::base {

enum class NoticeLevel { info, warning, alarm };

struct Notice {
    NoticeLevel level = NoticeLevel::info;
    std::string text;
};

/// Notices not yet fetched; bounded, so that a shell which never asks costs nothing.
class Notices {
public:
    static constexpr std::size_t kWaitingMax = 1000;

    void add(NoticeLevel level, std::string text) {
        if (waiting_.size() < kWaitingMax) waiting_.push_back({level, std::move(text)});
    }
    std::optional<Notice> next() {
        if (waiting_.empty()) return std::nullopt;
        auto notice = std::move(waiting_.front());
        waiting_.pop_front();
        return notice;
    }

private:
    std::deque<Notice> waiting_;
};

}  // namespace sallyport::base
