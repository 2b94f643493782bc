#!/usr/bin/python3
"""A simulated plant: a pump, a tank and a boiler, each an MQTT client of its own.

Nothing here knows of the kills. While the broker is away a device goes on producing into its MQTT
client's queue, and the client, which keeps its session, sends what was not acknowledged again.

By itself, `plant.py --port N` publishes until SIGTERM or SIGINT.
"""

import argparse
import heapq
import math
import signal
import threading
import time
import zlib
from collections import deque
from dataclasses import dataclass

import paho.mqtt.client as mqtt

import payloads

HOST = "127.0.0.1"
FAST_S = 0.02  # 50 Hz
QUEUED_MESSAGES_MAX = 50_000  # below 65,535: each holds a packet identifier
INFLIGHT_MESSAGES_MAX = 100
RECONNECT_INTERVAL_S = 0.2
CONNACK_TIMEOUT_S = 5.0
WAIT_MAX_S = 0.02


@dataclass(frozen=True)
class TagGroup:
    """`count` tags that behave alike. `period_s` None: one value, then silence."""

    path: str
    count: int
    period_s: float | None
    binary: bool = False
    retain: bool = False


DEVICES = {
    "pump": (
        TagGroup("vibration", 4, FAST_S, binary=True),
        TagGroup("temperature", 40, 1.0),
        TagGroup("pressure", 20, 0.5),
        TagGroup("valve", 10, 4.0, retain=True),
        TagGroup("nameplate", 10, None, retain=True),
    ),
    "tank": (
        TagGroup("flow", 2, FAST_S),
        TagGroup("level", 30, 1.0),
        TagGroup("hatch", 20, 4.0, retain=True),
        TagGroup("calibration", 12, None, binary=True),
    ),
    "boil": (
        TagGroup("flame", 2, FAST_S, binary=True),
        TagGroup("temperature", 50, 1.0),
        TagGroup("steam", 20, 0.5),
        TagGroup("setpoint", 16, None, retain=True),
    ),
}
NAMES = {"pump": "pump", "tank": "tank", "boil": "boiler"}
GROUPS = tuple(group for groups in DEVICES.values() for group in groups)
TAG_COUNT = sum(group.count for group in GROUPS)
FAST_COUNT = sum(group.count for group in GROUPS if group.period_s == FAST_S)
SILENT_COUNT = sum(group.count for group in GROUPS if group.period_s is None)


def fingerprint(topic, payload):
    """Equal where topic and bytes are; what the far side compares."""
    return zlib.crc32(payload, zlib.crc32(topic.encode()))


@dataclass(frozen=True)
class Tag:
    topic: str
    phase: int
    group: TagGroup


