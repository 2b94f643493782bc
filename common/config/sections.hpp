// The sections that more than one agent has, as plain data, and how each is read. A reader notes
// what is wrong in the Document, whose finish() throws it; what it returns is complete only if that
// did not throw.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.hpp"
#include "common/config/document.hpp"
#include "common/config/endpoint.hpp"

namespace sallyport::config {

/// What is allowed but probably not meant; shown by check-config and logged at start.
using Warnings = std::vector<std::string>;

/// [agent]
struct AgentSection {
    std::string name;      // as in the certificate; `[a-z0-9][a-z0-9._-]{0,62}`
    std::string data_dir;  // "data" beside the file unless given
};
AgentSection read_agent(Document& document);

/// [tls]: paths of PEM files.
struct TlsSection {
    std::string ca, cert, key;
};
/// Nothing where the section is absent and not required.
std::optional<TlsSection> read_tls(Document& document, bool required);

/// [relay]: where to dial, and for whom to keep.
struct RelaySection {
    std::vector<RelayUrl> urls;  // exactly one in this version
    std::vector<std::string>
        destinations;  // it-agents, "hq" or "acme/hq"; always empty in an it-agent
    base::Duration ping = std::chrono::seconds(2);
    base::Duration lost_after = std::chrono::seconds(6);
};
enum class Destinations { none, allowed };
/// Nothing where the section is absent.
std::optional<RelaySection> read_relay(Document& document, Destinations destinations);

enum class ListenerTransport { tcp, tls, ws, wss };

/// [[listener]] of an agent with a broker.
struct MqttListenerSection {
    Endpoint address;
    ListenerTransport transport = ListenerTransport::tcp;
    std::string cert, key;  // tls and wss only, then never empty
    std::string ca;         // tls and wss only; empty: clients are not asked for a certificate
    bool require_certificate = false;
    bool anonymous = false;  // who comes without user and password is let in
};
std::vector<MqttListenerSection> read_mqtt_listeners(Document& document, Warnings& warnings);

/// [broker]: names, units and defaults as in mqtt::BrokerLimits.
struct BrokerSection {
    std::uint32_t max_clients = 10'000;
    std::uint32_t max_packet_bytes = 1U << 20U;
    std::uint32_t session_queue_bytes = 16U << 20U;
    std::uint32_t session_queue_messages = 100'000;
    std::uint32_t max_inflight = 65'535;
    std::uint64_t retained_bytes = 256U << 20U;
    std::optional<base::Duration> max_keep_alive = std::chrono::minutes(10);  // nothing: off
};
BrokerSection read_broker(Document& document);

/// [http]: loopback only in this version.
struct HttpSection {
    Endpoint address;
};
/// Nothing where the section is absent: no HTTP then.
std::optional<HttpSection> read_http(Document& document);

/// [control]
struct ControlSection {
    std::string socket;  // "<data_dir>/control.sock" unless given
};
ControlSection read_control(Document& document, const AgentSection& agent);

enum class LogLevel { trace, debug, info, warn, error };
enum class LogFormat { text, json };

/// [log]
struct LogSection {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
};
LogSection read_log(Document& document);

/// True for "name" and "plant/name".
bool is_agent_name(std::string_view name);
/// The same with `*` for any run of characters but '/', as routes and [[edge]] have it.
bool is_agent_pattern(std::string_view pattern);

}  // namespace sallyport::config
