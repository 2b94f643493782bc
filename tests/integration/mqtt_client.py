"""A small MQTT client that shows everything: DUP flags, what was resent and what acknowledged.

It is for what ready-made clients hide: a device that keeps a window in flight, reconnects and sends
again what was not acknowledged; an application that notes each arrival with its flags. It trusts
its peer.
"""

import select
import socket
import struct
import threading
import time
from collections import deque

HOST = "127.0.0.1"
V3, V5 = 4, 5
CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 12, 13, 14
USER_PROPERTY = 0x26
# Value of each property that a server sends in PUBLISH: its width in bytes, or how it is measured.
PROPERTY_FORMS = {0x01: 1, 0x02: 4, 0x23: 2, 0x0B: "varint",
                  0x03: "text", 0x08: "text", 0x09: "text", USER_PROPERTY: "pair"}
RETAIN_HANDLING_NEVER = 2
PING_LIMIT_S = 30.0


def varint(number):
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def text(value):
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(raw)) + raw


def packet(kind, flags, body):
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def user_properties(data):
    """The user properties among a PUBLISH's properties, as they stand there: [(name, value)]."""
    found, at = [], 0

    def string():
        nonlocal at
        length = struct.unpack_from("!H", data, at)[0]
        at += 2 + length
        return bytes(data[at - length:at])

    while at < len(data):
        kind, at = data[at], at + 1
        form = PROPERTY_FORMS[kind]
        if form == "pair":
            found.append((string().decode(), string().decode()))
        elif form == "text":
            string()
        elif form == "varint":
            _, at = read_varint(data, at)
        else:
            at += form
    return found


class Message:
    """One PUBLISH as it arrived."""

    __slots__ = ("at", "topic", "payload", "qos", "retain", "dup", "identifier", "properties")

    def __init__(self, flags, body, version):
        self.at = time.monotonic()
        length = struct.unpack_from("!H", body)[0]
        self.topic = body[2:2 + length].decode()
        self.qos, self.retain, self.dup = flags >> 1 & 3, bool(flags & 1), bool(flags & 8)
        at = 2 + length
        self.identifier = None
        if self.qos:
            self.identifier = struct.unpack_from("!H", body, at)[0]
            at += 2
        self.properties = b""
        if version == V5:
            size, at = read_varint(body, at)
            self.properties = body[at:at + size]
            at += size
        self.payload = bytes(body[at:])

    @property
    def user(self):
        return dict(user_properties(self.properties))

    @property
    def identity(self):
        told = self.user
        return told["edge"], told["epoch"], int(told["seq"])