class Device:
    """One device on a thread of its own, which alone touches its MQTT client.

    The client is driven by loop() and not by paho's own thread: with two threads a new publish can
    slip in between a new connection and the resending of the older ones, and a device that speaks
    out of order would look like a gateway that does.
    """

    def __init__(self, code, port):
        self.code = code
        self.name = NAMES[code]
        self.overflowed = 0  # values for which the client's own queue had no room: never sent
        self.connections = 0
        self.fault = None
        self._port = port
        self._lock = threading.Lock()  # guards what the other threads ask for
        self._sent = {}  # number -> fingerprint
        self._acknowledged = set()
        self._sent_again = set()
        self._number = 0
        self._number_of_mid = {}
        self._acknowledged_mids = deque()
        self._held = deque()
        self._connect_sent_at = None
        self._retry_at = 0.0
        self._due = []
        self._producing = True
        self._finishing = False
        self._client = self._make_client()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self):
        self._schedule(time.monotonic())
        self._thread.start()

    def stop_producing(self):
        """No new values; what was sent is still seen to its acknowledgement."""
        self._producing = False

    def finish(self):
        self._producing = False
        self._finishing = True
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def sent(self):
        """The fingerprint of every number handed to the MQTT client."""
        with self._lock:
            return dict(self._sent)

    def acknowledged(self):
        """The numbers whose PUBACK came back."""
        with self._lock:
            return set(self._acknowledged)

    def sent_again(self):
        """The numbers that were unacknowledged when a connection was made anew."""
        with self._lock:
            return set(self._sent_again)

    def counts(self):
        with self._lock:
            return len(self._sent), len(self._acknowledged)

    def _make_client(self):
        client = mqtt.Client(f"demo-{self.name}", clean_session=False, protocol=mqtt.MQTTv311)
        client.max_queued_messages_set(QUEUED_MESSAGES_MAX)
        client.max_inflight_messages_set(INFLIGHT_MESSAGES_MAX)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _schedule(self, now):
        """Tags of one group take turns within its period, as a scan cycle does."""
        for group in DEVICES[self.code]:
            spread = group.period_s or 1.0
            for index in range(group.count):
                tag = Tag(f"plant/{self.name}/{group.path}/{index + 1}", index, group)
                heapq.heappush(self._due, (now + spread * index / group.count, tag.topic, tag))

    def _run(self):
        try:
            while not self._finishing:
                self._produce(time.monotonic())
                self._hand_over()
                self._serve_connection()
                self._note_acknowledged()
            self._client.disconnect()
        except Exception as error:  # it would end the thread in silence
            self.fault = f"the simulated {self.name} failed: {error!r}"

    def _produce(self, now):
        while self._producing and self._due and self._due[0][0] <= now:
            due, topic, tag = heapq.heappop(self._due)
            self._number += 1
            payload = self._measure(tag, now)
            self._held.append((self._number, topic, payload, tag.group.retain))
            if tag.group.period_s is not None:
                heapq.heappush(self._due, (due + tag.group.period_s, topic, tag))

    def _measure(self, tag, now):
        if tag.group.binary:
            wave = [int(900 * math.sin(i / 2 + tag.phase + now)) for i in range(16)]
            return payloads.as_samples(self.code, self._number, wave)
        return payloads.as_json(self.code, self._number, 60 + 8 * math.sin(now / 5 + tag.phase))

    def _hand_over(self):
        # Between CONNECT and CONNACK paho would send a new value before the older ones.
        if self._connect_sent_at is not None:
            return
        while self._held:
            number, topic, payload, retain = self._held.popleft()
            info = self._client.publish(topic, payload, qos=1, retain=retain)
            if info.rc == mqtt.MQTT_ERR_QUEUE_SIZE:
                self.overflowed += 1
                continue
            # A mid is free again only after its acknowledgement, which this same thread notes.
            self._number_of_mid[info.mid] = number
            with self._lock:
                self._sent[number] = fingerprint(topic, payload)

    def _serve_connection(self):
        now = time.monotonic()
        wait = WAIT_MAX_S
        if self._producing and self._due:
            wait = min(max(self._due[0][0] - now, 0.0), wait)
        if self._client.loop(wait) != mqtt.MQTT_ERR_SUCCESS:
            self._connect_sent_at = None
            if now < self._retry_at:
                time.sleep(wait)
            else:
                self._reconnect(now)
        elif self._connect_sent_at and now > self._connect_sent_at + CONNACK_TIMEOUT_S:
            self._reconnect(now)

    def _reconnect(self, now):
        self._retry_at = now + RECONNECT_INTERVAL_S
        self._connect_sent_at = now
        try:
            if self.connections == 0:
                self._client.connect(HOST, self._port, keepalive=10)
            else:
                self._client.reconnect()
        except OSError:
            self._connect_sent_at = None

    def _note_acknowledged(self):
        with self._lock:
            while self._acknowledged_mids:
                self._acknowledged.add(self._number_of_mid.pop(self._acknowledged_mids.popleft()))

    def _on_connect(self, _client, _userdata, _flags, result):
        if result == 0:
            self.connections += 1
            self._connect_sent_at = None
            with self._lock:
                self._sent_again.update(self._number_of_mid.values())

    def _on_disconnect(self, _client, _userdata, _result):
        self._connect_sent_at = None

    def _on_publish(self, _client, _userdata, mid):
        self._acknowledged_mids.append(mid)


class Plant:
    """All devices. Numbers are keyed (device code, number)."""

    def __init__(self, port):
        self.devices = [Device(code, port) for code in DEVICES]

    def start(self):
        for device in self.devices:
            device.start()

    def stop_producing(self):
        for device in self.devices:
            device.stop_producing()

    def finish(self):
        for device in self.devices:
            device.finish()

    def fault(self):
        return next((device.fault for device in self.devices if device.fault), None)

    def overflowed(self):
        return sum(device.overflowed for device in self.devices)

    def connections(self):
        return sum(device.connections for device in self.devices)

    def counts(self):
        """(sent, acknowledged)"""
        sent, acknowledged = zip(*(device.counts() for device in self.devices))
        return sum(sent), sum(acknowledged)

    def sent(self):
        return {(d.code, number): mark for d in self.devices for number, mark in d.sent().items()}

    def acknowledged(self):
        return {(d.code, number) for d in self.devices for number in d.acknowledged()}

    def sent_again(self):
        return {(d.code, number) for d in self.devices for number in d.sent_again()}


def main():
    parser = argparse.ArgumentParser(description="Publishes a simulated plant until it is stopped")
    parser.add_argument("--port", type=int, required=True, help=f"MQTT port on {HOST}")
    plant = Plant(parser.parse_args().port)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    plant.start()
    while not stopped.wait(1.0) and not plant.fault():
        pass
    plant.finish()
    if plant.fault():
        raise SystemExit(f"plant.py: {plant.fault()}")


if __name__ == "__main__":
    main()
