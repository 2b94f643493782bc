"""What a test is here: a function whose claim is its name in the output."""

import importlib
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROW_MARK = "      row: "  # before a line of the table of faults, in a test's output

# The bounds of the design hold on a quiet machine; a shared one gets this many times as long.
BOUND_FACTOR = 5

MODULES = (
    "self_check", "chaos_check", "chain", "certificates", "outage", "kills", "command_line",
    "watching", "listening", "paho_clients", "npm_clients", "replay", "path_state", "steady",
    "fault_kills", "fault_links", "fault_frames", "fault_disk", "fault_spool", "fault_load",
    "fault_ledger", "fault_values", "fault_latest", "quality_table", "fault_acks", "consumers",
    "complaints",
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
    beside: bool  # may run while others do: it measures nothing that a busy machine would spoil


_claims = []


def claim(text, smoke=False, limit_s=90, beside=False):
    """Makes a function a test: it takes a Run, and fails by raising."""

    def register(function):
        name = f"{function.__module__}.{function.__name__}"
        _claims.append(Claim(name, text, function, smoke, limit_s, beside))
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

    def row(self, number, fault, struck, tally=None, recovered_s=None, ledgered="—"):
        """A line of the table of faults. A fault that never struck has shown nothing."""
        assert struck > 0, f"{fault}: it never struck"
        counts = ["—"] * 5
        if tally:
            counts = [tally.sent, tally.acknowledged, tally.delivered, len(tally.lost),
                      tally.repeats]
        recovered = "—" if recovered_s is None else f"{recovered_s:.1f} s"
        cells = [number, fault, struck, *counts[:3], ledgered, *counts[3:], recovered]
        print(ROW_MARK + " | ".join(str(cell) for cell in cells), flush=True)

    def within(self, what, seconds, bound_s):
        """Prints what was measured beside the design's bound, and holds it to the widened one."""
        self.measured(f"{what} {seconds:.2f} s (design: {bound_s:g} s)")
        widened = bound_s * BOUND_FACTOR
        assert seconds <= widened, f"{what}: {seconds:.2f} s, allowed are {widened:g} s"


def wait_for(what, condition, timeout_s=30.0, every_s=0.05):
    """Waits until `condition()` is true, and returns what it gave; fails by naming `what`. What is
    asked for may not be there yet: a topic, a member, an answer."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            result = condition()
        except (KeyError, IndexError, TypeError):
            if time.monotonic() > deadline:
                raise
            result = None
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
