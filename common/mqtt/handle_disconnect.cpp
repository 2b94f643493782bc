// DISCONNECT from a client (section 3.14).
#include <algorithm>

#include "common/mqtt/broker_impl.hpp"
#include "common/mqtt/decode.hpp"

namespace sallyport::mqtt {

/// Only reason 0x00 deletes the will (MQTT-3.14.4-3); a client that leaves with another reason
/// leaves as one whose connection broke.
void Broker::Impl::handle(Connection& connection, const Disconnect& received) {
    const Attached& attached = *connection.attached();
    Session& session = *attached.session;
    if (const auto expiry =
            find_property(received.properties, PropertyId::session_expiry_interval)) {
        if (expiry->number > 0 && !attached.may_extend_expiry) {
            disconnect(connection, ReasonCode::protocol_error);  // 3.14.2.2.2
            return;
        }
        session.expiry = std::min<base::Duration>(std::chrono::seconds(expiry->number),
                                                  session_expiry_max(session.client_id));
    }
    close(connection, true);
    detach(session, received.reason == ReasonCode::success);
}

}  // namespace sallyport::mqtt
