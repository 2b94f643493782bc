"""Processes that die or stand still: rows 1 to 5 of the table of faults."""

import os
import random
import signal
import time

from claims import BOUND_FACTOR, claim, wait_for
from fault_shim import AFTER, BEFORE, MIDDLE
from flow import SETTLE_S, Flow
from harness import Plant

SERVING_AGAIN_S = 2.0  # the design's: after kill -9 of an edge
KILL_LIMIT_S = 60  # as many syncs ahead as forty, on a disk that takes long for each


def restart_after_crash(run, agent, shim, point, ahead, wait_s=KILL_LIMIT_S):
    """Arms the point, waits for the death, starts again; how long until it serves."""
    call, moment = point
    shim.kill_at(call, ahead, moment)
    agent.wait_killed(wait_s)
    shim.heal()
    took = agent.start()
    assert took <= SERVING_AGAIN_S * BOUND_FACTOR, f"{agent.name} serves again after {took:.1f} s"
    return took


def crash_at_each(run, flow, agent, shim, points, rounds):
    struck, longest = 0, 0.0
    for number in range(rounds):
        for port, point, reach in points:
            shim.watch_port(port)
            ahead = number + 1 if run.long else random.randint(1, reach)
            longest = max(longest, restart_after_crash(run, agent, shim, point, ahead))
            struck += 1
            if agent is flow.plant.edge:
                time.sleep(SETTLE_S)
            else:
                flow.wait_flowing()
    run.measured(f"{struck} crashes, each at another call; serving again after "
                 f"{longest:.2f} s at most")
    return struck, longest


@claim("row 1: kill -9 of the edge at every step from PUBLISH read to trim loses nothing "
       "acknowledged", limit_s=150, beside=True)
def fault_01_edge_killed_at_every_step(run):
    with Flow(run, shimmed="edge") as flow:
        plant, shim = flow.plant, flow.shim
        mqtt, link = plant.edge_port, flow.edge_line.port
        points = (  # port, (call, moment), how far ahead it may lie
            (mqtt, ("receive", AFTER), 40),    # PUBLISH read
            (mqtt, ("write", BEFORE), 40),     # before it is appended
            (mqtt, ("write", MIDDLE), 40),     # half of an entry in the file
            (mqtt, ("sync", BEFORE), 40),      # before the sync
            (mqtt, ("sync", AFTER), 40),
            (mqtt, ("send", BEFORE), 40),      # before PUBACK
            (link, ("send", BEFORE), 40),      # before, and behind, a frame
            (link, ("send", AFTER), 40),
            (link, ("receive", AFTER), 20),    # an Ack read, its cursor not yet kept
        )
        struck, longest = crash_at_each(run, flow, plant.edge, shim, points,
                                        60 if run.long else 1)
        tally = flow.end()
        flow.check_no_gap()
        run.row("01", "edge killed at a disk or socket call", struck, tally, longest)


@claim("row 1: kill -9 of the edge while it makes, opens, renames and removes segments loses "
       "nothing acknowledged", limit_s=150, beside=True)
def fault_01_edge_killed_at_segment_roll(run):
    """A start makes a segment and removes what is done with: each start has these calls."""
    with Flow(run, shimmed="edge") as flow:
        plant, shim = flow.plant, flow.shim
        struck, calls = 0, ("open", "allocate", "write", "sync", "unlink", "rename")
        for ahead in range(1, 13 if run.long else 3):
            for call in calls:
                plant.edge.kill()
                shim.kill_at(call, ahead, random.choice((BEFORE, MIDDLE, AFTER)))
                try:
                    plant.edge.start()
                    time.sleep(SETTLE_S)  # a removal comes soon after the start, if at all
                    plant.edge.kill()
                except AssertionError as error:
                    assert "ended by itself with -9" in str(error), error
                    struck += 1
                    plant.edge.end_anyhow()
                shim.heal()
                plant.edge.start()
        tally = flow.end()
        flow.check_no_gap()
        run.row("01", "edge killed while it starts", struck, tally)


@claim("row 2: kill -9 of the relay at every step of a frame loses and repeats nothing",
       limit_s=120, beside=True)
