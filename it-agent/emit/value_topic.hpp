// The topic that a tag's values are published on: in which format, where a backlog goes, and what
// is done there when the quality changes and no value comes.
//
//   mirror  the retained copy's properties change in place; nothing is published again
//   vqt     the last value is published again with its new quality, its time as it was
//
// With a prefix for what is historical, such a value goes there, and the tag's own topic gets only
// the newest of them, when its owner says that the backlog is through (publish_held).
#pragma once

#include <optional>
#include <string>

#include "common/mqtt/broker.hpp"
#include "common/record/json_text.hpp"
#include "common/record/quality.hpp"
#include "it-agent/emit/vqt.hpp"

namespace sallyport::emit {

enum class Format { mirror, vqt };

struct EmissionOptions {
    Format format = Format::mirror;
    record::JsonPointer vqt_value{};  // where a JSON payload has its value; all of it: empty
    std::string historical_prefix{};  // empty: a backlog goes to the tags' own topics
    /// Values kept to be published again, of one edge. A tag beyond it is told null instead.
    std::size_t kept_bytes_max = 256U << 20U;
};

/// A value as it is emitted.
struct Value {
    base::ByteView payload;
    base::ByteView properties;  // in format `mirror`, without Message Expiry Interval
    mqtt::Qos qos = mqtt::Qos::at_most_once;
    bool retain = false;
    record::Quality quality = record::Quality::good;
    bool historical = false;
    std::optional<std::uint64_t> stage{};  // what stage() gave for it; nothing: it has one step
    /// Its Message Expiry Interval as the moment at which it is over; what is emitted says how much
    /// is left of it.
    std::optional<base::Instant> expires_at{};
    bool has_expired(base::Now now) const { return expires_at && *expires_at <= now.instant; }
};
/// The sink's store has the retained copies of values, and states are told afresh by every start.
constexpr bool kOwnerKeepsRetained = true;

/// What is remembered of one tag's topic.
class ValueTopic {
    friend class ValueTopics;
    base::Bytes payload_, properties_;  // vqt, or held: the last value
    base::Bytes retained_properties_;   // mirror; empty: nothing is retained
    // vqt: with which quality the last value went; nothing: none did, or it cleared the topic. And
    // which one its retained copy says, where it has one.
    std::optional<record::Quality> sent_, retained_as_;
    std::optional<base::Instant> expires_at_;  // likewise, the last value's
    mqtt::Qos qos_ = mqtt::Qos::at_most_once;
    bool retain_ = false;
    bool held_ = false;  // the last value went to the prefix and is still to come here
    bool kept_ = false;  // payload_ and properties_ are the last value's

public:
    bool is_held() const { return held_; }
    bool has_expired(base::Now now) const { return expires_at_ && *expires_at_ <= now.instant; }
};

/// The topics of one edge's tags.
class ValueTopics {
public:
    ValueTopics(EmissionOptions options, mqtt::Broker& broker)
        : options_(std::move(options)), broker_(broker) {}

    const std::string& historical_prefix() const { return options_.historical_prefix; }

    /// The first of two steps around the sink's commit: the value goes into the queues of lasting
    /// sessions, and becomes the retained copy that late ones of them get, to be saved with it.
    /// emit() does the rest. mqtt::kUnstaged where there is nothing to do before the commit.
    std::uint64_t stage(const std::string& topic, Value value, base::Now now);
    /// `overlay`: what is shown instead of every tag's own quality.
    void emit(ValueTopic& state, const std::string& topic, const Value& value,
              std::optional<record::Quality> overlay, base::Now now);
    /// In the place of emit(), for a value that expired before stage(): nobody is shown it, and
    /// what it would have replaced as the retained copy goes.
    void drop(ValueTopic& state, const std::string& topic, const Value& value, base::Now now);
    /// A retained value of before this start, in format `mirror`, shown with `quality`.
    void restore(ValueTopic& state, const std::string& topic, const Value& value, base::Now now);
    /// The retained copy of the tag's value has these properties; empty: there is none.
    void retained(ValueTopic& state, const std::string& topic, base::ByteView properties,
                  std::optional<record::Quality> overlay);
    /// Whether the topic says another quality than this, or has a value to come. In format mirror
    /// only the retained copy says one, whose quality its owner knows.
    bool has_to_show(const ValueTopic& state, record::Quality quality) const {
        return state.held_ ||
               (state.sent_ && (state.sent_ != quality || state.retained_as_ != quality));
    }
    /// The tag is of this quality now.
    void show(ValueTopic& state, const std::string& topic, record::Quality quality, base::Now now);
    /// The backlog is through: a value that waits for that comes on its own topic, as it is. One
    /// that has expired does not; what it would have replaced as the retained copy goes.
    void publish_held(ValueTopic& state, const std::string& topic, record::Quality quality,
                      base::Now now);
    std::size_t held() const { return held_; }

private:
    mqtt::Message render(const std::string& topic, const Value& value, record::Quality quality,
                         base::Now now);
    void publish(const std::string& topic, const Value& value, record::Quality quality,
                 base::Now now);
    void publish_in_place(ValueTopic& state, const std::string& topic, const Value& value,
                          std::optional<record::Quality> overlay, base::Now now);
    void render_kept(const ValueTopic& state, record::Quality quality);
    void keep(ValueTopic& state, const Value& value);
    void forget(ValueTopic& state);
    void forget_payload(ValueTopic& state);
    void forget_expired(ValueTopic& state, base::Now now);
    void drop_last(ValueTopic& state, const std::string& topic, base::Now now);
    void hold(ValueTopic& state, bool on);

    EmissionOptions options_;
    mqtt::Broker& broker_;
    std::size_t kept_bytes_ = 0, held_ = 0;
    VqtMessage message_;  // scratch
    std::string json_;    // scratch
    base::Bytes block_;   // scratch
};

}  // namespace sallyport::emit
