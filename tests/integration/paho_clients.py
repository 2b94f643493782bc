"""Paho, as in Debian, on both sides of the gateway."""

import threading
import time

import paho.mqtt.client as mqtt

from claims import claim, same, wait_for
from harness import HOST, Plant

MESSAGES = 5_000
UNACKED_MAX = 100
VERSIONS = {"5.0": mqtt.MQTTv5, "3.1.1": mqtt.MQTTv311}


def payload_of(number):
    """Bytes that are no text, of lengths from 6 to 255."""
    return b"%05d:" % number + bytes((number * 7 + place) % 256 for place in range(number % 250))


def topic_of(prefix, number):
    return f"{prefix}/{number % 11}"


class Client:
    """One connected paho client, its thread running."""

    def __init__(self, name, version, port):
        self._ready = threading.Event()
        self.client = mqtt.Client(name, protocol=version)
        self.client.max_inflight_messages_set(UNACKED_MAX)
        self.client.on_connect = lambda *_: self._ready.set()
        self.client.connect(HOST, port)
        self.client.loop_start()
        assert self._ready.wait(15), f"{name}: no CONNACK"

    def subscribe(self, topic_filter, qos):
        done = threading.Event()
        self.client.on_subscribe = lambda *_: done.set()
        self.client.subscribe(topic_filter, qos)
        assert done.wait(15), "no SUBACK"

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def publish_in_order(publisher, prefix, qos):
    """At QoS 0 paced by the ack of a QoS 1 message now and then, so that no queue need overflow."""
    handles = []
    for number in range(MESSAGES):
        handles.append(publisher.publish(topic_of(prefix, number), payload_of(number), qos))
        if qos == 0 and number % 250 == 249:
            publisher.publish("pace", b"", 1).wait_for_publish(30)
    for handle in handles[-1:]:
        handle.wait_for_publish(60)
    wait_for("every publish is acknowledged", lambda: all(h.is_published() for h in handles), 60)


def shed_and_dropped(plant):
    """QoS 0 messages that edge and it-agent have counted as not passed on."""
    return (plant.edge.status()["ingest"]["shed_qos0"]
            + plant.it.status()["broker"]["dropped_qos0"])


def exchange(run, plant, label, version, qos):
    prefix = f"paho/{label}/{qos}"
    counted_before = shed_and_dropped(plant)
    arrived = []
    subscriber = Client(f"s-{label}-{qos}", version, plant.it_port)
    subscriber.client.on_message = lambda _client, _userdata, message: arrived.append(
        (message.topic, message.payload, message.qos))
    subscriber.subscribe(f"{prefix}/#", qos)
    publisher = Client(f"p-{label}-{qos}", version, plant.edge_port)
    began = time.monotonic()
    publish_in_order(publisher.client, prefix, qos)
    acknowledged = time.monotonic() - began

    def all_there():
        missing = MESSAGES - len(arrived)
        return missing == 0 or (qos == 0 and missing == shed_and_dropped(plant) - counted_before)

    wait_for(f"all messages of {label} at QoS {qos} arrive or are counted", all_there, 60)
    run.measured(f"{label} QoS {qos}: {MESSAGES / acknowledged:.0f} msg/s acknowledged, "
                 f"all there after {time.monotonic() - began:.1f} s, "
                 f"{MESSAGES - len(arrived)} counted as shed")
    publisher.close()
    subscriber.close()
    expected = [(topic_of(prefix, n), payload_of(n), qos) for n in range(MESSAGES)]
    if len(arrived) < MESSAGES:
        there = set(arrived)
        expected = [message for message in expected if message in there]
    if arrived != expected:
        first = next(i for i, (a, b) in enumerate(zip(arrived, expected)) if a != b)
        raise AssertionError(f"{label} QoS {qos}: message {first} is {arrived[first]!r}, "
                             f"expected {expected[first]!r}")
    same("messages", len(expected), len(arrived))


def all_qualities_of_service(run, label):
    with Plant(run).start() as plant:
        for qos in (0, 1, 2):
            exchange(run, plant, label, VERSIONS[label], qos)
        status = plant.it.status()["downlink"]
        same("entries that came twice, gaps, missing records", (0, 0, 0),
             tuple(status[key] for key in ("repeated_entries", "gaps", "missing_records")))


@claim("5,000 messages of paho 5.0 arrive in order and byte for byte, at QoS 0, 1 and 2",
       limit_s=150, beside=True)
def version_5(run):
    all_qualities_of_service(run, "5.0")


@claim("5,000 messages of paho 3.1.1 arrive in order and byte for byte, at QoS 0, 1 and 2",
       limit_s=150, beside=True)
def version_3(run):
    all_qualities_of_service(run, "3.1.1")
