"""The chaos proxy itself: what each fault does to bytes, and that a proxy without it is caught."""

import socket
import threading
import time

from chaos_proxy import FIN, HOST, RST, ChaosProxy, Cut, Faults
from claims import BOUND_FACTOR, claim, same
from harness import free_base_port

PASSING_MB_PER_S = 20
BULK_BYTES = 64 << 20
QUIET_S = 0.6     # so long nothing comes where nothing is to come …
ANSWERS_S = 5.0   # … and so long a shared machine may take where something is
MESSAGE = bytes(range(256)) * 4


class Echo(threading.Thread):
    """Sends back what comes, and closes when the other side does."""

    def __init__(self):
        super().__init__(daemon=True)
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self.ends = []   # how each connection ended, as the server saw it

    def run(self):
        while True:
            end, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(end,), daemon=True).start()

    def _serve(self, end):
        try:
            while data := end.recv(1 << 18):
                end.sendall(data)
            self.ends.append(FIN)
        except OSError:
            self.ends.append(RST)
        end.close()


class Inert(ChaosProxy):
    """Takes every order and obeys none: what each check below must notice."""

    def __init__(self, *ports):
        super().__init__(*ports)
        self._idle = Faults()

    def _accept(self):
        self.scripts.clear()
        self.refuse, self.forget_idle_s = False, 0.0
        spoken = self.up, self.down
        self.up, self.down = self._idle, self._idle
        super()._accept()
        self.up, self.down = spoken

    def cut(self, how=RST, script=None):
        pass

    def reset_up(self):
        pass


def dial(proxy, timeout_s=QUIET_S):
    return socket.create_connection((HOST, proxy.port), timeout=timeout_s)


def answer(end, size=len(MESSAGE)):
    """What comes within the time-out, all together, and how it ended: open, FIN or RST."""
    got, late = b"", time.monotonic() + end.gettimeout()
    try:
        while len(got) < size and time.monotonic() < late:
            data = end.recv(size - len(got))
            if not data:
                return got, FIN
            got += data
    except TimeoutError:
        return got, "open"
    except OSError:
        return got, RST
    return got, "open"


def exchange(proxy, timeout_s=ANSWERS_S):
    with dial(proxy, timeout_s) as end:
        end.sendall(MESSAGE)
        return answer(end)


def check_delay(proxy):
    proxy.down.delay_s, proxy.down.jitter_s = 0.2, 0.05
    began = time.monotonic()
    same("the bytes", MESSAGE, exchange(proxy)[0])
    assert 0.2 <= time.monotonic() - began < 0.5 * BOUND_FACTOR, "no delay"


def check_stall(proxy):
    proxy.up.stalled = True
    with dial(proxy) as end:
        end.sendall(MESSAGE)
        same("while it stalls", (b"", "open"), answer(end))
        proxy.up.stalled = False
        proxy.poke()
        end.settimeout(ANSWERS_S)
        same("then", MESSAGE, answer(end)[0])


def check_odd_stalls(proxy):
    proxy.up.stall_odds, proxy.up.stall_s = 1.0, 0.2
    began = time.monotonic()
    same("the bytes", MESSAGE, exchange(proxy)[0])
    assert time.monotonic() - began >= 0.2, "no stall"


def check_black_hole(proxy):
    proxy.down.black_hole = True
    with dial(proxy) as end:
        end.sendall(MESSAGE)
        same("in the hole", (b"", "open"), answer(end))
        proxy.down.black_hole = False
        end.sendall(MESSAGE)
        same("a flow once swallowed", (b"", "open"), answer(end))
    same("a new one", MESSAGE, exchange(proxy)[0])


def check_cut_at(proxy):
    for at in (0, 1, 700):
        for how in (FIN, RST):
            proxy.scripts.append(Cut("down", at, how))
            got, end = exchange(proxy)
            same(f"end at byte {at} by {how}", (MESSAGE[:at] if how == FIN else b"", how),
                 (got if how == FIN else b"", end))


def check_cut_mid_piece(proxy):
    proxy.down.cut_next = FIN
    same("half a piece", (MESSAGE[:512], FIN), exchange(proxy))


def check_cut_now(proxy):
    with dial(proxy, ANSWERS_S) as end:
        end.sendall(MESSAGE)
        answer(end)
        proxy.cut()
        same("how it ends", RST, answer(end)[1])


