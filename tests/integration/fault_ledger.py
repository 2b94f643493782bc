"""What is left out is named, and what is kept reaches who comes late: rows 34, 36, 39."""

import json
import shutil
import time

from claims import Skipped, claim, same, wait_for
from fault_disk import flow_on_small_disk, small_spool
from fault_load import undisturbed
from flow import Flow
from harness import Plant
from mqtt_client import V3, V5, Publisher, Subscriber, publish_all, retained

RESERVE_BYTES = 16 << 20
STARVES_FOR_S = 10.0   # a disk without room counts as a full log after this
BIG = bytes(60_000)    # a segment of the smallest log, 8 MiB, holds 139 of them
FILLS_THE_LOG = 1_200  # of them are more than 64 MiB


def big_ones(first, count, retain=True):
    return ((f"plant/big/{n % 4}", b"%d:" % n + BIG, retain) for n in range(first, first + count))


def spool_of(plant):
    return wait_for("the edge answers", plant.edge.status)["spool"]


def ledger(plant):
    """Rows of the edge's ledger, from the verb that an operator uses."""
    code, told, complained = plant.edge.verb("spool", "ledger", "-c", str(plant.edge.config),
                                             "--json")
    same(f"exit code of spool ledger ({complained})", 0, code)
    rows = json.loads(told)
    return rows["ledger"] if isinstance(rows, dict) else rows


def ledgered(plant, *reasons):
    """How many records the ledger names, of some reasons."""
    return sum(row["records"] for row in ledger(plant) if row["reason"] in reasons)


@claim("row 39: no room on the disk when the ledger must be written: the reserve serves, the "
       "oldest go by name, and acks come though nobody frees anything", limit_s=180, beside=True)
def fault_39_ledger_without_room(run):
    with flow_on_small_disk(run, "edge", small_spool, rate=100, window=20_000) as (flow, disk):
        if disk.is_imitated:
            raise Skipped("no tmpfs can be mounted here, and only a real disk has a reserve on it")
        plant = flow.plant
        reserve = plant.folder / "data/edge/spool/state.reserve"
        same("bytes in reserve", RESERVE_BYTES, reserve.stat().st_blocks * 512)
        flow.edge_line.refuse = True
        flow.edge_line.cut()
        # Not retained: broker.db, on the same disk, has no reserve, and their acks would wait for it.
        publish_all(plant.edge_port, big_ones(0, 600, False), window=20, client="large")
        same("dropped while there was room", 0, spool_of(plant)["dropped_records"])
        disk.fill()  # to the last page; what the reserve frees is the ledger's, and the log's
        began, acknowledged = time.monotonic(), len(flow.device.acknowledged)
        large = Publisher(plant.edge_port, big_ones(600, 600, False), window=20, client="large")
        large.start()
        wait_for("the reserve is given up", lambda: not reserve.exists(), 60, 0.005)
        wait_for("the oldest go", lambda: spool_of(plant)["dropped_records"] > 0, 60)
        large.finish(90)
        wait_for("acks come", lambda: len(flow.device.acknowledged) > acknowledged, 60)
        run.within("no room until all is acknowledged", time.monotonic() - began,
                   2 * STARVES_FOR_S)
        disk.free()
        flow.edge_line.clear()
        recovered = flow.wait_flowing()
        wait_for("the reserve is taken again",
                 lambda: reserve.exists() and reserve.stat().st_blocks * 512 == RESERVE_BYTES, 30)
        tally = flow.end(may_miss=True)
        named = ledgered(plant, "dropped")
        run.measured(f"{named} records stand in the ledger as dropped, {len(tally.lost)} of the "
                     "device's did not arrive")
        assert len(tally.lost) <= named, (len(tally.lost), named)
        same("the device's connections", 1, flow.device.connections)
        run.row("39", "no room for the ledger", 1, tally, recovered, named)


def wait_log_begins_behind(plant, seq):
    wait_for("the log has dropped its beginning",
             lambda: spool_of(plant)["first_seq"] > seq, 60, 0.2)


def present_state(plant, topics):
    """(payload, quality) of each topic, as a late application is shown it."""
    found = retained(plant.it_port, "plant/#")
    return {topic: (found[topic].payload, found[topic].user["quality"])
            for topic in topics if topic in found}


