// A session's life: it begins with a CONNECT, loses and regains connections, and ends at once, at
// its expiry or at a clean start (sections 3.1.2.4, 3.1.2.11, 4.1).
#include <algorithm>
#include <utility>

#include "common/mqtt/broker_impl.hpp"

namespace sallyport::mqtt {

/// splitmix64: spreads the seed over all numbers, which need to be distinct and no secret.
std::uint64_t Broker::Impl::next_random() {
    std::uint64_t z = (random_state_ += 0x9E37'79B9'7F4A'7C15U);
    z = (z ^ (z >> 30U)) * 0xBF58'476D'1CE4'E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D0'49BB'1331'11EBU;
    return z ^ (z >> 31U);
}

Session* Broker::Impl::find_session(std::string_view client_id) {
    const auto found = sessions_.find(client_id);
    return found == sessions_.end() ? nullptr : found->second.get();
}

Session* Broker::Impl::find_session(std::uint64_t key) {
    const auto found = sessions_by_key_.find(key);
    return found == sessions_by_key_.end() ? nullptr : found->second;
}

/// `key`: of a session that a restart brings back; 0: it is new.
Session& Broker::Impl::begin_session(std::string client_id, std::uint64_t key) {
    auto session = std::make_unique<Session>();
    Session& begun = *session;
    begun.key = key;
    while (begun.key == 0 || find_session(begun.key) != nullptr) begun.key = next_random();
    begun.client_id = client_id;
    begun.is_consumer = consumers_.contains(begun.client_id);
    sessions_by_key_.emplace(begun.key, &begun);
    sessions_.emplace(std::move(client_id), std::move(session));
    counters_.sessions = sessions_.size();
    return begun;
}

/// The session's connection is over. ClientGone and the will wait together for the Will Delay
/// Interval; where the session ends first, so does the wait (3.1.3.2.2).
void Broker::Impl::detach(Session& session, bool by_disconnect) {
    session.connection = nullptr;
    session.ended_at = now_.wall;
    --counters_.clients_connected;
    session.inbound.forget_at_least_once();
    update_holding(session);
    if (by_disconnect) session.will.reset();
    const bool lives_on = session.expiry > base::Duration{};
    if (lives_on)
        deadlines_.set(session.expiry_due, now_.instant + session.expiry, DeadlineKind::session,
                       session.key);
    if (lives_on && session.will && session.will->delay > base::Duration{}) {
        session.gone_untold = true;
        deadlines_.set(session.will_due, now_.instant + session.will->delay, DeadlineKind::will,
                       session.key);
        keep_session(session);
        return;
    }
    events_.emplace_back(ClientGone{session.client_id, by_disconnect, false});
    publish_will(session);
    if (lives_on)
        keep_session(session);
    else
        end_session(session);
}

/// The same client connects again. True: the session goes on with the new connection; false: it has
/// ended (a clean start, or it lasted only as long as its connection).
bool Broker::Impl::release_for_successor(Session& session, bool clean_start) {
    const bool ends = clean_start || session.expiry == base::Duration{};
    const bool was_connected = session.connection != nullptr;
    if (Connection* old = session.connection) {
        if (const Attached* attached = old->attached()) {
            if (attached->version == Version::v5)
                encode(old->output, Disconnect{ReasonCode::session_taken_over, {}}, Version::v5);
            close(*old, true);
        } else {
            old->state = Closing{};
        }
        session.connection = nullptr;
        --counters_.clients_connected;
        session.inbound.forget_at_least_once();
        update_holding(session);
    }
    if (was_connected || session.gone_untold)
        events_.emplace_back(ClientGone{session.client_id, false, true});
    session.gone_untold = false;
    const bool will_is_due =
        !session.return_voids_will &&
        (ends || (was_connected && session.will && session.will->delay == base::Duration{}));
    if (will_is_due) publish_will(session);
    session.will.reset();
    deadlines_.cancel(session.will_due, DeadlineKind::will, session.key);
    deadlines_.cancel(session.expiry_due, DeadlineKind::session, session.key);
    if (ends) end_session(session);
    return !ends;
}

/// A client that was connected to an earlier process was never told of to this one's owner.
void Broker::Impl::tell_gone(Session& session) {
    if (std::exchange(session.gone_untold, false))
        events_.emplace_back(ClientGone{session.client_id, false, false});
    if (!session.will) return;
    publish_will(session);
    keep_session(session);
}

/// The same path as a publish of that client, without an acknowledgement to give.
void Broker::Impl::publish_will(Session& session) {
    if (!session.will) return;
    const OwnedWill& will = event_wills_.emplace_back(std::move(*session.will));
    session.will.reset();
    if (authorisation_.refuse_publish(session, will.topic)) {
        ++counters_.refused_publishes;
        return;
    }
    Publish publish;
    publish.topic = will.topic;
    publish.payload = will.payload;
    publish.properties = will.properties;
    publish.qos = will.qos;
    publish.retain = will.retain;
    distribute(publish, &session);
    Published event = to_event(session, publish, AckToken{});
    event.is_will = true;
    events_.emplace_back(event);
}

/// Events may still name the session, so it is freed at the next input.
void Broker::Impl::end_session(Session& session) {
    unkeep_session(session);
    if (session.is_consumer) let_go_of_consumer(session);
    for (const auto& [filter, options] : session.subscriptions)
        subscriptions_.remove(filter, &session);
    counters_.subscriptions = subscriptions_.size();
    deadlines_.cancel(session.will_due, DeadlineKind::will, session.key);
    deadlines_.cancel(session.expiry_due, DeadlineKind::session, session.key);
    deadlines_.cancel(session.progress_due, DeadlineKind::progress, session.key);
    sessions_by_key_.erase(session.key);
    const auto found = sessions_.find(session.client_id);
    ended_.push_back(std::move(found->second));
    sessions_.erase(found);
    counters_.sessions = sessions_.size();
}

}  // namespace sallyport::mqtt
