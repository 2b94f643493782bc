#include "common/ops/status_verb.hpp"

#include <algorithm>
#include <csignal>
#include <iostream>
#include <sys/ioctl.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "common/ops/control_socket.hpp"
#include "common/ops/escape.hpp"
#include "common/ops/exit_codes.hpp"
#include "common/ops/json_as_text.hpp"

namespace sallyport::ops {
namespace {

constexpr std::chrono::milliseconds kWatchPatience{2000};  // for one answer
constexpr Window kUsualWindow{24, 80};

std::string answer(const std::string& socket, StatusForm form, std::chrono::milliseconds patience) {
    switch (form) {
        case StatusForm::page: return ask(socket, "page", patience) + '\n';
        case StatusForm::json: return ask(socket, "status", patience) + '\n';
        case StatusForm::numbers: return json_as_text(ask(socket, "status", patience));
    }
    return "";
}

/// What is shown while nobody answers.
std::string no_answer(const std::string& program, const Failure& failure, StatusForm form) {
    if (form == StatusForm::json)
        return boost::json::serialize(boost::json::object{
                   {"agent", program}, {"running", false}, {"error", failure.what()}}) +
               '\n';
    return program + ": not running\n  " + one_line(failure.what()) + '\n';
}

Window window_of(int terminal) {
    winsize size{};
    if (::ioctl(terminal, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        return kUsualWindow;
    return {size.ws_row, size.ws_col};
}

/// At most `columns` code points of a line.
std::string_view cut(std::string_view line, std::size_t columns) {
    std::size_t seen = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const bool begins = (static_cast<unsigned char>(line[i]) & 0xC0U) != 0x80U;
        if (begins && ++seen > columns) return line.substr(0, i);
    }
    return line;
}

/// The signals that end a watch, held back so that they are seen between two paintings only.
class EndSignals {
public:
    EndSignals() {
        sigemptyset(&signals_);
        sigaddset(&signals_, SIGINT);
        sigaddset(&signals_, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    }
    EndSignals(const EndSignals&) = delete;
    EndSignals& operator=(const EndSignals&) = delete;
    ~EndSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    /// True where one came within the time.
    bool came_within(std::chrono::seconds time) {
        const timespec wait{static_cast<time_t>(time.count()), 0};
        return sigtimedwait(&signals_, nullptr, &wait) > 0;
    }

private:
    sigset_t signals_{}, before_{};
};

}  // namespace

std::string repaint(std::string_view text, Window window) {
    std::string painted = "\x1b[H";
    for (std::size_t row = 1; row < window.rows && !text.empty(); ++row) {
        const auto end = std::min(text.find('\n'), text.size());
        painted += cut(text.substr(0, end), window.columns);
        painted += "\x1b[K\n";
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return painted + "\x1b[J";
}

int show_status(const std::string& socket, StatusForm form) {
    std::cout << answer(socket, form, std::chrono::seconds(5));
    return to_int(ExitCode::ok);
}

int watch_status(const std::string& program, const std::string& socket, StatusForm form) {
    EndSignals end;
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    for (bool first = true;; first = false) {
        std::string text;
        try {
            text = answer(socket, form, kWatchPatience);
        } catch (const Failure& failure) {
            if (failure.code() != ExitCode::unreachable) throw;
            text = no_answer(program, failure, form);
        }
        if (terminal)
            std::cout << repaint(text, window_of(STDOUT_FILENO));
        else
            std::cout << (first || form == StatusForm::json ? "" : "\n") << text;
        std::cout.flush();
        if (!std::cout)
            throw Failure(ExitCode::failure, "cannot write to standard output; nobody reads it");
        if (end.came_within(kWatchEvery)) return to_int(ExitCode::ok);
    }
}

}  // namespace sallyport::ops
