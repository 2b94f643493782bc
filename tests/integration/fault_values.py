"""What the far side shows after faults: rows 27, 31 to 35 of the table of faults."""

import json
import time

import account
from claims import claim, same, wait_for
from fault_disk import small_spool
from flow import Flow
from harness import Plant
from mqtt_client import (PUBACK, PUBLISH, V3, V5, Connection, Message, Publisher, Subscriber,
                         packet, publish_all, retained, text)

HONEST_AGE_S = 10.0  # what is shown Good and not historical was sent no later than that
NOISE_S = 5.0        # until this process notes what has arrived
CUT_S = 2.0
SLOW_BYTES_PER_SECOND = 12_000
FIRST_WINDOW_BYTES = 65_536  # of credit: so much may be on the line when a value is called new


def cut(flow):
    flow.edge_line.refuse = True
    flow.edge_line.cut()


@claim("row 27: a retained value cleared during a cut is cleared on the far side too", beside=True)
def fault_27_retained_cleared_during_cut(run):
    with Flow(run, rate=100) as flow:
        plant = flow.plant
        publish_all(plant.edge_port, [(f"plant/kept/{n}", b"%d" % n, True) for n in range(20)],
                    client="keeper")
        plant.wait_drained()
        same("retained before", 20, len(retained(plant.it_port, "plant/kept/#")))
        cut(flow)
        time.sleep(CUT_S)
        publish_all(plant.edge_port, [(f"plant/kept/{n}", b"", True) for n in range(15)],
                    client="keeper")
        flow.edge_line.clear()
        recovered = flow.wait_flowing()
        plant.wait_drained()
        same("retained after", {f"plant/kept/{n}" for n in range(15, 20)},
             set(retained(plant.it_port, "plant/kept/#")))
        tally = flow.end()
        flow.check_no_gap()
        run.row("27", "retained value cleared during a cut", 15, tally, recovered)


@claim("row 35, of class history: a retained, then a plain publish during a cut: both arrive, and "
       "the retained state is that of the retained one", beside=True)
def fault_35_retained_then_plain(run):
    with Flow(run, rate=100) as flow:
        plant = flow.plant
        with Subscriber(plant.it_port, "plant/both", retain_handling=2) as subscriber:
            cut(flow)
            publish_all(plant.edge_port, [("plant/both", b"kept", True),
                                          ("plant/both", b"plain", False)], client="both")
            flow.edge_line.clear()
            recovered = flow.wait_flowing()
            wait_for("both arrive", lambda: subscriber.count() >= 2)
            same("in order", [b"kept", b"plain"], [m.payload for m in subscriber.messages])
        same("retained", b"kept", retained(plant.it_port, "plant/both")["plant/both"].payload)
        tally = flow.end()
        run.row("35", "retained, then plain, during a cut", 1, tally, recovered)


@claim("row 31: a line slower than its input: what is shown Good and not historical is never more "
       "than 10 s old when it was sent, and the backlog drains afterwards",
       limit_s=150, beside=True)
def fault_31_line_slower_than_input(run):
    with Flow(run, rate=400, window=2_000) as flow:
        line, plant = flow.edge_line, flow.plant
        line.up.bytes_per_second = SLOW_BYTES_PER_SECOND
        ends, states = time.monotonic() + (3600 if run.long else 24), set()
        while time.monotonic() < ends or "behind" not in states:
            states.add(plant.it.status()["edges"][0]["state"])
            assert time.monotonic() < ends + 60, f"it was never far behind: {states}"
            time.sleep(0.2)
        behind = plant.edge.status()["destinations"][0]["behind_s"]
        struck = line.struck["slowed"]
        line.clear()
        recovered = flow.wait_flowing()
        plant.wait_live()
        tally = flow.end()
        flow.check_no_gap()
        aged = 0
        for message in flow.application.messages:
            told = message.user
            if told["quality"] == "Good" and "historical" not in told:
                aged = max(aged, age_s(message, told["source-time"]))
        run.measured(f"behind {behind:.1f} s at most; states {', '.join(sorted(states))}; oldest "
                     f"value shown Good and not historical: {aged:.1f} s")
        on_the_line_s = FIRST_WINDOW_BYTES / SLOW_BYTES_PER_SECOND
        allowed = HONEST_AGE_S + on_the_line_s + NOISE_S
        assert aged <= allowed, f"a value {aged:.1f} s old was shown Good"
        run.row("31", "pieces over a line slower than its input", struck, tally, recovered)


def age_s(message, source_time):
    """At its arrival; both clocks are this machine's."""
    whole, fraction = source_time.rstrip("Z").split(".")
    stamp = time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone
    return message.at + (time.time() - time.monotonic()) - (stamp + float("0." + fraction))


@claim("row 31: a drain into a slow persistent QoS 1 subscriber loses it nothing and starves "
       "nobody",
       limit_s=120, beside=True)
def fault_31_drain_into_slow_subscriber(run):
    """It reads from its connection a tenth as fast as the backlog could come."""
    with Flow(run, rate=600, window=2_000) as flow:
        plant = flow.plant
        slow = Connection(plant.it_port, "slow", V5, clean=False)
        slow.subscribe("plant/flow/#", 1)
        slow.next_packet()
        cut(flow)
        time.sleep(6)
        mark = flow.application.count()
        flow.edge_line.clear()
        flow.wait_arrival(mark)
        numbers, ends = [], time.monotonic() + 60
        slow.socket.settimeout(20)
        flow.device.stop_publishing()
        flow.device.finish()
        wanted = flow.device.sent - 1
        while time.monotonic() < ends and (not numbers or numbers[-1] != wanted):
            kind, flags, body = slow.next_packet()
            if kind == PUBLISH:
                message = Message(flags, body, V5)
                numbers.append(account.number_of(message))
                slow.send(packet(PUBACK, 0, message.identifier.to_bytes(2, "big")))
                if time.monotonic() < ends - 50:
                    time.sleep(0.002)
        slow.close()
        run.measured(f"the slow one read {len(numbers)} messages")
        same("its numbers, each once and in order", list(range(numbers[0], wanted + 1)), numbers)
        tally = flow.end()
        flow.check_no_gap()
        run.row("31", "drain into a slow subscriber", 1, tally)