def check_half_open(proxy):
    with dial(proxy, ANSWERS_S) as end:
        end.sendall(MESSAGE)
        answer(end)
        end.settimeout(QUIET_S)
        proxy.reset_up()
        end.sendall(MESSAGE)
        same("to a server that is gone", (b"", "open"), answer(end))


def check_flip(proxy):
    proxy.up.flip_next = 1
    got, _ = exchange(proxy)
    wrong = sum((one ^ other).bit_count() for one, other in zip(got, MESSAGE))
    same("flipped bits", (len(MESSAGE), 1), (len(got), wrong))


def check_garbage(proxy):
    proxy.up.garbage_next = 1
    with dial(proxy, ANSWERS_S) as end:
        end.sendall(MESSAGE)
        same("64 bytes more", MESSAGE, answer(end, len(MESSAGE) + 64)[0][64:])


def check_bandwidth(proxy):
    proxy.up.bytes_per_second = 2048
    began = time.monotonic()
    same("the bytes", MESSAGE, exchange(proxy)[0])
    assert 0.35 < time.monotonic() - began < 0.5 * BOUND_FACTOR, "no limit"


def check_dribble(proxy):
    proxy.down.bytes_per_second = 10
    got, _ = exchange(proxy, ANSWERS_S)
    assert 1 <= len(got) <= 10 * ANSWERS_S * BOUND_FACTOR < len(MESSAGE), f"{len(got)} bytes"


def check_refusal(proxy):
    proxy.refuse = True
    try:
        got, end = exchange(proxy)
    except OSError:
        got, end = b"", RST
    same("a refused connection", (b"", RST), (got, end))


def check_forgetting(proxy):
    proxy.forget_idle_s = 3.0
    with dial(proxy, ANSWERS_S) as end:
        for _ in range(3):  # a busy flow is kept
            time.sleep(0.1)
            end.sendall(MESSAGE)
            same("a busy flow", MESSAGE, answer(end)[0])
        time.sleep(4)
        end.settimeout(QUIET_S)
        end.sendall(MESSAGE)
        same("an idle one", (b"", "open"), answer(end))


CHECKS = (check_delay, check_stall, check_odd_stalls, check_black_hole, check_cut_at,
          check_cut_mid_piece, check_cut_now, check_half_open, check_flip, check_garbage,
          check_bandwidth, check_dribble, check_refusal, check_forgetting)


@claim("the chaos proxy does each fault as it is told, counts it, and one that does nothing "
       "is caught", beside=True)
def chaos_proxy_works(run):
    echo = Echo()
    echo.start()
    for check in CHECKS:
        with ChaosProxy(free_base_port(), echo.port) as proxy:
            same("without a fault", MESSAGE, exchange(proxy)[0])
            check(proxy)
            assert sum(proxy.struck.values()) or check is check_stall, f"{check.__name__}: 0 struck"
            proxy.clear()
            same("cleared", MESSAGE, exchange(proxy)[0])
        with Inert(free_base_port(), echo.port) as inert:
            try:
                check(inert)
            except AssertionError:
                continue
        raise AssertionError(f"{check.__name__} does not notice a proxy that does nothing")
    run.measured(f"{len(CHECKS)} faults, each done and each missed by a proxy that does nothing")


@claim(f"the chaos proxy passes at least {PASSING_MB_PER_S} MB/s of one processor")
def chaos_proxy_passes(run):
    echo = Echo()
    echo.start()
    with ChaosProxy(free_base_port(), echo.port) as proxy, dial(proxy, 30) as end:
        sender = threading.Thread(target=end.sendall, args=(bytes(BULK_BYTES),), daemon=True)
        began, worked = time.monotonic(), time.process_time()
        sender.start()
        got = 0
        while got < BULK_BYTES:
            got += len(end.recv(1 << 18))
        rate = BULK_BYTES / (time.monotonic() - began) / 1e6
        # By what it costs: how much of a processor it was given is not the proxy's.
        alone = BULK_BYTES / (time.process_time() - worked) / 1e6
        run.measured(f"{rate:.0f} MB/s there and back at once, on a line of two ways; "
                     f"{alone:.0f} MB/s with a processor of its own")
        assert alone >= PASSING_MB_PER_S, f"{alone:.1f} MB/s"
