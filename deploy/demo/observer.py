"""An application on the IT side: an MQTT 5 client that subscribes to everything and writes down,
with the time, each value's identity and quality, and each state that the it-agent tells.
"""

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass

import paho.mqtt.client as mqtt

import payloads
import plant

HOST = "127.0.0.1"
STATE_PREFIX = "sallyport/edges/"
QUALITY_PREFIX = "sallyport/quality/"
CONNECT_TIMEOUT_S = 10.0
FIRST_FAILURE_CODE = 0x80  # of an MQTT 5 reason code


@dataclass(frozen=True)
class Arrival:
    at: float  # time.monotonic()
    topic: str
    number: tuple  # (device, the device's own number)
    identity: tuple  # (edge, epoch, seq)
    fingerprint: int
    quality: str
    source_time: str
    text: str  # the value in a few words


@dataclass(frozen=True)
class State:
    at: float
    edge: str
    fields: dict

    @property
    def name(self):
        return self.fields.get("state")


@dataclass(frozen=True)
class Quality:
    at: float
    name: str
    payload: str


class Observer:
    def __init__(self, port):
        self._port = port
        self._lock = threading.Lock()
        self._arrivals = []
        self._numbers = {}  # number -> when it first arrived
        self._states = []
        self._qualities = {}  # topic -> the newest
        self._topics = set()
        self._fault = None
        self._closing = False
        self._subscribed = threading.Event()
        self._client = mqtt.Client("demo-observer", protocol=mqtt.MQTTv5)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self):
        """Returns with everything subscribed, or raises OSError."""
        self._client.connect(HOST, self._port, keepalive=30)
        self._client.loop_start()
        if not self._subscribed.wait(CONNECT_TIMEOUT_S):
            raise OSError(f"no SUBACK from {HOST}:{self._port} in {CONNECT_TIMEOUT_S:.0f} s")
        if self._fault:
            raise OSError(self._fault)

    def close(self):
        self._closing = True
        self._client.disconnect()
        self._client.loop_stop()

    def fault(self):
        return self._fault

    def arrivals(self):
        with self._lock:
            return list(self._arrivals)

    def arrived_count(self):
        return len(self._arrivals)

    def numbers(self):
        with self._lock:
            return set(self._numbers)

    def arrived_at(self, number):
        with self._lock:
            return self._numbers[number]

    def newest(self, topic):
        with self._lock:
            return next((a for a in reversed(self._arrivals) if a.topic == topic), None)

    def state_since(self, edge, wanted, since):
        """The first time after `since` that `edge` was told to be in this state."""
        with self._lock:
            told = (s for s in self._states if s.edge == edge and s.at >= since)
            return next((s for s in told if s.name == wanted), None)

    def current_state(self, edge):
        with self._lock:
            told = [s for s in self._states if s.edge == edge]
        return told[-1].name if told else None

    def qualities(self, edge):
        """topic -> Quality, of the edge's tags that were told one."""
        prefix = f"{QUALITY_PREFIX}{edge}/"
        with self._lock:
            return {t.removeprefix(prefix): q for t, q in self._qualities.items()
                    if t.startswith(prefix)}

    def quality_counts(self, edge):
        return Counter(quality.name for quality in self.qualities(edge).values())

    def tag_count(self):
        with self._lock:
            return len(self._topics)

    def _on_connect(self, client, _userdata, _flags, reason, _properties):
        if reason.value >= FIRST_FAILURE_CODE:
            self._fault = f"the it-agent's broker refused the observer: {reason}"
            self._subscribed.set()
            return
        client.subscribe("#", qos=1)

    def _on_disconnect(self, _client, _userdata, reason, _properties=None):
        if not self._closing:
            self._fault = f"the observer's connection to the it-agent ended: {reason}"

    def _on_message(self, _client, _userdata, message):
        try:
            self._take(message, time.monotonic())
        except (ValueError, KeyError) as error:  # it would end paho's thread in silence
            self._fault = f"the observer cannot read a message of {message.topic}: {error!r}"

    def _take(self, message, now):
        topic = message.topic
        if topic.startswith(STATE_PREFIX):
            state = State(now, topic.removeprefix(STATE_PREFIX), json.loads(message.payload))
            with self._lock:
                self._states.append(state)
        elif topic.startswith(QUALITY_PREFIX):
            text = message.payload.decode()
            quality = Quality(now, json.loads(text)["quality"], text)
            with self._lock:
                self._qualities[topic] = quality
        else:
            self._take_value(message, now)

    def _take_value(self, message, now):
        told = dict(getattr(message.properties, "UserProperty", []))
        arrival = Arrival(
            at=now,
            topic=message.topic,
            number=payloads.identify(message.payload),
            identity=(told["edge"], told["epoch"], int(told["seq"])),
            fingerprint=plant.fingerprint(message.topic, message.payload),
            quality=told["quality"],
            source_time=told["source-time"],
            text=payloads.describe(message.payload),
        )
        with self._lock:
            self._arrivals.append(arrival)
            self._numbers.setdefault(arrival.number, now)
            self._topics.add(arrival.topic)
