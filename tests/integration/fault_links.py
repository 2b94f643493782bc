"""Lines that break, fall silent, lie or crawl: rows 6, 7, 9, 10 and 11 of the table of faults."""

import random
import time

from chaos_proxy import FIN, RST, Cut
from claims import claim, wait_for
from flow import Flow

DRAIN_BEGINS_S = 2.0     # after the line's return, and the handshakes' round trips
NOTICED_S = 6.0          # `lost_after`
HANDSHAKE_BYTES = {"up": 3_200, "down": 3_600}  # of one agent: TLS, HTTP, Hello, and what follows
CUT_LIMIT_S = 30.0  # the dial, drawn by lot, and what passes by the byte at which it is cut
SLOW_BYTES_PER_SECOND = 8_000  # 64 kbit/s


def lines_named(flow, names):
    return [getattr(flow, name) for name in names]


@claim("row 6: a line cut for seconds loses nothing, its first moments included, and drains when "
       "it returns", limit_s=150, beside=True)
def fault_06_line_cut(run):
    cases = [(1, ("edge_line",)), (1, ("it_line",)), (8, ("edge_line", "it_line"))]
    if run.long:
        cases += [(60, ("edge_line",)), (60, ("it_line",)), (3600, ("edge_line", "it_line"))]
    with Flow(run) as flow:
        longest = 0.0
        for seconds, names in cases:
            for line in lines_named(flow, names):
                line.refuse = True
                line.cut(random.choice((FIN, RST)))
            time.sleep(seconds)
            mark = flow.application.count()
            for line in lines_named(flow, names):
                line.refuse = False
            took = flow.wait_arrival(mark)
            run.within(f"{' and '.join(names)} back after {seconds} s until the backlog arrives",
                       took, DRAIN_BEGINS_S)
            longest = max(longest, took)
            flow.wait_flowing()
        struck = flow.struck("cut")
        tally = flow.end()
        flow.check_no_gap()
        run.row("06", "line cut for 1 s, 8 s", struck, tally, longest)


@claim("row 7: a line that swallows one way in silence is noticed, and nothing is lost",
       limit_s=150, beside=True)
def fault_07_silent_black_hole(run):
    cases = [("edge_line", "up"), ("edge_line", "down"), ("it_line", "up"), ("it_line", "down")]
    with Flow(run, rate=150) as flow:
        longest = 0.0
        for name, way in cases if run.long else random.sample(cases, 3):
            line = getattr(flow, name)
            faults = getattr(line, way)
            before, began = line.connections, time.monotonic()
            faults.black_hole = True
            wait_for(f"the agent behind {name} dials again",
                     lambda: line.connections > before, NOTICED_S * 5, 0.02)
            took = time.monotonic() - began
            run.within(f"{name} {way} swallows: noticed after", took, NOTICED_S)
            faults.black_hole = False  # the flows that it has swallowed stay dead
            longest = max(longest, flow.wait_flowing())
        tally = flow.end()
        flow.check_no_gap()
        run.row("07", "one way swallowed in silence", flow.struck("swallowed"), tally, longest)


@claim("row 7: a line that falls silent during the drain loses nothing", beside=True)
def fault_07_black_hole_during_drain(run):
    with Flow(run, rate=1_000, window=400) as flow:
        flow.it_line.refuse = True
        flow.it_line.cut()
        wait_for("a backlog", lambda: flow.plant.waiting_records() > 3_000, 60, 0.2)
        mark = flow.application.count()
        flow.edge_line.up.bytes_per_second = 100_000  # so that the drain takes a while
        flow.it_line.refuse = False
        flow.wait_arrival(mark)
        flow.edge_line.up.black_hole = True
        flow.edge_line.up.bytes_per_second = 0
        before = flow.edge_line.connections
        wait_for("the edge dials again", lambda: flow.edge_line.connections > before, 30, 0.02)
        flow.edge_line.up.black_hole = False
        recovered = flow.wait_flowing()
        tally = flow.end()
        flow.check_no_gap()
        run.row("07", "swallowed during the drain", flow.struck("swallowed"), tally, recovered)


def cut_at(flow, line, way, at, how):
    """The next connection of this line ends at that byte; the one after it is whole."""
    before = line.struck[f"cut by {how}"]
    line.cut(random.choice((FIN, RST)), Cut(way, at, how))
    wait_for(f"byte {at} {way} is passed", lambda: line.struck[f"cut by {how}"] > before,
             CUT_LIMIT_S, 0.005)


