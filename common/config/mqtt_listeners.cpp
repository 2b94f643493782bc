// [[listener]] of the agents that have a broker: what may stand together, and whom it lets in.
#include <array>
#include <utility>

#include "common/config/sections.hpp"
#include "common/config/suggestion.hpp"

namespace sallyport::config {
namespace {

constexpr std::array<Word<ListenerTransport>, 4> kTransports{{{"tcp", ListenerTransport::tcp},
                                                              {"tls", ListenerTransport::tls},
                                                              {"ws", ListenerTransport::ws},
                                                              {"wss", ListenerTransport::wss}}};

bool has_tls(ListenerTransport transport) {
    switch (transport) {
        case ListenerTransport::tls:
        case ListenerTransport::wss: return true;
        case ListenerTransport::tcp:
        case ListenerTransport::ws: return false;
    }
    return false;
}

void read_tls_keys(Table& table, MqttListenerSection& listener) {
    const bool tls = has_tls(listener.transport);
    listener.cert = tls ? table.required_path("cert") : table.path("cert");
    listener.key = tls ? table.required_path("key") : table.path("key");
    listener.ca = table.path("ca");
    listener.require_certificate = table.flag("require_certificate", false);
    if (listener.require_certificate && listener.ca.empty())
        table.error("require_certificate", "needs 'ca', the file with the anchors to trust");
    if (tls) return;
    for (const auto* key : {"cert", "key", "ca", "require_certificate"})
        if (table.has(key))
            table.error(key, "has a meaning only with transport \"tls\" or \"wss\"");
}

/// Without users there are two ways to say who may come: anybody, or whoever has a certificate.
void read_admission(Table& table, MqttListenerSection& listener, Warnings& warnings) {
    const bool loopback = listener.address.is_loopback;
    listener.anonymous = table.flag("anonymous", loopback);
    if (listener.address.port == 0 || listener.require_certificate) return;
    if (!listener.anonymous) {
        const std::string why =
            "users are not in this version: write anonymous = true, or "
            "require_certificate = true with a ca";
        if (table.has("anonymous"))
            table.error("anonymous", "leaves nobody who could connect, for " + why);
        else
            table.error("address",
                        "is beyond loopback, where nobody is let in unasked, and " + why);
        return;
    }
    if (!loopback)
        warnings.push_back("[[listener]] " + listener.address.text() +
                           " is beyond loopback and lets in everybody who can reach it");
}

MqttListenerSection read_mqtt_listener(Table& table, Warnings& warnings) {
    MqttListenerSection listener;
    const auto text = table.required_text("address");
    if (const auto address = parse_endpoint(text))
        listener.address = *address;
    else if (!text.empty())
        table.error(
            "address",
            "must be a numeric address and a port, such as \"127.0.0.1:1883\" or \"[::1]:1883\", "
            "not " +
                in_quotes(text));
    listener.transport =
        table.word<ListenerTransport>("transport", kTransports, ListenerTransport::tcp);
    read_tls_keys(table, listener);
    read_admission(table, listener, warnings);
    return listener;
}

}  // namespace

std::vector<MqttListenerSection> read_mqtt_listeners(Document& document, Warnings& warnings) {
    std::vector<MqttListenerSection> listeners;
    for (auto& table : document.root().sections("listener")) {
        auto listener = read_mqtt_listener(table, warnings);
        for (const auto& other : listeners)
            if (listener.address.port != 0 && overlap(listener.address, other.address))
                table.error("address", "is taken by the [[listener]] " + other.address.text());
        listeners.push_back(std::move(listener));
    }
    return listeners;
}

}  // namespace sallyport::config
