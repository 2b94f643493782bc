#include "common/mqtt/recipients.hpp"

#include <algorithm>

namespace sallyport::mqtt {

void Recipients::collect(const SubscriptionTree::Matches& matches, const Session* publisher) {
    recipients_.clear();
    identifiers_.clear();
    ++mark_;
    for (const Subscriber* subscriber : matches.subscribers) {
        Session& session = *subscriber->session;
        if (subscriber->options.no_local && &session == publisher) continue;
        if (session.fan_out_mark != mark_) {
            session.fan_out_mark = mark_;
            session.fan_out_index = recipients_.size();
            recipients_.push_back({&session, Qos::at_most_once, false, Recipient::kNone});
        }
        merge(recipients_[session.fan_out_index], subscriber->options);
    }
}

void Recipients::merge(Recipient& recipient, const SubscriptionOptions& options) {
    recipient.qos = std::max(recipient.qos, options.qos);
    recipient.retain_as_published |= options.retain_as_published;
    if (options.identifier == 0) return;
    identifiers_.push_back({options.identifier, recipient.first_identifier});
    recipient.first_identifier = static_cast<std::uint32_t>(identifiers_.size() - 1);
}

void Recipients::identifiers(const Recipient& recipient, std::vector<std::uint32_t>& out) const {
    out.clear();
    for (auto at = recipient.first_identifier; at != Recipient::kNone; at = identifiers_[at].next)
        out.push_back(identifiers_[at].value);
}

}  // namespace sallyport::mqtt