@claim("row 34: a quiet tag whose segment is long gone: a late, a replaced and a restored it-agent "
       "show its value and quality after their first session", limit_s=180, beside=True)
def fault_34_quiet_tag_trimmed(run):
    with Plant(run) as plant:
        small_spool(plant)
        data, copy = plant.folder / "data/it", plant.folder / "copy-it"
        plant.relay.start()
        plant.edge.start()
        publish_all(plant.edge_port, ((f"plant/quiet/{n}", b"quiet %d" % n, True)
                                      for n in range(5)), client="stays", stays=True)
        gone = Publisher(plant.edge_port, [("plant/quiet/gone", b"quiet", True)], client="gone",
                         stays=True)
        gone.start()
        gone.finish()
        gone.leave()  # without DISCONNECT
        wanted = {f"plant/quiet/{n}": (b"quiet %d" % n, "Good") for n in range(5)}
        wanted["plant/quiet/gone"] = (b"quiet", "Bad.NotConnected")

        def check(what):
            plant.wait_live()
            plant.wait_drained()
            wait_for(f"a {what} it-agent shows the quiet tags as they are",
                     lambda: present_state(plant, wanted) == wanted, 30, 0.5)
            run.measured(f"{what}: all {len(wanted)} quiet tags; "
                         f"{plant.it.status()['downlink']['missing_records']} records named missing")

        publish_all(plant.edge_port, big_ones(0, FILLS_THE_LOG), window=20, client="large",
                    timeout_s=120)
        wait_log_begins_behind(plant, 7)
        plant.it.start()
        check("late")
        plant.it.stop()
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("*.sock"))
        # It takes over its own session, and stays: after a DISCONNECT all would be good for a minute.
        publish_all(plant.edge_port, [("plant/quiet/0", b"newer", True)], client="stays",
                    stays=True)
        wanted["plant/quiet/0"] = (b"newer", "Good")
        newer = plant.edge.status()["spool"]["synced_seq"]
        plant.it.start()
        plant.wait_live()
        plant.wait_drained()
        publish_all(plant.edge_port, big_ones(FILLS_THE_LOG, 400), window=20, client="large")
        plant.wait_drained()
        wait_log_begins_behind(plant, newer)
        for what in ("replaced", "restored"):
            plant.it.kill()
            shutil.rmtree(data)
            if what == "restored":
                shutil.copytree(copy, data)
            else:
                data.mkdir(mode=0o700)
            plant.it.start()
            check(what)
        run.row("34", "quiet tag's segment gone", 3)


def refuse_when_full(plant):
    small_spool(plant)
    plant.rewrite(plant.edge, '"64MiB"', '"64MiB"\nwhen_full = "refuse"')


@claim("row 36: a full spool that refuses: local clients are served as before, none is "
       "disconnected, and nothing acknowledged is lost", limit_s=150)
def fault_36_refusing_spool(run):
    with Flow(run, rate=200, prepare=refuse_when_full, window=20_000) as flow:
        plant = flow.plant
        flow.edge_line.refuse = True
        flow.edge_line.cut()
        with undisturbed(run, plant, plant.edge_port, "line down, spool full and refusing"):
            loud = {version: Publisher(plant.edge_port, big_ones(0, 10**6), window=20,
                                       version=version, client=f"large-{version}")
                    for version in (V3, V5)}
            for publisher in loud.values():
                publisher.start()
            wait_for("the spool refuses",
                     lambda: plant.edge.status()["ingest"]["refused_full"], 90, 0.2)
            time.sleep(2)
        refused = plant.edge.status()["ingest"]["refused_full"]
        same("reasons told to the v5 publisher", {0x97},
             {reason for _, reason in list(loud[V5].refused)})
        same("reasons told to the v3.1.1 publisher", [], loud[V3].refused)
        same("dropped records", 0, spool_of(plant)["dropped_records"])
        for publisher in loud.values():
            publisher.stop_publishing()
        flow.edge_line.clear()
        recovered = flow.wait_flowing()
        for publisher in loud.values():
            publisher.finish(90)
            same("its connections", 1, publisher.connections)
        tally = flow.end()
        flow.check_no_gap()
        same("the device's connections", 1, flow.device.connections)
        run.measured(f"{refused} publishes answered 0x97")
        run.row("36", "spool full, and refusing", refused, tally, recovered, 0)
