"""A TCP proxy between the agents and the relay that can reset all its connections at once."""

import selectors
import socket
import struct
import threading

from harness import HOST

LINGER_ZERO = struct.pack("ii", 1, 0)  # close() then sends RST


class ResetProxy(threading.Thread):
    def __init__(self, port, target_port):
        super().__init__(daemon=True)
        self._target_port = target_port
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((HOST, port), backlog=64)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._partner = {}
        self._closing = False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._closing = True
        self._wake.send(b"x")
        self.join(10)
        for end in (self._listener, self._wake, self._woken):
            end.close()

    def cut(self):
        """Resets every connection, on both its sides."""
        self._wake.send(b"x")

    def run(self):
        while not self._closing:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._woken:
                    self._woken.recv(64)
                    for end in list(self._partner):
                        self._reset(end)
                elif key.fileobj in self._partner:
                    self._pass_on(key.fileobj)
        for end in list(self._partner):
            self._reset(end)

    def _accept(self):
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection((HOST, self._target_port), timeout=10)
        except OSError:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            near.close()
            return
        for end, other in ((near, far), (far, near)):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._partner[end] = other
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, end):
        try:
            data = end.recv(1 << 16)
            if data:
                self._partner[end].sendall(data)
                return
        except OSError:
            pass
        self._reset(end)

    def _reset(self, end):
        other = self._partner.pop(end, None)
        if other is None:
            return
        self._partner.pop(other, None)
        for one in (end, other):
            self._selector.unregister(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            one.close()
