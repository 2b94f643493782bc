"""A TCP proxy that does to a line what lines do: programmable while it runs, by whole bytes.

It stands between a client (an agent that dials out, a device) and a server. `up` is the way from
client to server, `down` the way back; what is set on them holds for every connection at once, and
`scripts` for single ones. `struck` counts what it has really done, fault by fault: a test that
names a fault asks there whether it happened.
"""

import random
import selectors
import socket
import struct
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

HOST = "127.0.0.1"
LINGER_ZERO = struct.pack("ii", 1, 0)  # close() then sends RST
READ_BYTES = 1 << 18
HELD_BYTES_MAX = 1 << 20    # a way that holds more reads no further
NEVER_S = 3600.0
ORDER_LIMIT_S = 30.0
FIN, RST = "fin", "rst"


@dataclass
class Faults:
    """What happens on one way of every connection. May be changed at any time."""

    delay_s: float = 0.0
    jitter_s: float = 0.0           # more delay, drawn for each piece; the order stays
    stall_odds: float = 0.0         # of a piece that it, and all behind it, waits …
    stall_s: float = 0.0            # … so much longer
    stalled: bool = False           # nothing moves, and nothing is lost: TCP's view of an outage
    black_hole: bool = False        # every byte and end is swallowed, and this flow stays dead
    bytes_per_second: float = 0.0   # 0: unlimited; 1: a dribble
    flip_next: int = 0              # pieces that get one flipped bit
    garbage_next: int = 0           # pieces that get random bytes before them
    cut_next: str = ""              # FIN or RST in the middle of the next piece

    def clear(self):
        self.__init__()


@dataclass(frozen=True)
class Cut:
    """A script for one connection: it ends when so many bytes have passed one way."""

    way: str       # "up" or "down"
    at: int
    how: str = RST


class Way:
    """One direction of one connection."""

    def __init__(self, name, source, sink, faults, cut):
        self.name, self.source, self.sink, self.faults = name, source, sink, faults
        self.cut_at, self.cut_how = (cut.at, cut.how) if cut and cut.way == name else (None, RST)
        self.waiting = deque()   # [due, bytes]; None for the end of the stream
        self.held = self.passed = 0
        self.last_due = 0.0
        self.dead = self.over = self.blocked = False
        self.spent_at = time.monotonic()
        self.allowance = 0.0

    def wants_to_read(self):
        return not (self.over or self.faults.stalled or self.held >= HELD_BYTES_MAX)


class Connection:
    def __init__(self, near, far, proxy, script):
        self.near, self.far = near, far
        self.ways = (Way("up", near, far, proxy.up, script),
                     Way("down", far, near, proxy.down, script))
        self.heard_at = time.monotonic()
        self.masks = {near: 0, far: 0}


