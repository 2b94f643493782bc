"""What people complain of in gateways of this kind, a test each; the others are rows of faults."""

import random
import time

from chaos_proxy import FIN, RST
from claims import claim, same, wait_for
from flow import Flow
from harness import Plant
from mqtt_client import PUBACK, PUBLISH, V3, Connection, Message, Subscriber, packet, publish_all

DRAIN_BEGINS_S = 2.0  # after the fault's end, and the handshakes' round trips


def cut_off(flow, silent):
    """Refused, as by a relay that is not there; or silent, as by a cable that is pulled."""
    for line in flow.lines:
        if silent:
            line.up.black_hole = line.down.black_hole = True
        else:
            line.refuse = True
            line.cut(random.choice((FIN, RST)))


def outage(run, number, silent):
    with Flow(run, rate=200) as flow:
        longest, struck = 0.0, 0
        for seconds in (15, 60, 120) if run.long else (15,):
            first_lost_to_be = flow.device.sent
            cut_off(flow, silent)
            time.sleep(seconds)
            mark = flow.application.count()
            for line in flow.lines:
                line.clear()
            took = flow.wait_arrival(mark)
            word = "silence" if silent else "refusal"
            run.within(f"{seconds} s of {word}: over, until the backlog arrives", took,
                       DRAIN_BEGINS_S)
            longest = max(longest, took)
            flow.wait_flowing()
            struck += 1
            run.measured(f"message {first_lost_to_be} was the first of the outage")
        tally = flow.end()
        flow.check_no_gap()
        run.row(number, f"outage of 15 s, {'silent' if silent else 'refused'}", struck, tally,
                longest)


@claim("complaints: an outage of 15 s, refused: its first seconds are there, and the drain begins "
       "at once", limit_s=120, beside=True)
def complaint_outage_refused(run):
    outage(run, "06", silent=False)


@claim("complaints: an outage of 15 s, silent: its first seconds are there, and the drain begins "
       "at once", limit_s=120, beside=True)
def complaint_outage_silent(run):
    outage(run, "07", silent=True)


@claim("complaints: a backlog drains with no new publish and no device connected", beside=True)
def complaint_drains_by_itself(run):
    with Flow(run) as flow:
        cut_off(flow, silent=False)
        time.sleep(1)
        flow.device.stop_publishing()
        flow.device.finish()
        wait_for("the device is gone", lambda:
                 flow.plant.edge.status()["broker"]["clients_connected"] == 0)
        mark = flow.application.count()
        for line in flow.lines:
            line.clear()
        began = time.monotonic()
        flow.wait_arrival(mark)
        run.within("back until the backlog arrives", time.monotonic() - began, DRAIN_BEGINS_S)
        flow.plant.wait_drained()
        recovered = time.monotonic() - began
        tally = flow.end()
        flow.check_no_gap()
        run.row("06", "cut while the device leaves", flow.struck("cut"), tally, recovered)


@claim("complaints: 40 messages stay 40 over reconnects", beside=True)
def complaint_forty_stay_forty(run):
    with Flow(run, rate=20) as flow:
        with Subscriber(flow.plant.it_port, "plant/forty") as subscriber:
            struck = 0
            for first in range(0, 40, 8):
                for line in flow.lines:
                    line.up.cut_next = random.choice((FIN, RST))
                    line.down.cut_next = random.choice((FIN, RST))
                publish_all(flow.plant.edge_port,
                            [("plant/forty", b"%d" % n, False) for n in range(first, first + 8)],
                            client="forty")
                wait_for("they arrive", lambda: subscriber.count() >= first + 8, 60)
                struck = flow.struck("cut by rst", "cut by fin")
            for line in flow.lines:
                line.clear()
            flow.wait_flowing()
            same("numbers, in order", list(range(40)),
                 [int(message.payload) for message in subscriber.messages])
        tally = flow.end()
        flow.check_no_gap()
        run.row("11", "reconnects during 40 messages", struck, tally)


@claim("complaints: a subscriber whose queue has been full is served again, and nothing behind it "
       "stays stuck", limit_s=120, beside=True)
def complaint_queue_full_flows_again(run):
    """Its queue holds 100 messages; it stops reading for longer than anybody waits for it."""
    def small_queues(plant):
        plant.it.config.write_text(plant.it.config.read_text().replace(
            "\n[sink]", '\n[broker]\nsession_queue_messages = 100\n\n[sink]'))

    with Flow(run, rate=100, prepare=small_queues) as flow:
        plant = flow.plant
        lazy = Connection(plant.it_port, "lazy", V3)
        lazy.subscribe("plant/big/#", 1)
        lazy.next_packet()
        count = 3_000
        publish_all(plant.edge_port, ((f"plant/big/{n % 4}", b"%06d" % n + bytes(3_000), False)
                                      for n in range(count)), window=300, client="large")
        stuck = flow.wait_flowing()
        newest, got = {}, 0
        lazy.socket.settimeout(10)
        while newest.get(f"plant/big/{(count - 1) % 4}") != count - 1:
            kind, flags, body = lazy.next_packet()
            if kind == PUBLISH:
                message = Message(flags, body, V3)
                newest[message.topic], got = int(message.payload[:6]), got + 1
                lazy.send(packet(PUBACK, 0, message.identifier.to_bytes(2, "big")))
        lazy.close()
        dropped = plant.it.status()["broker"]["dropped_queue_full"]
        run.measured(f"the others waited {stuck:.1f} s for it; it was then given {got} of {count}, "
                     f"{dropped} were dropped for it")
        tally = flow.end()
        flow.check_no_gap()
        run.row("20", "queue of a subscriber full", max(1, dropped), tally, stuck)


@claim("complaints: no agent needs the others to start, in any order", beside=True)
def complaint_any_order(run):
    with Plant(run) as plant:
        for agent in random.sample(plant.agents, 3):
            time.sleep(0.5)
            agent.start()
        run.within("all three up until the path is live", plant.wait_live(), DRAIN_BEGINS_S + 2.0)
