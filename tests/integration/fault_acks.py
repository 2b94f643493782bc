"""What a device is told of what it sends: rows 37 and 38 of the table of faults."""

import socket
import struct
import time
from collections import Counter

import account
from claims import claim, wait_for
from fault_kills import restart_after_crash
from fault_shim import AFTER, BEFORE, MIDDLE
from flow import ARRIVAL_LIMIT_S, Flow
from harness import Plant
from mqtt_client import (PINGREQ, PINGRESP, PUBACK, PUBLISH, PUBREC, V3, V5, Connection, Subscriber,
                         packet, text)

LOG, STORE = ".log", "broker.db"  # the two stores of an edge, by their files
WINDOW = 64  # so many publishes of a client may wait for room in the spool


def numbers_of(subscriber):
    return [account.number_of(message) for message in list(subscriber.messages)]


@claim("row 38: kill -9 of the edge between the log's sync and broker.db's commit, in both orders, "
       "has each QoS 2 message exactly once in each", limit_s=180, beside=True)
def fault_38_edge_killed_between_its_stores(run):
    """What was written outlives a kill: so `BEFORE` a write one store lacks what the other may
    have, and `AFTER` a sync it has what the other may lack."""
    points = ((LOG, "write", BEFORE), (LOG, "write", MIDDLE), (LOG, "sync", AFTER),
              (STORE, "write", BEFORE), (STORE, "write", MIDDLE), (STORE, "sync", AFTER))
    with Flow(run, qos=2, shimmed="edge") as flow:
        plant, shim, longest = flow.plant, flow.shim, 0.0
        panel = Subscriber(plant.edge_port, "plant/flow/#", qos=2, client="panel", again=True,
                           lasting=True)
        with panel:
            struck, first = 0, flow.device.sent  # older ones it may have missed
            for number in range(40 if run.long else 2):
                for store, call, moment in points:
                    plant.edge.kill()
                    shim.watch_path(store)
                    plant.edge.start()
                    flow.wait_flowing()
                    ahead = 1 + (7 * number + struck) % 23
                    longest = max(longest, restart_after_crash(run, plant.edge, shim,
                                                               (call, moment), ahead))
                    struck += 1
            flow.wait_flowing()
            tally = flow.end()
            acknowledged = {n for n in flow.device.acknowledged if n >= first}
            wait_for("every message is at the local subscriber",
                     lambda: acknowledged <= set(numbers_of(panel)), ARRIVAL_LIMIT_S, 0.2)
            for what, subscriber in (("local", panel), ("IT's", flow.application)):
                twice = account.repeated(numbers_of(subscriber))
                assert not twice, f"the {what} subscriber has twice: {sorted(twice)[:5]}"
        run.measured(f"{len(flow.device.sent_again)} sent again by the device, none is there twice")
        assert flow.device.sent_again, "no exchange was interrupted"
        run.row("38", "edge killed between its two stores, QoS 2", struck, tally, longest)


def forward_delivered(plant, spool):
    plant.rewrite(plant.edge, 'class = "history"', 'class = "history"\nack = "delivered"')
    plant.rewrite(plant.edge, 'max_bytes = "1GiB"', spool)


def publish_packet(topic, identifier, payload, qos, version=V5, again=False):
    properties = b"\x00" if version == V5 else b""
    number = struct.pack("!H", identifier) if qos else b""
    return packet(PUBLISH, qos << 1 | (8 if again else 0), text(topic) + number + properties
                  + payload)


def read_answers(connection, seconds):
    """What of acknowledgements comes within a time: {identifier: type}."""
    answers, until = {}, time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        connection.socket.settimeout(left)
        try:
            for kind, _, body in connection.packets_now():
                answers[struct.unpack_from("!H", body)[0]] = kind
        except TimeoutError:
            break
    return answers


@claim("row 37: devices whose acks wait for the far side, and that reconnect and send again all the "
       "time, have each message there once", limit_s=150, beside=True)