@claim("row 32: publishes outside the route, on sallyport/, and by IT clients on an edge's topics "
       "are refused alone; all else flows", beside=True)
def fault_32_out_of_bounds(run):
    def narrow(plant):
        plant.rewrite(plant.relay, 'topics = ["#"]', 'topics = ["plant/#"]')

    with Flow(run, rate=100, prepare=narrow) as flow:
        plant, before = flow.plant, flow.plant.edge.status()["relay"]["links_opened"]
        with Subscriber(plant.it_port, "#") as everything:
            for round_ in range(3):
                publish_all(plant.edge_port, [("office/secret", b"outside", False),
                                              ("sallyport/forged", b"forged", True),
                                              ("plant/after", b"%d" % round_, False)],
                            client="outsider")
                forge = Connection(plant.it_port, "forger", V3)
                forge.send(packet(PUBLISH, 1, text("plant/flow/0") + b"forged by IT"))
                forge.close()
            flow.wait_flowing()
            wait_for("what comes behind flows", lambda: [
                m for m in everything.messages if m.topic == "plant/after"][2:], 20)
            foreign = [m for m in everything.messages
                       if m.topic == "office/secret" or m.payload.startswith(b"forged")]
        run.measured(f"{plant.edge.status()['relay']['links_opened'] - before} new links; edge "
                     f"says {plant.edge.status()['destinations'][0]}")
        same("foreign publishes that arrived", [], [(m.topic, m.payload) for m in foreign])
        tally = flow.end()
        run.row("32", "publishes out of bounds", 9, tally)


@claim("row 33: an edge restarted without its device, a device back but silent: the value is not "
       "called good until it is published again", limit_s=90, beside=True)
def fault_33_device_silent(run):
    topic = "plant/quiet"

    def quality(plant):
        message = retained(plant.it_port, topic).get(topic)
        return message.user["quality"] if message else None

    with Plant(run).start() as plant:
        device = Publisher(plant.edge_port, [(topic, b"1", True)], client="quiet", stays=True)
        device.start()
        device.finish()
        wait_for("it is good", lambda: quality(plant) == "Good")
        device.leave()  # without DISCONNECT
        wait_for("its connection lost", lambda: quality(plant) == "Bad.NotConnected")
        silent = Connection(plant.edge_port, "quiet", V3, clean=False)
        wait_for("back but silent", lambda: quality(plant) == "Uncertain.LastUsable")
        silent.send(packet(PUBLISH, 3, text(topic) + b"\0\7" + b"2"))
        wait_for("published again", lambda: quality(plant) == "Good")
        plant.edge.kill()
        plant.edge.start()
        plant.wait_live()
        wait_for("edge restarted", lambda: quality(plant) == "Uncertain.LastUsable")
        told = json.loads(retained(plant.it_port, f"sallyport/quality/demo/line1/{topic}")
                          [f"sallyport/quality/demo/line1/{topic}"].payload)
        run.measured(f"after the restart: {told['quality']}, {told['reason']}")
        run.row("33", "device gone, silent; edge restarted", 3)


@claim("row 34: an it-agent added late gets what the log holds; a name taken out pins nothing",
       limit_s=90, beside=True)
def fault_34_destination_late_and_removed(run):
    def two_names(plant):
        small_spool(plant)
        plant.rewrite(plant.edge, 'destinations = ["hq"]', 'destinations = ["hq", "never"]')

    with Plant(run) as plant:
        two_names(plant)
        plant.relay.start()
        plant.edge.start()
        publish_all(plant.edge_port, [(f"plant/late/{n % 8}", b"%d" % n, True)
                                      for n in range(500)])
        plant.it.start()
        wait_for("all 500 arrive late", lambda:
                 plant.it.status()["edges"][0]["records"] >= 500, 30)
        # Counted as they come; shown, and acknowledged to the edge, a moment later.
        wait_for("the newest of each is shown", lambda: {b"%d" % n for n in range(492, 500)} == {
            m.payload for m in retained(plant.it_port, "plant/late/#").values()})
        wait_for("hq has acknowledged all, the other nothing", lambda: sorted(
            min(d["waiting_records"], 500) for d in plant.edge.status()["destinations"])
            == [0, 500])
        plant.edge.stop()
        plant.rewrite(plant.edge, '"hq", "never"', '"hq"')
        plant.edge.start()
        plant.wait_live()
        status = plant.edge.status()
        same("destinations", ["hq"], [d["destination"].split("/")[-1]
                                      for d in status["destinations"]])
        before = status["spool"]["segments"]
        publish_all(plant.edge_port, ((f"plant/big/{n % 4}", bytes(60_000), False)
                                      for n in range(300)), window=20)
        plant.wait_drained()
        wait_for("segments that only the removed name had not passed are gone",
                 lambda: plant.edge.status()["spool"]["first_seq"] > 500, 30)
        run.measured(f"{before} segments before, {plant.edge.status()['spool']['segments']} after")
        run.row("34", "it-agent late, a name removed", 2)
