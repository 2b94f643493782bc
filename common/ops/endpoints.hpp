// From the configuration to the network: listeners and the relay to dial, as the driver wants them.
#pragma once

#include <string>
#include <vector>

#include "common/config/sections.hpp"
#include "common/mqtt/broker.hpp"
#include "common/net/driver.hpp"

namespace sallyport::ops {

/// The driver's options for an MQTT listener of the configuration. Throws pki::PkiError.
net::ListenerOptions mqtt_listener(const config::MqttListenerSection& section);
std::string describe(const std::vector<config::MqttListenerSection>& listeners);

mqtt::BrokerLimits broker_limits(const config::BrokerSection& section);

/// The driver's options for dialling a relay, with the agent's own certificate.
net::TargetOptions relay_target(const config::RelaySection& relay, const config::TlsSection& tls);

/// Path, subprotocol of the tunnel's WebSocket.
inline constexpr const char* kTunnelPath = "/sallyport";
inline constexpr const char* kTunnelSubprotocol = "sallyport.1";

}  // namespace sallyport::ops
