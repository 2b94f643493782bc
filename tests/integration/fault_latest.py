"""Class `latest` over a bad path: rows 26, 31 and 35 of the table of faults. What is left out stands
in the edge's ledger, record by record, and the newest of each tag arrives."""

import collections
import json
import time

import account
from claims import claim, same, wait_for
from fault_values import CUT_S, SLOW_BYTES_PER_SECOND, cut
from flow import Flow
from mqtt_client import Publisher, Subscriber, publish_all, retained


def of_class_latest(plant):
    plant.rewrite(plant.edge, 'class = "history"', 'class = "latest"')


def count_of(plant):
    code, said, complained = plant.edge.verb("spool", "stats", "-c", str(plant.edge.config),
                                             "--json")
    assert code == 0, complained
    return json.loads(said)["counts"][0]


def ledger(plant):
    code, said, complained = plant.edge.verb("spool", "ledger", "-c", str(plant.edge.config),
                                             "--json")
    assert code == 0, complained
    return json.loads(said)["ledger"]


def conflated_by_topic(plant):
    """Of a ledger in which all is settled, as it is once the last acknowledgement has come."""
    wait_for("all of the ledger is settled",
             lambda: all(row["state"] == "settled" for row in ledger(plant)), 20, 0.2)
    conflated = collections.Counter()
    for row in ledger(plant):
        if row["reason"] == "conflated":
            conflated[row["topic"]] += row["records"]
    return conflated


def check_exact(run, flow):
    """By the device's numbers, tag by tag: sent = delivered + conflated. (It sends nothing twice, and
    is the only one to publish.)"""
    plant, device = flow.plant, flow.device
    same("messages sent twice", [], sorted(device.sent_again))
    wait_for("the newest of each topic arrives", lambda: {
        account.number_of(m) for m in list(flow.application.messages[-200:])}
        >= set(range(device.sent - account.TOPICS, device.sent)), 30, 0.2)
    sent = collections.Counter(account.topic_of(n) for n in range(device.sent))
    delivered = collections.Counter(m.topic for m in flow.application.messages)
    conflated = conflated_by_topic(plant)
    same("sent, of each topic", dict(sent), dict(delivered + conflated))
    # The count stands when the last acknowledgement has come.
    count = wait_for("nothing is in flight", lambda: (
        lambda c: c if c["in_flight"] == 0 else None)(count_of(plant)), 20)
    same("conflated in all", sum(conflated.values()), count["conflated"])
    same("the edge's count", count["accepted"], count["delivered"] + count["conflated"])
    same("what the it-agent was told", count["conflated"],
         plant.it.status()["edges"][0]["conflated"])
    run.measured(f"sent {device.sent} = delivered {len(flow.application.messages)} + conflated "
                 f"{sum(conflated.values())}; the edge says {count}")
    return count["conflated"]


@claim("rows 26, 31, of class latest: a line slower than its input: each tag arrives all the time, "
       "and sent = delivered + conflated, tag by tag", limit_s=120, beside=True)
def fault_31_latest_over_slow_line(run):
    with Flow(run, rate=400, window=2_000, prepare=of_class_latest) as flow:
        line = flow.edge_line
        line.up.bytes_per_second = SLOW_BYTES_PER_SECOND
        time.sleep(8)  # until what has been taken for the line is through it
        mark, ends = flow.application.count(), time.monotonic() + (3600 if run.long else 16)
        oldest = 0.0
        while time.monotonic() < ends:
            time.sleep(0.2)
            oldest = max(oldest, flow.plant.edge.status()["destinations"][0]["behind_s"])
        arrived = collections.Counter(m.topic for m in flow.application.messages[mark:])
        same("topics that arrive", account.TOPICS, len(arrived))
        assert min(arrived.values()) >= 2, f"a tag starves: {arrived}"
        struck = line.struck["slowed"]
        line.clear()
        recovered = flow.wait_flowing()
        tally = flow.end(may_miss=True)
        flow.check_no_gap()
        ledgered = check_exact(run, flow)
        assert ledgered > 1000, "the line was not slow"
        run.measured(f"behind {oldest:.1f} s at most; arrivals of a tag while it was slow: "
                     f"{min(arrived.values())} at least")
        run.row("31", "pieces over a line slower than its input, class latest", struck, tally,
                recovered, ledgered)


@claim("row 35, of class latest, during a cut: a value and then a device that goes; a retained and "
       "then a plain publish: newest value, quality and retained state arrive", beside=True)
def fault_35_latest(run):
    with Flow(run, rate=100, prepare=of_class_latest) as flow:
        plant = flow.plant
        with Subscriber(plant.it_port, "plant/+", retain_handling=2) as subscriber:
            cut(flow)
            time.sleep(CUT_S)
            publish_all(plant.edge_port, [("plant/both", b"first", False),
                                          ("plant/both", b"kept", True),
                                          ("plant/both", b"second", False),
                                          ("plant/both", b"plain", False)], client="both")
            gone = Publisher(plant.edge_port, [("plant/gone", b"old", False),
                                               ("plant/gone", b"new", False)],
                             client="gone", stays=True)
            gone.start()
            gone.finish()
            gone.leave()  # without DISCONNECT: its tags turn Bad.NotConnected
            time.sleep(0.5)
            flow.edge_line.clear()
            recovered = flow.wait_flowing()
            wait_for("all arrive", lambda: subscriber.count() >= 3)
            same("in order", [b"kept", b"plain", b"new"], [m.payload for m in subscriber.messages])
        same("retained", b"kept", retained(plant.it_port, "plant/both")["plant/both"].payload)
        topic = "sallyport/quality/demo/line1/plant/gone"
        wait_for("the quality behind the value", lambda: b"Bad.NotConnected" in
                 retained(plant.it_port, topic)[topic].payload)
        tally = flow.end(may_miss=True)
        conflated = conflated_by_topic(plant)
        same("in the ledger", (2, 1), (conflated.pop("plant/both"), conflated.pop("plant/gone")))
        ledgered = sum(conflated.values())
        same("of the others", tally.sent, tally.delivered + ledgered)
        run.row("35", "value, retained, plain, class latest", 1, tally, recovered, ledgered + 3)
