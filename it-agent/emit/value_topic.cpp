#include "it-agent/emit/value_topic.hpp"

#include <utility>

#include "common/mqtt/encode.hpp"
#include "common/mqtt/stored_message.hpp"
#include "it-agent/emit/mirror.hpp"

namespace sallyport::emit {

using record::Quality;

namespace {

/// An empty retained payload clears the topic; in every format it stays empty.
bool clears(const Value& value) {
    return value.retain && value.payload.empty();
}

/// How much of the value's Message Expiry Interval is left; 0 where nothing is.
void append_expiry(base::Bytes& block, const Value& value, base::Now now) {
    if (value.has_expired(now))
        mqtt::append_property(block, {mqtt::PropertyId::message_expiry_interval, 0, {}, {}});
    else if (value.expires_at)
        mqtt::append_remaining(block, *value.expires_at, now.instant);
}

}  // namespace

/// Views scratch memory, until the next call.
mqtt::Message ValueTopics::render(const std::string& topic, const Value& value, Quality quality,
                                  base::Now now) {
    if (options_.format == Format::mirror || clears(value)) {
        auto properties = value.properties;
        if (value.expires_at) {
            block_.assign(properties.begin(), properties.end());
            append_expiry(block_, value, now);
            properties = block_;
        }
        return {topic, value.payload, properties, value.qos, value.retain, kOwnerKeepsRetained};
    }
    json_.clear();
    append_json_value(json_, value.payload, options_.vqt_value);
    vqt_message(message_, json_, value.properties, quality);
    append_expiry(message_.properties, value, now);
    return {topic,
            base::as_bytes(message_.payload),
            message_.properties,
            value.qos,
            value.retain,
            kOwnerKeepsRetained};
}

void ValueTopics::publish(const std::string& topic, const Value& value, Quality quality,
                          base::Now now) {
    const auto message = render(topic, value, quality, now);
    if (value.stage)
        broker_.publish_to_passing(message, *value.stage, now);
    else
        broker_.publish(message, now);
}

std::uint64_t ValueTopics::stage(const std::string& topic, Value value, base::Now now) {
    const bool is_late = value.historical && !options_.historical_prefix.empty();
    if (is_late) value.retain = false;  // as emit() does
    if (!value.retain && !broker_.has_lasting_sessions()) return mqtt::kUnstaged;
    if (!is_late) return broker_.publish_to_lasting(render(topic, value, value.quality, now), now);
    const auto late_topic = options_.historical_prefix + topic;
    return broker_.publish_to_lasting(render(late_topic, value, value.quality, now), now);
}

void ValueTopics::emit(ValueTopic& state, const std::string& topic, const Value& value,
                       std::optional<Quality> overlay, base::Now now) {
    if (value.historical && !options_.historical_prefix.empty()) {
        auto late = value;
        late.retain = false;  // what is retained there would not be the newest for long
        publish(options_.historical_prefix + topic, late, value.quality, now);
        keep(state, value);
        hold(state, state.kept_);
        if (state.held_) return;
        if (value.has_expired(now)) return drop_last(state, topic, now);
        auto at_once = value;  // there is no room to hold it
        at_once.stage.reset();
        return publish_in_place(state, topic, at_once, overlay, now);
    }
    hold(state, false);
    publish_in_place(state, topic, value, overlay, now);
}

void ValueTopics::drop(ValueTopic& state, const std::string& topic, const Value& value,
                       base::Now now) {
    hold(state, false);
    keep(state, value);
    drop_last(state, topic, now);
}

void ValueTopics::publish_in_place(ValueTopic& state, const std::string& topic, const Value& value,
                                   std::optional<Quality> overlay, base::Now now) {
    publish(topic, value, value.quality, now);
    if (options_.format == Format::mirror) {
        if (value.retain)
            retained(state, topic, clears(value) ? base::ByteView{} : value.properties, overlay);
        forget(state);
        return;
    }
    keep(state, value);
    state.sent_ = state.retained_as_ = value.quality;
    if (clears(value)) {
        forget(state);
        state.sent_.reset();
    } else if (value.retain && overlay) {
        state.retained_as_ = overlay;
        vqt_message(message_, json_, value.properties, *overlay);
        // No expiry in it: the copy keeps its own, as wherever its quality alone is changed.
        broker_.replace_retained(topic, base::as_bytes(message_.payload), message_.properties);
    }
}

void ValueTopics::restore(ValueTopic& state, const std::string& topic, const Value& value,
                          base::Now now) {
    if (options_.format == Format::vqt) {
        broker_.set_retained(render(topic, value, value.quality, now), now);
        keep(state, value);
        state.sent_ = state.retained_as_ = value.quality;
        return;
    }
    state.retained_properties_.assign(value.properties.begin(), value.properties.end());
    auto shown = with_quality(value.properties, value.quality);
    append_expiry(shown, value, now);
    broker_.set_retained({topic, value.payload, shown, value.qos, true, kOwnerKeepsRetained}, now);
}

void ValueTopics::retained(ValueTopic& state, const std::string& topic, base::ByteView properties,
                           std::optional<Quality> overlay) {
    state.retained_properties_.assign(properties.begin(), properties.end());
    // Under an overlay the retained copy says what is shown, however fresh its value is.
    if (overlay && !state.retained_properties_.empty())
        broker_.replace_retained_properties(topic,
                                            with_quality(state.retained_properties_, *overlay));
}

void ValueTopics::show(ValueTopic& state, const std::string& topic, Quality quality,
                       base::Now now) {
    if (options_.format == Format::mirror) {
        if (!state.retained_properties_.empty())
            broker_.replace_retained_properties(topic,
                                                with_quality(state.retained_properties_, quality));
        return;
    }
    // Of the value that stands there only its place is known by now: the newer one takes it.
    publish_held(state, topic, quality, now);
    if (!has_to_show(state, quality)) return;
    forget_expired(state, now);
    const bool is_told = std::exchange(state.sent_, quality) == quality;
    state.retained_as_ = quality;
    render_kept(state, quality);
    const auto payload = base::as_bytes(message_.payload);
    if (is_told) {
        broker_.replace_retained(topic, payload, message_.properties);
        return;
    }
    if (state.expires_at_ && !state.has_expired(now))
        mqtt::append_remaining(message_.properties, *state.expires_at_, now.instant);
    broker_.publish(
        {topic, payload, message_.properties, state.qos_, state.retain_, kOwnerKeepsRetained}, now);
}

/// The last value as it is to be shown, into message_.
void ValueTopics::render_kept(const ValueTopic& state, Quality quality) {
    json_ = "null";
    if (state.kept_) {
        json_.clear();
        append_json_value(json_, state.payload_, options_.vqt_value);
    } else if (record::is_good(quality)) {
        quality = Quality::uncertain_last_usable;  // there is no value to be good
    }
    vqt_message(message_, json_, state.properties_, quality);
}

void ValueTopics::publish_held(ValueTopic& state, const std::string& topic, Quality quality,
                               base::Now now) {
    if (!state.held_) return;
    hold(state, false);
    if (state.has_expired(now)) return drop_last(state, topic, now);
    // Copies: what is published is kept anew where the format asks for it.
    const auto payload = state.payload_;
    const auto properties = with_quality(state.properties_, quality);
    const auto expires_at = state.expires_at_;
    publish_in_place(
        state, topic,
        {payload, properties, state.qos_, state.retain_, quality, true, {}, expires_at}, {}, now);
}

/// The last value has expired, and is yet newer than what stands there.
void ValueTopics::drop_last(ValueTopic& state, const std::string& topic, base::Now now) {
    if (state.retain_) {
        broker_.set_retained({topic, {}, {}, state.qos_, true, kOwnerKeepsRetained}, now);
        state.retained_properties_.clear();
    }
    if (options_.format == Format::mirror)
        forget(state);
    else
        forget_expired(state, now);
}

void ValueTopics::keep(ValueTopic& state, const Value& value) {
    forget(state);
    state.qos_ = value.qos;
    state.retain_ = value.retain;
    state.expires_at_ = value.expires_at;
    // Where it came from is little, and is told even where its value no longer can be.
    state.properties_.assign(value.properties.begin(), value.properties.end());
    const auto bytes = value.payload.size();
    if (kept_bytes_ + bytes > options_.kept_bytes_max) return;
    kept_bytes_ += bytes;
    state.payload_.assign(value.payload.begin(), value.payload.end());
    state.kept_ = true;
}

void ValueTopics::forget(ValueTopic& state) {
    forget_payload(state);
    state.properties_.clear();
    state.expires_at_.reset();
}

void ValueTopics::forget_payload(ValueTopic& state) {
    if (state.kept_) kept_bytes_ -= state.payload_.size();
    state.kept_ = false;
    state.payload_.clear();
}

/// Of a value that has expired only where it came from is told; its retained copy is gone.
void ValueTopics::forget_expired(ValueTopic& state, base::Now now) {
    if (!state.has_expired(now)) return;
    forget_payload(state);
    state.retain_ = false;
}

void ValueTopics::hold(ValueTopic& state, bool on) {
    if (state.held_ != on) held_ += on ? 1 : std::size_t{0} - 1;
    state.held_ = on;
}

}  // namespace sallyport::emit