@claim("row 9: a connection cut at any byte of its handshake and first frames wedges nothing",
       limit_s=200, beside=True)
def fault_09_cut_at_every_byte(run):
    """Handshakes of both agents, both ways; the bytes beyond them are frames of the session."""
    with Flow(run, rate=200) as flow:
        step = 1 if run.long else 401
        struck, longest = 0, 0.0
        for line in flow.lines:
            for way, size in HANDSHAKE_BYTES.items():
                for at in range(random.randrange(step), size, step):
                    cut_at(flow, line, way, at, random.choice((FIN, RST)))
                    struck += 1
                    if random.random() < 0.3:
                        longest = max(longest, flow.wait_flowing())
            longest = max(longest, flow.wait_flowing())
        run.measured(f"cut at {struck} bytes")
        tally = flow.end()
        flow.check_no_gap()
        run.row("09", "cut at a byte of the handshake", struck, tally, longest)


@claim("row 10: a second of round trip, jitter, 64 kbit/s and stalls: it flows, and acks and beats "
       "do not starve behind bulk", limit_s=150, beside=True)
def fault_10_slow_line(run):
    with Flow(run, rate=40, window=200) as flow:
        line, plant = flow.edge_line, flow.plant
        links = plant.edge.status()["relay"]["links_opened"]
        for faults in (line.up, line.down):
            faults.delay_s, faults.jitter_s = 0.45, 0.1
            faults.stall_odds, faults.stall_s = 0.01, 1.0
            faults.bytes_per_second = SLOW_BYTES_PER_SECOND
        states, ends = set(), time.monotonic() + (300 if run.long else 14)
        while time.monotonic() < ends:
            states.add(plant.it.status()["edges"][0]["state"])
            time.sleep(0.2)
        run.measured(f"states while slow: {', '.join(sorted(states))}")
        assert "lost" not in states, states
        new = plant.edge.status()["relay"]["links_opened"] - links
        assert new == 0, f"{new} reconnects on a line that was only slow"
        took = flow.wait_flowing()
        run.measured(f"published until arrived: {took:.1f} s")
        struck = line.struck["slowed"] + line.struck["delayed"]
        line.clear()
        recovered = flow.wait_flowing()
        tally = flow.end()
        flow.check_no_gap()
        run.row("10", "pieces delayed, slowed or stalled", struck, tally, recovered)


def one_of_many(line, kind):
    if kind in (FIN, RST):
        line.up.cut_next = kind
    elif kind == "garbage":
        random.choice((line.up, line.down)).garbage_next = 1
    elif kind == "flip":
        random.choice((line.up, line.down)).flip_next = 1
    elif kind == "half-open":
        line.reset_up()


@claim("row 11: resets, FIN in a frame, garbage, flipped bits and half-open flows end in a "
       "reconnect, never in a false publish", limit_s=150, beside=True)
def fault_11_bytes_spoiled(run):
    with Flow(run) as flow:
        longest = 0.0
        for kind in (RST, FIN, "garbage", "flip", "half-open") * (40 if run.long else 2):
            line = random.choice(flow.lines)
            one_of_many(line, kind)
            time.sleep(0.2)
            longest = max(longest, flow.wait_flowing())
        struck = flow.struck("cut by rst", "cut by fin", "garbage", "flipped", "half-open")
        tally = flow.end()
        flow.check_no_gap()
        run.row("11", "bytes spoiled, flows half open", struck, tally, longest)


@claim("row 11: a firewall that forgets idle flows: pings keep them, and where they do not the "
       "agents dial again", limit_s=150, beside=True)
def fault_11_idle_flows_forgotten(run):
    with Flow(run, rate=100) as flow:
        flow.device.stop_publishing()
        before = [line.connections for line in flow.lines]
        for line in flow.lines:
            line.forget_idle_s = 30.0 if run.long else 5.5
        time.sleep(90 if run.long else 12)
        opened = [line.connections - count for line, count in zip(flow.lines, before)]
        assert opened == [0, 0], f"{opened} reconnects although pings pass every 2 s"
        began = time.monotonic()
        for line in flow.lines:
            line.forget_idle_s = 0.7  # shorter than the time between two pings
        wait_for("flows are forgotten", lambda: flow.struck("forgotten") >= 2, 20)
        for line in flow.lines:
            line.forget_idle_s = 0.0
        flow.plant.wait_live()
        recovered = time.monotonic() - began
        run.measured(f"idle flows forgotten: live again after {recovered:.1f} s")
        tally = flow.end()
        run.row("11", "idle flows forgotten", flow.struck("forgotten"), tally, recovered)
