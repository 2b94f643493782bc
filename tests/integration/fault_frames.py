"""Faults inside the tunnel: a lost Ack, unknown frames, another version. Rows 8, 18 and 22."""

import random
import struct
import time
from contextlib import contextmanager

from claims import claim, same, wait_for
from flow import Flow
from frame_proxy import ACK, ECHO, HELLO, PING, VERSION_AT, FrameProxy, frame, kind_of

# A Ping whose struct has three words of data, of which this version knows the first.
NEWER_PING = struct.pack("<IIIHHQQQ", 0, 4, 0, 3, 0, 7, 42, 42)


@contextmanager
def inside(run, agent="edge", **options):
    """A flow with a FrameProxy between one agent's line and the relay."""
    with Flow(run, **options) as flow:
        plant, line = flow.plant, flow.edge_line if agent == "edge" else flow.it_line
        with FrameProxy(plant, plant.spare_port(5), agent) as frames:
            line.target_port = frames.port
            line.cut()
            wait_for("the line leads through the frame proxy",
                     lambda: frames.seen[ACK] or frames.seen[ECHO], 20)
            flow.wait_flowing()
            yield flow, frames


def drop_next(kind, count):
    left = [count]

    def rule(_way, message):
        if kind_of(message) != kind or not left[0]:
            return None
        left[0] -= 1
        return []
    return rule, left


@claim("row 8: a lost Ack, the last one too, wedges nothing while pings go on", beside=True)
def fault_08_ack_lost(run):
    with inside(run) as (flow, frames):
        struck, links = 0, flow.plant.edge.status()["relay"]["links_opened"]
        for count in (1, 1, 3):
            frames.rule, left = drop_next(ACK, count)
            wait_for("Acks are lost", lambda: not left[0], 20, 0.01)
            struck += count
            flow.wait_flowing()
        lost_before = frames.struck["changed"]
        frames.rule = lambda way, message: [] if kind_of(message) == ACK else None
        wait_for("Acks are lost", lambda: frames.struck["changed"] > lost_before, 20)
        flow.device.stop_publishing()
        time.sleep(1.5)  # any that follow of themselves are lost too
        frames.rule = None
        struck += frames.struck["changed"] - lost_before
        began = time.monotonic()
        flow.plant.wait_drained(60)
        recovered = time.monotonic() - began
        run.measured(f"the last Acks lost: drained {recovered:.1f} s after the fault's end, "
                     f"{flow.plant.edge.status()['relay']['links_opened'] - links} new links")
        tally = flow.end()
        flow.check_no_gap()
        run.row("08", "Acks lost, the last one too", struck, tally, recovered)


@claim("row 18: frames of unknown kinds from 128 on and unknown fields are passed over",
       beside=True)
def fault_18_unknown_is_passed_over(run):
    with inside(run) as (flow, frames):
        links = flow.plant.edge.status()["relay"]["links_opened"]
        for way in ("up", "down"):
            for kind in (128, 200, 255):
                frames.inject(way, frame(kind, random.randbytes(40)))
            frames.inject(way, frame(PING, NEWER_PING, more_words=3))
        wait_for("all are sent", lambda: frames.struck["injected"] == 8, 30)
        flow.wait_flowing()
        time.sleep(1)
        same("new links", 0, flow.plant.edge.status()["relay"]["links_opened"] - links)
        tally = flow.end()
        flow.check_no_gap()
        run.row("18", "unknown frames injected", frames.struck["injected"], tally)


@claim("row 18: an older and a newer peer get one clear refusal, and the right one is back at once",
       beside=True)
def fault_18_other_version(run):
    with inside(run) as (flow, frames):
        plant, longest = flow.plant, 0.0
        for version in (0, 2, 65535):
            def rule(_way, message, version=version):
                if kind_of(message) != HELLO:
                    return None
                assert message[VERSION_AT:VERSION_AT + 2] == b"\x01\x00", message.hex()
                changed = bytearray(message)
                changed[VERSION_AT:VERSION_AT + 2] = version.to_bytes(2, "little")
                return [bytes(changed)]
            mark, struck, began = plant.edge.mark(), frames.struck["changed"], time.monotonic()
            frames.rule = rule
            flow.edge_line.cut()
            wait_for("the edge is told of the version",
                     lambda: "version" in plant.edge.log(mark), 20)
            time.sleep(1)
            lines = [line for line in plant.edge.log(mark).splitlines() if "version" in line]
            tries, seconds = frames.struck["changed"] - struck, time.monotonic() - began
            run.measured(f"version {version}: {tries} tries in {seconds:.1f} s; "
                         f"{lines[0].split(' warn ')[-1]}")
            assert len(lines) <= tries + 1 <= 12 * seconds, f"{tries} tries, {len(lines)} lines"
            frames.rule = None
            longest = max(longest, flow.wait_flowing())
        tally = flow.end()
        flow.check_no_gap()
        run.row("18", "a peer of another version", frames.struck["changed"], tally, longest)


def malformed():
    """One of many kinds of nonsense, for an honest peer's place."""
    kind = random.randrange(1, 30)
    return random.choice((
        lambda: random.randbytes(random.randrange(1, 200)),
        lambda: b"",
        lambda: frame(kind)[:random.randrange(1, 48)],
        lambda: frame(kind, random.randbytes(8 * random.randrange(1, 9)), session=99_999),
        lambda: frame(random.randrange(24, 128)),
        lambda: bytes(4) + b"\xff\xff\xff\x7f" + bytes(64),         # a segment of 16 GiB
        lambda: b"\xff\xff\xff\xff" + bytes(64),                    # 4 billion segments
        lambda: frame(HELLO, b"\0" * 16 + b"\xfe\xff\xff\xff" * 4),  # pointers to nowhere
    ))()


@claim("row 22: malformed frames from an admitted peer end its link by name, never a process",
       limit_s=150, beside=True)
def fault_22_malformed_frames(run):
    rounds = 500 if run.long else 8
    with inside(run) as (flow, frames):
        plant = flow.plant
        pids = [agent.pid for agent in plant.agents]
        sizes = [agent.resident_kib() for agent in plant.agents]
        longest = 0.0
        for number in range(rounds):
            way = ("up", "down")[number % 2]
            frames.inject(way, malformed())
            wait_for("it is sent", lambda: frames.struck["injected"] > number, 20, 0.01)
            longest = max(longest, flow.wait_flowing())
        same("processes", pids, [agent.pid for agent in plant.agents if agent.is_running()])
        grown = [agent.resident_kib() - kib for agent, kib in zip(plant.agents, sizes)]
        run.measured(f"memory grew by {', '.join(f'{kib} KiB' for kib in grown)}")
        assert max(grown) < 32 * 1024, grown
        tally = flow.end()
        flow.check_no_gap()
        run.row("22", "malformed frames injected", frames.struck["injected"], tally, longest)
