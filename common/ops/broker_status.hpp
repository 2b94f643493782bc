// The broker's counters as they appear in `status` and /metrics of both agents that have one.
#pragma once

#include <boost/json.hpp>

#include "common/mqtt/broker.hpp"
#include "common/ops/metrics.hpp"

namespace sallyport::ops {

inline boost::json::object to_json(const mqtt::BrokerCounters& broker) {
    return {{"clients_connected", broker.clients_connected},
            {"sessions", broker.sessions},
            {"subscriptions", broker.subscriptions},
            {"retained", broker.retained},
            {"messages_received", broker.messages_received},
            {"messages_sent", broker.messages_sent},
            {"dropped_qos0", broker.dropped_qos0},
            {"dropped_queue_full", broker.dropped_queue_full},
            {"dropped_expired", broker.dropped_expired},
            {"refused_publishes", broker.refused_publishes},
            {"connections_refused", broker.connections_refused}};
}

inline void add_metrics(Metrics& metrics, const mqtt::BrokerCounters& broker) {
    metrics.gauge("mqtt_clients", "MQTT clients connected.", broker.clients_connected);
    metrics.counter("mqtt_messages_received_total", "Application messages received.",
                    broker.messages_received);
    metrics.counter("mqtt_messages_sent_total", "Application messages sent.", broker.messages_sent);
    metrics.counter("mqtt_dropped_qos0_total", "QoS 0 messages a slow subscriber did not get.",
                    broker.dropped_qos0);
    metrics.counter("mqtt_dropped_queue_full_total", "Queued messages dropped from full sessions.",
                    broker.dropped_queue_full);
    metrics.counter("mqtt_dropped_expired_total", "Messages that expired in sessions' queues.",
                    broker.dropped_expired);
}

}  // namespace sallyport::ops
