"""A proxy that stands inside the tunnel: it sees whole frames, and may drop, change and add some.

It shows the agent the plant's own relay certificate, and the relay the agent's, so both take it for
the other. What no test of bytes can do, for TLS would notice, is done here: one Ack lost on a line
that is otherwise well, a frame of an unknown kind, a peer of another version.
"""

import select
import socket
import ssl
import struct
import threading
from collections import Counter, deque

HOST = "127.0.0.1"
HELLO, WELCOME, PING, BYE, RESUME, BATCH, BEAT, ACK, ECHO = 1, 2, 5, 6, 17, 20, 21, 22, 23
BINARY = 2
LOOK_AGAIN_S = 0.05
# A Frame as every Cap'n Proto writer lays it out: a segment's head, a pointer to the struct, its
# session, its kind, pointers to body and seal, the body.
SESSION_AT, KIND_AT, BODY_AT = 16, 24, 48
VERSION_AT = BODY_AT + 16  # in a Hello or a Welcome


def frame(kind, body=b"", session=0, more_words=0):
    """Its bytes; `more_words` stand where a newer peer has fields that nobody here knows."""
    body += bytes(-len(body) % 8)
    data = struct.pack("<QQ", session, kind) + b"\x2a" * (8 * more_words)
    pointers = struct.pack("<IIQ", 1 << 2 | 1, len(body) << 3 | 2, 0) if body else bytes(16)
    words = struct.pack("<IHH", 0, 2 + more_words, 2) + data + pointers + body
    return struct.pack("<II", 0, len(words) // 8) + words


def kind_of(message):
    return message[KIND_AT] if len(message) > KIND_AT else None


class _Half:
    """One TLS end: bytes in, WebSocket messages out, after the lines of HTTP."""

    def __init__(self, end, masks):
        self.end, self._masks = end, masks
        self._received, self._parts = bytearray(), bytearray()
        self.upgraded = False

    def read(self):
        """What has come: ("http", bytes), ("message", bytes) or ("control", bytes); None at the
        end."""
        data = self.end.recv(1 << 16)
        if not data:
            return None
        self._received += data
        found = []
        if not self.upgraded:
            head, mark, rest = bytes(self._received).partition(b"\r\n\r\n")
            if not mark:
                return []
            self.upgraded, self._received = True, bytearray(rest)
            found.append(("http", head + mark))
        while one := self._take():
            found.append(one)
        return [one for one in found if one[1] is not None]

    def _take(self):
        data = self._received
        if len(data) < 2:
            return None
        size, at = data[1] & 127, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(data) < 2 + width:
                return None
            size, at = int.from_bytes(data[2:2 + width], "big"), 2 + width
        mask = bytes(4)
        if data[1] & 128:
            mask, at = bytes(data[at:at + 4]), at + 4
        if len(data) < at + size:
            return None
        first, payload = data[0], bytes(data[at:at + size])
        del data[:at + size]
        if any(mask):
            whole = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
            payload = (int.from_bytes(payload, "big") ^ whole).to_bytes(size, "big")
        if first & 15 > BINARY:
            return "control", self._encoded(first, payload)
        self._parts += payload
        if not first & 128:
            return "message", None
        message, self._parts = bytes(self._parts), bytearray()
        return "message", message

    def _encoded(self, first, payload):
        """As the other end of this proxy sends it on; an agent's are masked, by zeros."""
        masked = 128 if self._masks else 0
        size = len(payload)
        if size < 126:
            head = bytes([first, masked | size])
        elif size < 1 << 16:
            head = bytes([first, masked | 126]) + struct.pack("!H", size)
        else:
            head = bytes([first, masked | 127]) + struct.pack("!Q", size)
        return head + (bytes(4) if masked else b"") + payload

    def encoded(self, message):
        return self._encoded(128 | BINARY, message)


class FrameProxy(threading.Thread):
    """`rule(way, message)` gives the messages to pass on instead; None: this one as it is. It runs
    on the thread of its connection."""

    def __init__(self, plant, port, agent):
        super().__init__(daemon=True)
        self.port, self.rule = port, None
        self.seen, self.struck = Counter(), Counter()
        self._target = plant.relay_port
        pki = plant.folder / "pki"
        self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.load_cert_chain(pki / "relay.crt", pki / "relay.key")
        self._server.verify_mode = ssl.CERT_REQUIRED
        self._server.load_verify_locations(pki / "ca.crt")
        self._client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client.check_hostname, self._client.verify_mode = False, ssl.CERT_NONE
        self._client.load_cert_chain(pki / f"{agent}.crt", pki / f"{agent}.key")
        for context in (self._server, self._client):
            context.set_alpn_protocols(["http/1.1"])
        self._listener = socket.create_server((HOST, port))
        self._injected = {"up": deque(), "down": deque()}
        self._closing = False

    def inject(self, way, message):
        self._injected[way].append(message)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.join(10)

    def run(self):
        while not self._closing:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain):
        try:
            with (self._server.wrap_socket(plain, server_side=True) as near,
                  socket.create_connection((HOST, self._target), timeout=10) as far_plain,
                  self._client.wrap_socket(far_plain) as far):
                self._pass_on(_Half(near, True), _Half(far, False))
        except OSError:
            plain.close()

    def _pass_on(self, near, far):
        ways = {near.end: ("up", near, far), far.end: ("down", far, near)}
        while not self._closing:
            ready = [end for end in ways if end.pending()]
            if not ready:
                ready, _, _ = select.select(list(ways), [], [], LOOK_AGAIN_S)
            for end in ready:
                way, half, other = ways[end]
                found = half.read()
                if found is None:
                    return
                for what, content in found:
                    self._pass_one(way, half, other, what, content)
            for way, half, other in ways.values():
                if half.upgraded and near.upgraded and far.upgraded:
                    self._inject_waiting(way, half, other)

    def _inject_waiting(self, way, half, other):
        """What this connection, that may end just now, does not take the next one is given."""
        waiting = self._injected[way]
        while waiting:
            message = waiting.popleft()
            try:
                other.end.sendall(half.encoded(message))
            except OSError:
                waiting.appendleft(message)
                raise
            self.struck["injected"] += 1

    def _pass_one(self, way, half, other, what, content):
        if what != "message":
            other.end.sendall(content)
            return
        self.seen[kind_of(content)] += 1
        passed = self.rule(way, content) if self.rule else None
        if passed is None:
            passed = [content]
        else:
            self.struck["changed"] += 1
        for message in passed:
            other.end.sendall(half.encoded(message))