class ChaosProxy(threading.Thread):
    def __init__(self, port, target_port):
        super().__init__(daemon=True)
        self.port, self.target_port = port, target_port
        self.up, self.down = Faults(), Faults()
        self.scripts = deque()       # for the next connections, one each; None: none for that one
        self.refuse = False          # connections are reset as they come
        self.forget_idle_s = 0.0     # a flow silent for so long is swallowed from then on; 0: never
        self.struck = Counter()
        self.connections = 0
        self.passed = Counter()      # bytes, "up" and "down"
        self._open = []
        self._orders = deque()
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((HOST, port), backlog=128)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._closing = False

    # For tests; from any thread.

    def cut(self, how=RST, script=None):
        """Ends every connection, on both its sides; returns when that is done. The script is for
        the next connection: none that came before, or while this was said, can take it."""
        def end_all():
            for one in list(self._open):
                self._end(one, how, "cut")
            if script:
                self.scripts.append(script)

        self._order(end_all)

    def reset_up(self):
        """Only the server is told; the client's side stays, and hears nothing any more."""
        self._order(self._half_open)

    def clear(self):
        """No fault any more; what it has done stays done."""
        self.refuse, self.forget_idle_s = False, 0.0
        self.scripts.clear()
        self.up.clear()
        self.down.clear()
        self.poke()

    def poke(self):
        """After a change: looks again at what may move."""
        self._order(lambda: None)

    def open_connections(self):
        return len(self._open)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._closing = True
        self._wake.send(b"x")
        self.join(10)
        for end in (self._listener, self._wake, self._woken):
            end.close()

    def _order(self, action):
        done = threading.Event()
        self._orders.append((action, done))
        self._wake.send(b"x")
        if threading.current_thread() is not self:
            assert done.wait(ORDER_LIMIT_S) or self._closing, "the proxy did not obey"

    # The thread.

    def run(self):
        while not self._closing:
            for key, mask in self._selector.select(self._next_due_s()):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._woken:
                    self._woken.recv(4096)
                elif key.data in self._open:
                    self._ready(key.data, key.fileobj, mask)
            while self._orders:
                action, done = self._orders.popleft()
                action()
                done.set()
            now = time.monotonic()
            for connection in list(self._open):
                self._pump(connection, now)
        for connection in list(self._open):
            self._end(connection, RST, None)

    def _next_due_s(self):
        now, due = time.monotonic(), NEVER_S
        for connection in self._open:
            if self.forget_idle_s:
                due = min(due, max(0.01, connection.heard_at + self.forget_idle_s - now))
            for way in connection.ways:
                if way.waiting and not way.faults.stalled and not way.blocked:
                    floor = 0.0
                    if way.faults.bytes_per_second and way.waiting[0][1]:
                        floor = max(0.002, (1 - way.allowance) / way.faults.bytes_per_second)
                    due = min(due, max(floor, way.waiting[0][0] - now))
        return due

    def _accept(self):
        near, _ = self._listener.accept()
        self.connections += 1
        script = self.scripts.popleft() if self.scripts else None
        try:
            if self.refuse:
                self.struck["refused"] += 1
                raise ConnectionRefusedError
            far = socket.create_connection((HOST, self.target_port), timeout=10)
        except OSError:
            _reset(near)
            return
        connection = Connection(near, far, self, script)
        for end in (near, far):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.append(connection)
        self._pump(connection, time.monotonic())

    def _ready(self, connection, end, mask):
        for way in connection.ways:
            if way.sink is end and mask & selectors.EVENT_WRITE:
                way.blocked = False
            if way.source is end and mask & selectors.EVENT_READ and way.wants_to_read():
                self._read(connection, way)
                if connection not in self._open:
                    return

    def _read(self, connection, way):
        try:
            data = way.source.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            if way.faults.black_hole or way.dead:
                way.over = True
                self._close_if_over(connection)
            else:
                self._end(connection, RST, None)
            return
        now = time.monotonic()
        if not data:
            way.over = True
        if way.dead or way.faults.black_hole:
            way.dead = True
            self.struck["swallowed"] += bool(data)
            self._close_if_over(connection)
            return
        connection.heard_at = now
        self._take(connection, way, data, now)

    def _take(self, connection, way, data, now):
        faults = way.faults
        if data and faults.garbage_next > 0:
            faults.garbage_next -= 1
            self.struck["garbage"] += 1
            data = random.randbytes(64) + data
        if data and faults.flip_next > 0:
            faults.flip_next -= 1
            self.struck["flipped"] += 1
            data = bytearray(data)
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            data = bytes(data)
        if len(data) > 1 and faults.cut_next:
            way.cut_at = way.passed + way.held + len(data) // 2
            way.cut_how, faults.cut_next = faults.cut_next, ""
        due = now + faults.delay_s
        if faults.jitter_s:
            due += random.random() * faults.jitter_s
        if faults.stall_odds and random.random() < faults.stall_odds:
            self.struck["stalled"] += 1
            due += faults.stall_s
        self.struck["delayed"] += due > now
        self.struck["slowed"] += faults.bytes_per_second > 0
        way.last_due = max(way.last_due, due)
        way.waiting.append([way.last_due, data or None])
        way.held += len(data)

    def _pump(self, connection, now):
        """Writes what is due, then says what this connection waits for."""
        if self.forget_idle_s and now - connection.heard_at > self.forget_idle_s:
            self._forget(connection)
        for way in connection.ways:
            while self._write_one(connection, way, now):
                pass
            if connection not in self._open:
                return
        self._watch(connection)

    def _forget(self, connection):
        if not connection.ways[0].dead:
            self.struck["forgotten"] += 1
        for way in connection.ways:
            way.dead = True

    def _write_one(self, connection, way, now):
        """Whether there may be more to write at once."""
        if connection not in self._open or not way.waiting or way.blocked or way.faults.stalled:
            return False
        due, data = way.waiting[0]
        if due > now:
            return False
        if way.dead:
            way.waiting.clear()
            way.held = 0
            return False
        if data is None:
            way.waiting.popleft()
            _quietly(way.sink.shutdown, socket.SHUT_WR)
            self._close_if_over(connection)
            return False
        most = self._allowed(way, now, len(data))
        if way.cut_at is not None:
            most = min(most, max(0, way.cut_at - way.passed))
            if most == 0 and way.passed >= way.cut_at:
                self._end(connection, way.cut_how, f"cut by {way.cut_how}")
                return False
        if most == 0:
            return False
        try:
            sent = way.sink.send(data[:most] if most < len(data) else data)
        except BlockingIOError:
            way.blocked = True
            return False
        except OSError:
            self._end(connection, RST, None)
            return False
        way.passed += sent
        way.held -= sent
        way.allowance -= sent
        self.passed[way.name] += sent
        if sent == len(data):
            way.waiting.popleft()
        else:
            way.waiting[0][1] = data[sent:]
        return True

    def _allowed(self, way, now, wanted):
        rate = way.faults.bytes_per_second
        if not rate:
            way.spent_at, way.allowance = now, 0.0
            return wanted
        burst = max(1.0, rate / 20)
        way.allowance = min(burst, max(0.0, way.allowance) + (now - way.spent_at) * rate)
        way.spent_at = now
        return min(wanted, int(way.allowance))

    def _watch(self, connection):
        for end in (connection.near, connection.far):
            mask = 0
            for way in connection.ways:
                if way.source is end and way.wants_to_read():
                    mask |= selectors.EVENT_READ
                if way.sink is end and way.blocked:
                    mask |= selectors.EVENT_WRITE
            before = connection.masks[end]
            if mask == before:
                continue
            if not before:
                self._selector.register(end, mask, connection)
            elif mask:
                self._selector.modify(end, mask, connection)
            else:
                self._selector.unregister(end)
            connection.masks[end] = mask

    def _close_if_over(self, connection):
        if all(way.over and not way.waiting for way in connection.ways):
            self._end(connection, FIN, None)

    def _half_open(self):
        for connection in list(self._open):
            self.struck["half-open"] += 1
            for way in connection.ways:
                way.dead = True
            connection.ways[1].over = True
            self._watch(connection)
            _quietly(connection.far.shutdown, socket.SHUT_RDWR)

    def _end(self, connection, how, fault):
        if connection not in self._open:
            return
        self._open.remove(connection)
        if fault:
            self.struck[fault] += 1
        for end, mask in connection.masks.items():
            if mask:
                self._selector.unregister(end)
            if how == RST:
                _reset(end)
            else:
                end.close()


def _reset(end):
    _quietly(end.setsockopt, socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    end.close()


def _quietly(call, *words):
    try:
        call(*words)
    except OSError:
        pass
