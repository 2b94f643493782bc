"""What a test is here: a function whose claim is its name in the output."""

import importlib
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

# The bounds of the design hold on a quiet machine; a shared one gets this many times as long.
BOUND_FACTOR = 5

MODULES = (
    "self_check", "chain", "certificates", "outage", "kills", "command_line", "watching",
    "listening", "paho_clients", "npm_clients", "replay", "path_state", "steady",
)


class Skipped(Exception):
    """This machine lacks what the test needs; the text says what."""


@dataclass(frozen=True)
class Claim:
    name: str  # module.function
    text: str
    function: object
    smoke: bool
    limit_s: int  # the runner ends the test after this


_claims = []


def claim(text, smoke=False, limit_s=90):
    """Makes a function a test: it takes a Run, and fails by raising."""

    def register(function):
        name = f"{function.__module__}.{function.__name__}"
        _claims.append(Claim(name, text, function, smoke, limit_s))
        return function

    return register


def all_claims():
    for module in MODULES:
        importlib.import_module(module)
    return list(_claims)


class Run:
    """What a test is given: the programs, a folder of its own, a way to say what it measured."""

    def __init__(self, bin_dir, folder, smoke, long):
        self.bin = Path(bin_dir)
        self.folder = Path(folder)
        self.smoke = smoke  # perhaps sanitized programs: slow, large
        self.long = long

    def program(self, name):
        return str(self.bin / name)

    def measured(self, text):
        print(f"      measured: {text}", flush=True)

    def within(self, what, seconds, bound_s):
        """Prints what was measured beside the design's bound, and holds it to the widened one."""
        self.measured(f"{what} {seconds:.2f} s (design: {bound_s:g} s)")
        widened = bound_s * BOUND_FACTOR
        assert seconds <= widened, f"{what}: {seconds:.2f} s, allowed are {widened:g} s"


def wait_for(what, condition, timeout_s=30.0, every_s=0.05):
    """Waits until `condition()` is true, and returns what it gave; fails by naming `what`."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(every_s)


def needs(command):
    if shutil.which(command) is None:
        raise Skipped(f"no {command} here")


def same(what, expected, seen):
    if seen == expected:
        return
    if isinstance(expected, list) and isinstance(seen, list) and len(expected) + len(seen) > 8:
        differs = (place for place, (one, other) in enumerate(zip(expected, seen)) if one != other)
        place = next(differs, min(len(expected), len(seen)))
        what += f", of {len(expected)} and {len(seen)} the ones from {place} on"
        expected, seen = expected[place:place + 3], seen[place:place + 3]
    raise AssertionError(f"{what}: expected {expected!r}, seen {seen!r}")


if sys.version_info < (3, 11):
    raise SystemExit("Python 3.11 or newer is needed (tomllib)")
