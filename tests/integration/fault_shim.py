"""Faults inside an unchanged program: it dies, errs or waits at its N-th call of a kind.

The C side is preloaded; both map one small file of 64-bit numbers, so orders may be given while the
program runs, and its calls counted from outside.
"""

import mmap
import shutil
import subprocess
from pathlib import Path

from claims import Skipped

CALLS = ("open", "read", "write", "sync", "rename", "unlink", "allocate", "send", "receive")
BEFORE, MIDDLE, AFTER = 0, 1, 2  # of the call at which it is killed
FIELDS = ("count", "kill_at", "moment", "fail_from", "fail_left", "error", "delay_us", "failed")
ORDER_BYTES = 8 * len(FIELDS)
PORT_AT, PATH_AT = ORDER_BYTES * len(CALLS), ORDER_BYTES * len(CALLS) + 8
PATH_BYTES = 256
FOREVER = 1 << 62


def _library(folder):
    built = folder / "fault_shim.so"
    if not built.exists():
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang-19")
        if compiler is None:
            raise Skipped("no C compiler here")
        source = Path(__file__).with_name("fault_shim.c")
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", built, source, "-ldl"],
                       check=True, timeout=60)
    return built


class FaultShim:
    """Of one agent, over all its restarts. `path`: which files, by a part of their names."""

    def __init__(self, run, agent, path):
        if run.smoke:
            raise Skipped("sanitizers and a preloaded library do not go together")
        self._file = agent.config.with_suffix(".shim")
        self._file.write_bytes(bytes(PATH_AT + PATH_BYTES))
        with self._file.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        # Each number read and written as a whole: byte by byte one might be seen half written.
        self._numbers = memoryview(self._map).cast("Q")
        self.watch_path(path)
        agent.environment["SALLYPORT_FAULT_SHIM"] = str(self._file)
        agent.environment["LD_PRELOAD"] = str(_library(run.folder))

    def _at(self, call, field):
        return len(FIELDS) * CALLS.index(call) + FIELDS.index(field)

    def _set(self, call, **fields):
        for field, value in fields.items():
            self._numbers[self._at(call, field)] = value

    def _get(self, call, field):
        return self._numbers[self._at(call, field)]

    def watch_path(self, path):
        """Of calls on files only those count whose names have this in them; from the next start."""
        self._map[PATH_AT:PATH_AT + PATH_BYTES] = path.encode().ljust(PATH_BYTES, b"\0")

    def watch_port(self, port):
        """Of sends and receives only those count whose connection has this port at either end."""
        self._numbers[PORT_AT // 8] = port

    def count(self, call):
        """How often it was called, over all lives of the program."""
        return self._get(call, "count")

    def failed(self, *calls):
        return sum(self._get(call, "failed") for call in calls or CALLS)

    def kill_at(self, call, ahead=1, moment=BEFORE):
        """SIGKILL at the call that is so many ahead."""
        self._set(call, moment=moment, kill_at=self.count(call) + ahead)

    def fail(self, call, error, ahead=1, times=FOREVER):
        self._set(call, error=error, fail_left=times, fail_from=self.count(call) + ahead)

    def delay(self, call, seconds):
        self._set(call, delay_us=int(seconds * 1e6))

    def heal(self):
        for call in CALLS:
            self._set(call, kill_at=0, fail_from=0, delay_us=0)