def fault_37_no_copies_pile_up(run):
    rounds, pause_s = (60, 60) if run.long else (8, 0.5)
    qos_of = {identifier: 1 + identifier % 2 for identifier in range(1, 21)}
    packets = {identifier: publish_packet("plant/slow", identifier, b"%d" % identifier, qos)
               for identifier, qos in qos_of.items()}
    with Plant(run) as plant:
        forward_delivered(plant, 'max_bytes = "1GiB"')
        plant.start()
        with Subscriber(plant.it_port, "plant/slow", qos=1, client="application", again=True,
                        lasting=True) as application:
            plant.relay.kill()
            began = time.monotonic()
            for number in range(rounds):
                device = Connection(plant.edge_port, "device", V5, clean=False)
                for message in packets.values():
                    again = 8 if number else 0
                    device.send(bytes([message[0] | again]) + message[1:])
                answers = read_answers(device, pause_s)
                assert not answers, f"answered though nothing was delivered: {answers}"
                device.close()
                if number == rounds // 2:
                    plant.edge.kill()
                    plant.edge.start()
            waited = time.monotonic() - began
            logged = plant.edge.status()["spool"]["synced_seq"]
            device = Connection(plant.edge_port, "device", V5, clean=False)
            for message in packets.values():
                device.send(bytes([message[0] | 8]) + message[1:])
            plant.relay.start()
            back, answers = time.monotonic(), {}
            while len(answers) < len(packets) and time.monotonic() < back + 60:
                answers |= read_answers(device, 0.2)
            took = time.monotonic() - back
            wanted = {number: PUBREC if qos == 2 else PUBACK for number, qos in qos_of.items()}
            assert answers == wanted, f"expected {wanted}, seen {answers}"
            device.close()
            wait_for("everything arrives", lambda: application.count() >= len(packets), 30)
            arrived = Counter(bytes(message.payload) for message in application.messages)
        assert arrived == Counter(b"%d" % number for number in packets), arrived
        run.measured(f"acks of {len(packets)} messages waited {waited:.1f} s over {rounds} "
                     f"reconnects and a kill; {logged} records in the log; all answered {took:.1f} s "
                     "after the relay was back")
        tally = account.Tally(len(packets), len(answers), len(arrived), [], 0)
        run.row("37", "ack of delivery waits, device reconnects", rounds, tally, took)


def fill_spool(plant, filler):
    """One message at a time: each is in the log, or was shed for want of room, before the next."""
    def taken_and_shed():
        status = plant.edge.status()
        return status["spool"]["synced_seq"], status["ingest"]["shed_qos0"]

    size, before = 900_000, taken_and_shed()
    for _ in range(2_000):
        filler.send(publish_packet("plant/fill", 0, bytes(size), 0))
        now = wait_for("it is taken or shed", lambda: (told := taken_and_shed()) != before
                       and told, 60, 0.002)
        if "spool is full" in plant.edge.log():
            return
        if now[1] > before[1]:
            size = 30_000  # the last room is left for what is smaller
        before = now
    raise AssertionError("the spool never fills")


@claim("row 37: a 3.1.1 device with a short keep alive stays connected while the spool is full",
       limit_s=150, beside=True)
def fault_37_device_stays_at_a_full_spool(run):
    keep_alive_s = 4
    with Plant(run) as plant:
        forward_delivered(plant, 'max_bytes = "64MiB"\nwhen_full = "refuse"')
        plant.start()
        plant.relay.kill()
        filler = Connection(plant.edge_port, "filler")
        fill_spool(plant, filler)
        # One that pings while it waits, and one that is not read any more: its window is full.
        device = Connection(plant.edge_port, "device", V3, keep_alive_s=keep_alive_s)
        device.send(publish_packet("plant/slow", 1, b"1", 1, V3))
        eager = Connection(plant.edge_port, "eager", V3, keep_alive_s=keep_alive_s)
        window = range(1, WINDOW + 1)
        for identifier in window:
            eager.send(publish_packet("plant/eager", identifier, b"1", 1, V3))
        waits_s = 60 if run.long else 4 * keep_alive_s
        until = time.monotonic() + waits_s
        while time.monotonic() < until:
            device.send(packet(PINGREQ, 0, b""))
            kind, *_ = device.next_packet()  # raises where the connection ends
            assert kind == PINGRESP, kind
            answers = read_answers(eager, keep_alive_s / 2)
            assert not answers, answers
        plant.relay.start()
        back, answers = time.monotonic(), {}
        while not answers and time.monotonic() < back + 60:
            answers = read_answers(device, 0.2)
        assert answers == {1: PUBACK}, answers
        took = time.monotonic() - back
        answers = {}
        while len(answers) < WINDOW and time.monotonic() < back + 60:
            answers |= read_answers(eager, 0.2)
        assert answers == dict.fromkeys(window, PUBACK), answers
        run.measured(f"devices with a keep alive of {keep_alive_s} s were kept for {waits_s} s at a "
                     f"full spool, and answered {took:.1f} s after the relay was back")
        eager.close()
        run.row("37", "spool full, 3.1.1 device waits", 1, recovered_s=took)
        filler.socket.shutdown(socket.SHUT_RDWR)
        filler.close()
        device.close()
