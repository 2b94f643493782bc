// Lines of the Prometheus text exposition format (0.0.4), names prefixed `sallyport_`, base units.
//
// A family has at most kSeriesMax series: what is one more is left out and counted in
// `sallyport_metrics_left_out`. Labels name hops, destinations, edges and roles, never topics.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "common/base/time.hpp"

namespace sallyport::ops {

inline double seconds(base::Duration time) {
    return std::chrono::duration<double>(time).count();
}

/// As it stands between quotes: backslash, quote and line feed escaped.
std::string escape_label(std::string_view value);

class Metrics {
public:
    static constexpr std::size_t kSeriesMax = 1000;

    template <class Number>
    void counter(std::string_view name, std::string_view help, Number value) {
        begin("counter", name, help);
        sample(name, "", value);
    }
    template <class Number>
    void gauge(std::string_view name, std::string_view help, Number value) {
        begin("gauge", name, help);
        sample(name, "", value);
    }
    /// One series for each of `items`, told apart by one label; without a value (optional) there is
    /// none.
    template <class Items, class LabelOf, class ValueOf>
    void counters(std::string_view name, std::string_view help, std::string_view label,
                  const Items& items, const LabelOf& label_of, const ValueOf& value_of) {
        family("counter", name, help, label, items, label_of, value_of);
    }
    template <class Items, class LabelOf, class ValueOf>
    void gauges(std::string_view name, std::string_view help, std::string_view label,
                const Items& items, const LabelOf& label_of, const ValueOf& value_of) {
        family("gauge", name, help, label, items, label_of, value_of);
    }

    std::string text() && {
        gauge("metrics_left_out", "Series left out: too many of their family.", left_out_);
        return std::move(text_);
    }

private:
    void begin(std::string_view type, std::string_view name, std::string_view help) {
        text_ +=
            fmt::format("# HELP sallyport_{0} {1}\n# TYPE sallyport_{0} {2}\n", name, help, type);
    }
    template <class Items, class LabelOf, class ValueOf>
    void family(std::string_view type, std::string_view name, std::string_view help,
                std::string_view label, const Items& items, const LabelOf& label_of,
                const ValueOf& value_of) {
        begin(type, name, help);
        std::size_t series = 0;
        for (const auto& item : items) {
            if (++series > kSeriesMax) {
                ++left_out_;
                continue;
            }
            sample(name, fmt::format("{{{}=\"{}\"}}", label, escape_label(label_of(item))),
                   value_of(item));
        }
    }
    template <class Number>
    void sample(std::string_view name, std::string_view labels, Number value) {
        text_ += fmt::format("sallyport_{}{} {}\n", name, labels, value);
    }
    template <class Number>
    void sample(std::string_view name, std::string_view labels,
                const std::optional<Number>& value) {
        if (value) sample(name, labels, *value);
    }

    std::string text_;
    std::size_t left_out_ = 0;
};

}  // namespace sallyport::ops