def fault_02_relay_killed_at_every_step(run):
    with Flow(run, shimmed="relay") as flow:
        plant, shim = flow.plant, flow.shim
        points = ((plant.relay_port, ("receive", BEFORE), 30),
                  (plant.relay_port, ("receive", AFTER), 30),
                  (plant.relay_port, ("send", BEFORE), 30),
                  (plant.relay_port, ("send", AFTER), 30))
        struck, _ = crash_at_each(run, flow, plant.relay, shim, points, 60 if run.long else 1)
        began = time.monotonic()
        plant.relay.kill()
        plant.relay.start()
        flow.wait_flowing()
        recovered = time.monotonic() - began
        tally = flow.end()
        flow.check_no_gap()
        assert not flow.device.sent_again, "the device has noticed"
        run.row("02", "relay killed in the middle of a frame", struck + 1, tally, recovered)


@claim("row 3: kill -9 of the it-agent at every step of a record repeats nothing and keeps the "
       "newest value", limit_s=150, beside=True)
def fault_03_it_agent_killed_at_every_step(run):
    with Flow(run, retain=True, again=True, shimmed="it") as flow:
        plant, shim = flow.plant, flow.shim
        link, mqtt = flow.it_line.port, plant.it_port
        points = ((link, ("receive", AFTER), 30),   # a Batch read
                  (link, ("write", BEFORE), 30),    # before its transaction
                  (link, ("write", MIDDLE), 30),
                  (link, ("sync", BEFORE), 10),     # before the position is stored
                  (link, ("sync", AFTER), 10),
                  (mqtt, ("send", BEFORE), 30),     # before it is emitted, and behind that
                  (mqtt, ("send", AFTER), 30),
                  (link, ("send", BEFORE), 10),     # before the Ack
                  (link, ("send", AFTER), 10))
        struck, longest = crash_at_each(run, flow, plant.it, shim, points, 60 if run.long else 1)
        tally = flow.end(may_miss=True)  # sessions are in its memory: subscribers miss the restart
        flow.check_newest_retained()
        flow.check_no_gap()
        run.row("03", "it-agent killed at a disk or socket call", struck, tally, longest)


@claim("row 4: all three killed within 10 ms lose nothing acknowledged and repeat nothing",
       limit_s=120, beside=True)
def fault_04_all_killed_at_once(run):
    wanted = 50 if run.long else 3
    with Flow(run, retain=True, again=True) as flow:
        plant, longest, kills = flow.plant, 0.0, 0
        for _ in range(wanted * 5):  # this process may be held up between two of its signals
            if kills == wanted:
                break
            time.sleep(random.uniform(0.2, 0.6))
            pids = [agent.pid for agent in plant.agents]
            began = time.monotonic()
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            kills += time.monotonic() - began < 0.010
            for agent in plant.agents:
                agent.wait_killed()
            for agent in random.sample(plant.agents, 3):
                agent.start()
            longest = max(longest, flow.wait_flowing())
        tally = flow.end(may_miss=True)
        flow.check_newest_retained()
        flow.check_no_gap()
        run.row("04", "all three killed at once", kills, tally, longest)


@claim("row 5: each agent standing still for 1 s and for longer than the link's limit loses "
       "nothing", limit_s=150, beside=True)
def fault_05_agents_stand_still(run):
    with Flow(run, rate=200) as flow:
        longest, struck = 0.0, 0
        for seconds in (1, 30, 300) if run.long else (1, 8):
            for agent in flow.plant.agents:
                agent.freeze()
                time.sleep(seconds)
                agent.thaw()
                struck += 1
                longest = max(longest, flow.wait_flowing())
        tally = flow.end()
        flow.check_no_gap()
        run.row("05", "an agent stands still for 1 s, 8 s", struck, tally, longest)


@claim("row 2: an agent that lost its relay comes back at a moment drawn by lot", beside=True)
def fault_02_reconnects_are_spread(run):
    """So that many do not come back in step."""
    with Plant(run) as plant:
        plant.relay.start()
        plant.it.start()
        plant.edge.start()
        plant.wait_live()
        delays = []
        for _ in range(32 if run.long else 12):  # a lot of few may draw much the same
            before = plant.edge.status()["relay"]["links_opened"]
            plant.relay.kill()
            plant.relay.start()
            back = time.monotonic()
            wait_for("the edge is back", lambda: plant.edge.status()["relay"]["links_opened"]
                     > before, 20, 0.01)
            delays.append(time.monotonic() - back)
        spread = max(delays) - min(delays)
        run.measured(f"back after {min(delays):.2f} to {max(delays):.2f} s")
        assert spread > 0.05, f"all within {spread * 1e3:.0f} ms"
        run.row("02", "relay restarted, edge dials with jitter", len(delays),
                recovered_s=max(delays))
