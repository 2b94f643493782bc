// Lines of the Prometheus text exposition format (0.0.4), names prefixed `sallyport_`, base units.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

namespace sallyport::ops {

class Metrics {
public:
    template <class Number>
    void counter(std::string_view name, std::string_view help, Number value) {
        add("counter", name, help, value);
    }
    template <class Number>
    void gauge(std::string_view name, std::string_view help, Number value) {
        add("gauge", name, help, value);
    }
    std::string text() && { return std::move(text_); }

private:
    template <class Number>
    void add(std::string_view type, std::string_view name, std::string_view help, Number value) {
        text_ += fmt::format("# HELP sallyport_{} {}\n# TYPE sallyport_{} {}\nsallyport_{} {}\n",
                             name, help, name, type, name, value);
    }

    std::string text_;
};

}  // namespace sallyport::ops