class Connection:
    """One network connection with its CONNECT done. Raises OSError when it ends."""

    def __init__(self, port, client, version=V5, clean=True, timeout_s=10.0, connect=None,
                 keep_alive_s=0):
        """`connect`: the packet that is sent instead of a plain one. It pings for nobody."""
        self.version = version
        self._received = bytearray()
        self.socket = socket.create_connection((HOST, port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        properties = b""
        if version == V5:
            expiry = b"" if clean else b"\x11\xff\xff\xff\xff"
            properties = varint(len(expiry)) + expiry
        self.send(connect or packet(
            CONNECT, 0, text("MQTT") + bytes([version, 2 if clean else 0])
            + struct.pack("!H", keep_alive_s) + properties + text(client)))
        kind, _, body = self.next_packet()
        if kind != CONNACK or body[1]:
            self.close()
            raise ConnectionRefusedError(f"CONNACK {bytes(body).hex()}")
        self.session_present = bool(body[0] & 1)

    def send(self, data):
        self.socket.sendall(data)

    def subscribe(self, topic_filter, qos, retain_handling=0):
        options = qos | retain_handling << 4 if self.version == V5 else qos
        properties = b"\x00" if self.version == V5 else b""
        self.send(packet(SUBSCRIBE, 2, b"\x00\x01" + properties + text(topic_filter)
                         + bytes([options])))

    def next_packet(self):
        """Waits for one packet: kind, flags, body."""
        while True:
            found = self._take()
            if found:
                return found
            self._read()

    def packets_now(self):
        """What has arrived by now; waits for one read only where nothing has: messages of a
        session that was left may have come with the CONNACK."""
        found = self._take()
        if not found:
            self._read()
            found = self._take()
        while found:
            yield found
            found = self._take()

    def _read(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionResetError("the broker closed the connection")
        self._received += data

    def _take(self):
        data = self._received
        for header in range(2, 6):
            if len(data) < header:
                return None
            if data[header - 1] < 0x80:
                break
        size, start = read_varint(data, 1)
        if len(data) < start + size:
            return None
        first, body = data[0], bytes(data[start:start + size])
        del data[:start + size]
        return first >> 4, first & 15, body

    def disconnect(self):
        self.send(packet(DISCONNECT, 0, b""))
        self.close()

    def close(self):
        self.socket.close()


class Subscriber(threading.Thread):
    """Notes every message. Where `again` is set it reconnects whenever its connection ends; where
    `lasting`, to the session it left, whose QoS 2 messages it takes once."""

    def __init__(self, port, topic_filter="#", qos=1, version=V5, client=None, again=False,
                 retain_handling=0, lasting=False):
        super().__init__(daemon=True)
        self.messages = []  # appended by the thread, may be read at any time
        self.connections = 0
        self.fault = None
        self._port, self._filter, self._qos, self._version = port, topic_filter, qos, version
        self._client = client or f"subscriber-{id(self):x}"
        self._again, self._retain_handling = again, retain_handling
        self._lasting, self._unreleased = lasting, set()  # identifiers of QoS 2 messages
        self._closing = False
        self._connection = None
        self._subscribed = threading.Event()

    def __enter__(self):
        self.start()
        assert self._subscribed.wait(15), f"no SUBACK on port {self._port}: {self.fault}"
        return self

    def __exit__(self, kind, _error, _trace):
        self._closing = True
        if self._connection:
            try:
                self._connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.join(10)
        if kind is None:
            assert self.fault is None, f"the subscriber ended: {self.fault}"

    def count(self):
        return len(self.messages)

    def run(self):
        while not self._closing:
            try:
                self._connect_and_read()
            except OSError as error:
                if self._closing:
                    return
                if not self._again:
                    self.fault = error
                    return
                time.sleep(0.05)

    def _connect_and_read(self):
        connection = Connection(self._port, self._client, self._version, clean=not self._lasting)
        self._connection = connection
        if not connection.session_present:
            self._unreleased.clear()
            connection.subscribe(self._filter, self._qos, self._retain_handling)
        connection.socket.settimeout(None)
        self.connections += 1
        while True:
            answers = bytearray()
            for kind, flags, body in connection.packets_now():
                if kind == PUBLISH:
                    message = Message(flags, body, self._version)
                    if message.qos < 2 or message.identifier not in self._unreleased:
                        self.messages.append(message)
                    if message.qos:
                        answer = PUBACK if message.qos == 1 else PUBREC
                        if message.qos == 2:
                            self._unreleased.add(message.identifier)
                        answers += packet(answer, 0, struct.pack("!H", message.identifier))
                elif kind == PUBREL:
                    self._unreleased.discard(struct.unpack("!H", body[:2])[0])
                    answers += packet(PUBCOMP, 0, body[:2])
                elif kind == SUBACK:
                    assert body[-1] <= 2, f"SUBACK {body[-1]:#x}"
                    self._subscribed.set()
            if answers:
                connection.send(bytes(answers))


class Publisher(threading.Thread):
    """A device: publishes `items` (topic, payload, retain) in order at QoS 1, or 2, at most `window`
    in flight and `rate` a second; reconnects and sends again what was not acknowledged. At QoS 2 it
    is acknowledged with PUBCOMP."""

    def __init__(self, port, items, window=64, rate=None, version=V3, client="device",
                 stays=False, qos=1):
        super().__init__(daemon=True)
        self.sent = 0                 # items given to the network at least once
        self.acknowledged = []        # item numbers in the order of their acks
        self.sent_again = []          # item numbers, one entry for each resend
        self.connections = 0
        self.refused = []             # (item number, reason code)
        self.fault = None
        self.finished_at = None
        self._items = iter(items)
        self._port, self._window, self._rate, self._version = port, window, rate, version
        self._client, self._stays, self._qos = client, stays, qos
        self._in_flight = {}          # identifier -> (item number, packet)
        self._released = set()        # identifiers whose PUBREC has come
        self._free = deque(range(1, window + 1))
        self._exhausted = False
        self._leaving = threading.Event()
        self._done = threading.Event()

    def run(self):
        self._began = time.monotonic()
        try:
            while not self._leaving.is_set() and not self._done.is_set():
                try:
                    self._connect_and_publish()
                except OSError:
                    time.sleep(0.02)
        except Exception as error:  # noqa: BLE001 - told by finish()
            self.fault = error
            self._done.set()

    def stop_publishing(self):
        """No new items; those in flight are still brought home."""
        self._exhausted = True

    def finish(self, timeout_s=60):
        """Waits until everything sent is acknowledged."""
        done = self._done.wait(timeout_s)
        assert self.fault is None, f"the publisher failed: {self.fault!r}"
        assert done, (f"{len(self._in_flight)} messages of {self.sent} "
                      f"without ack after {timeout_s} s")
        if not self._stays:
            self.join(10)

    def leave(self):
        self._leaving.set()
        self.join(10)

    def _connect_and_publish(self):
        connection = Connection(self._port, self._client, self._version, clean=False)
        self.connections += 1
        try:
            if not connection.session_present:
                self._released.clear()
            for identifier, (number, message) in list(self._in_flight.items()):
                if identifier in self._released:
                    connection.send(packet(PUBREL, 2, struct.pack("!H", identifier)))
                    continue
                self.sent_again.append(number)
                connection.send(bytes([message[0] | 8]) + message[1:])
            while not self._leaving.is_set():
                if self._fill(connection):
                    self.finished_at = self.finished_at or time.monotonic()
                    self._done.set()
                    if not self._stays:
                        connection.disconnect()
                        return
                readable, _, _ = select.select([connection.socket], [], [], 0.005)
                if readable:
                    self._take_acks(connection)
        finally:
            connection.close()

    def _fill(self, connection):
        """Sends what window and rate allow; true when nothing is left to send or to wait for."""
        out = bytearray()
        while self._free and not self._exhausted and self._is_due():
            try:
                topic, payload, retain = next(self._items)
            except StopIteration:
                self._exhausted = True
                break
            identifier = self._free.popleft()
            properties = b"\x00" if self._version == V5 else b""
            message = packet(PUBLISH, self._qos << 1 | int(retain), text(topic) + struct.pack("!H", identifier)
                             + properties + payload)
            self._in_flight[identifier] = (self.sent, message)
            self.sent += 1
            out += message
        if out:
            connection.send(bytes(out))
        return self._exhausted and not self._in_flight

    def _is_due(self):
        return self._rate is None or self.sent < (time.monotonic() - self._began) * self._rate

    def _take_acks(self, connection):
        for kind, _, body in connection.packets_now():
            identifier = struct.unpack_from("!H", body)[0]
            refused = len(body) > 2 and body[2] >= 0x80
            if self._qos == 2 and kind == PUBREC and not refused:
                self._released.add(identifier)
                connection.send(packet(PUBREL, 2, body[:2]))
                continue
            last = (PUBREC, PUBCOMP) if self._qos == 2 else (PUBACK,)
            assert kind in last, f"packet of type {kind} from the broker"
            number, _ = self._in_flight.pop(identifier)
            self._released.discard(identifier)
            self._free.append(identifier)
            if refused:
                self.refused.append((number, body[2]))
            else:
                self.acknowledged.append(number)


def publish_all(port, items, window=64, timeout_s=60, **options):
    """Publishes and waits for all acks; the publisher, for what it counted."""
    publisher = Publisher(port, items, window=window, **options)
    publisher.start()
    publisher.finish(timeout_s)
    return publisher


def retained(port, topic_filter, version=V5, quiet_s=0.3):
    """What a late subscriber is given: topic -> Message. That is all once nothing has come for a
    moment and then a ping is answered: silence alone may be a broker that has had no processor."""
    connection = Connection(port, f"late-{time.monotonic_ns():x}", version)
    found, pinged = {}, False
    try:
        connection.subscribe(topic_filter, 0)
        while True:
            try:
                kind, flags, body = connection.next_packet()
            except TimeoutError:
                assert not pinged, "the broker does not answer a ping"
                pinged = True
                connection.send(packet(PINGREQ, 0, b""))
                connection.socket.settimeout(PING_LIMIT_S)
                continue
            if kind == PINGRESP:
                return found
            if kind == PUBLISH:
                message = Message(flags, body, version)
                if message.retain:
                    found[message.topic] = message
            elif kind == SUBACK:
                connection.socket.settimeout(quiet_s)
    finally:
        connection.close()
