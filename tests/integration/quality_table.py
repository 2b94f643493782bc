"""Every row of the table of qualities (DESIGN, chapter 4), on real processes.

| event | claim |
|---|---|
| value from a connected device | `qualities_of_devices` |
| payload codec cannot read the payload | `qualities_of_devices` |
| connection ends without DISCONNECT, after its Will Delay; not the will's own topic | `qualities_of_devices`, `path_state.device_gone` |
| normal DISCONNECT: after `stale_after` or 60 s; `on_disconnect = "keep"` | `qualities_after_disconnect` |
| publisher back, not yet published; `on_reconnect = "restore"` | `qualities_of_devices`, `fault_values.fault_33_device_silent` |
| session taken over by the same client | `qualities_of_devices` |
| edge restarted; publisher not back in 60 s | `qualities_after_restart`, `path_state.edge_killed` |
| no update for `stale_after` | `qualities_of_devices` |
| more than 10 s behind | `qualities_behind` |
| session lost; it-agent just started | `qualities_of_the_path`, `path_state.relay_killed` and its like |
| session live | `qualities_of_the_path`, `path_state` |
"""

import json
import struct
import time
from collections import Counter

from claims import BOUND_FACTOR, claim, same, wait_for
from flow import Flow
from harness import Plant
from mqtt_client import (CONNECT, V5, Connection, Publisher, Subscriber, packet, publish_all,
                         retained, text, varint)

QUALITY = "sallyport/quality/demo/line1/"
GOOD, STALE, GONE, LOST = "Good", "Uncertain.LastUsable", "Bad.NotConnected", "Bad.LastKnown"
STALE_AFTER_S, A_MINUTE_S, WILL_DELAY_S = 2.0, 60.0, 2
CALLED_BEHIND_S = 10.0
STORM_TAGS = 60_000
PACED_PER_S = 20_000

RULES = """[[forward]]
filter = "plant/json/#"
payload = "json"
stale_after = "off"

[[forward]]
filter = "plant/cyclic/#"
stale_after = "2s"

[[forward]]
filter = "plant/lenient/#"
on_disconnect = "keep"
on_reconnect = "restore"

[[forward]]
filter = "#"
"""


def with_rules(plant):
    plant.rewrite(plant.edge, '[[forward]]\nfilter = "#"\n', RULES)


def qualities(plant):
    """topic -> quality, as told with the retained values."""
    return {topic: message.user["quality"]
            for topic, message in retained(plant.it_port, "plant/#").items()}


def wait_shown(plant, what, wanted, timeout_s=30):
    """Waits until each of these topics is shown so; says what was shown instead."""
    shown = {}

    def is_so():
        shown.update(qualities(plant))
        return all(shown.get(topic) == quality for topic, quality in wanted.items())

    try:
        wait_for(what, is_so, timeout_s, 0.1)
    except AssertionError:
        same(what, wanted, {topic: shown.get(topic) for topic in wanted})


class Device:
    """A v5 device with a will, that publishes when it is told to."""

    def __init__(self, plant, client, will=None, will_delay_s=0):
        self._port, self._client, self._will = plant.edge_port, client, will
        self._delay_s, self._identifier = will_delay_s, 0
        self.connect()

    def connect(self):
        if self._will:
            self._connection = connection_with_will(self._port, self._client, self._will,
                                                    self._delay_s)
        else:
            self._connection = Connection(self._port, self._client, V5, clean=False)

    def publish(self, topic, payload):
        self._identifier += 1
        self._connection.send(packet(3, 3, text(topic) + struct.pack("!H", self._identifier)
                                     + b"\0" + payload))
        kind, _, _ = self._connection.next_packet()
        same("packet type of the answer, PUBACK", 4, kind)

    def break_off(self):
        """Without DISCONNECT."""
        self._connection.close()

    def leave(self):
        self._connection.disconnect()


def connection_with_will(port, client, topic, delay_s):
    """A connection whose CONNECT carries a will."""
    will = varint(5) + b"\x18" + struct.pack("!I", delay_s) + text(topic) + text(b"gone")
    # Clean start no, will at QoS 1, retained.
    body = (text("MQTT") + bytes([V5, 0x04 | 0x08 | 0x20]) + struct.pack("!H", 0) + varint(5)
            + b"\x11\xff\xff\xff\xff" + text(client) + will)
    return Connection(port, client, V5, connect=packet(CONNECT, 0, body))


@claim("qualities: what a payload says, a payload that cannot be read, a device gone, back, taken "
       "over, a cyclic tag without update: each is shown as the table has it", limit_s=120,
       beside=True)
def qualities_of_devices(run):
    with Plant(run) as plant:
        with_rules(plant)
        plant.start()
        device = Device(plant, "device", "plant/will", WILL_DELAY_S)
        device.publish("plant/json/good", b'{"value":1}')
        device.publish("plant/json/bad", b'{"value":1,"quality":"Bad.SensorFailure"}')
        device.publish("plant/json/unreadable", b"no json")
        device.publish("plant/lenient/a", b"1")
        device.publish("plant/opaque", b"1")
        said = {"plant/json/good": GOOD, "plant/json/bad": "Bad.SensorFailure",
                "plant/json/unreadable": "Uncertain", "plant/lenient/a": GOOD,
                "plant/opaque": GOOD}
        wait_shown(plant, "what the payloads say", said)
        same("bytes of what could not be read", b"no json",
             retained(plant.it_port, "plant/json/unreadable")["plant/json/unreadable"].payload)

        device.connect()  # takes its own session over
        time.sleep(0.5)
        wait_shown(plant, "a take-over changes nothing", said)

        began = time.monotonic()
        device.break_off()
        time.sleep(WILL_DELAY_S / 4)
        assert qualities(plant).get("plant/opaque") == GOOD \
            or time.monotonic() - began > WILL_DELAY_S, "told before the Will Delay was over"
        gone = dict.fromkeys(said, GONE) | {"plant/will": GOOD}
        wait_shown(plant, "the device is gone, its will is good", gone)
        run.within("connection broken until all is told", time.monotonic() - began,
                   WILL_DELAY_S + 2)

        device.connect()
        wait_shown(plant, "the device is back, and has not published again", dict.fromkeys(
            said, STALE) | {"plant/json/bad": "Bad.SensorFailure", "plant/lenient/a": GOOD})
        device.publish("plant/opaque", b"2")
        wait_shown(plant, "published again", {"plant/opaque": GOOD})

        began = time.monotonic()
        device.publish("plant/cyclic/a", b"1")
        wait_shown(plant, "a cyclic tag without update", {"plant/cyclic/a": STALE})
        run.within("a cyclic tag published until it is stale", time.monotonic() - began,
                   STALE_AFTER_S + 1)
        # Good for two seconds only, so that a slow look may miss one update.
        wait_for("a cyclic tag updated is good", lambda: device.publish("plant/cyclic/a", b"2")
                 or qualities(plant).get("plant/cyclic/a") == GOOD)
        device.leave()


def wait_a_minute(run, plant, what, wanted, since):
    """Waits until these are shown; that takes a minute, not less."""
    wait_shown(plant, what, wanted, A_MINUTE_S * 2)
    after = time.monotonic() - since
    run.measured(f"{what}: {after:.1f} s (design: {A_MINUTE_S:g} s)")
    assert after > A_MINUTE_S - 5, f"{what}: {after:.1f} s"


@claim("qualities: a minute after a normal DISCONNECT a value is uncertain, that of a cyclic tag "
       "when its time is over, that of a lenient one stays", limit_s=240, beside=True)
def qualities_after_disconnect(run):
    with Plant(run) as plant:
        with_rules(plant)
        plant.start()
        polite = [("plant/polite", b"1", True), ("plant/lenient/polite", b"1", True),
                  ("plant/cyclic/polite", b"1", True)]
        left = time.monotonic()
        publish_all(plant.edge_port, polite, client="polite").join(10)
        wait_shown(plant, "after a normal DISCONNECT", {
            "plant/polite": GOOD, "plant/lenient/polite": GOOD, "plant/cyclic/polite": STALE})
        wait_a_minute(run, plant, "normal DISCONNECT until it is uncertain",
                      {"plant/polite": STALE, "plant/lenient/polite": GOOD}, left)


@claim("row 33: a minute after a restart of the edge, values whose device is not back are "
       "Bad.NotConnected, those of one that is back and silent uncertain", limit_s=240,
       beside=True)
def qualities_after_restart(run):
    with Plant(run) as plant:
        with_rules(plant)
        plant.start()
        missing, silent = Device(plant, "missing"), Device(plant, "silent")
        missing.publish("plant/missing", b"1")
        missing.publish("plant/lenient/missing", b"1")
        silent.publish("plant/silent", b"1")
        wait_shown(plant, "two devices", {"plant/missing": GOOD, "plant/silent": GOOD})
        time.sleep(5)  # within a second it is on the disk who published what
        plant.edge.kill()
        started = time.monotonic()
        plant.edge.start()
        silent.connect()
        wait_shown(plant, "the edge has restarted", dict.fromkeys(
            ("plant/missing", "plant/silent", "plant/lenient/missing"), STALE), A_MINUTE_S / 2)
        wait_a_minute(run, plant, "restart until it is Bad.NotConnected",
                      {"plant/missing": GONE, "plant/silent": STALE,
                       "plant/lenient/missing": STALE}, started)
        missing.connect()
        wait_shown(plant, "the missing one is back", {"plant/missing": STALE})
        missing.publish("plant/missing", b"2")
        wait_shown(plant, "and publishes", {"plant/missing": GOOD})
        run.row("33", "publisher not back in a minute; silent", 2)


class Told:
    """What was told of each tag, by an application that watches."""

    def __init__(self, plant):
        self._subscriber = Subscriber(plant.it_port, QUALITY + "#", qos=1, retain_handling=2)

    def __enter__(self):
        self._subscriber.__enter__()
        return self

    def __exit__(self, *error):
        return self._subscriber.__exit__(*error)

    def mark(self):
        return len(self._subscriber.messages)

    def since(self, mark):
        """(when, topic, quality, reason) of each message since then."""
        return [(message.at, message.topic.removeprefix(QUALITY), fields["quality"],
                 fields.get("reason", ""))
                for message in self._subscriber.messages[mark:]
                if (fields := json.loads(message.payload))]


@claim("qualities: more than 10 s behind a value is uncertain for its backlog, and good again when "
       "that is gone", limit_s=150, beside=True)
def qualities_behind(run):
    with Flow(run, rate=400, window=2_000, retain=True) as flow, Told(flow.plant) as told:
        line, plant = flow.edge_line, flow.plant
        mark = told.mark()
        line.up.bytes_per_second = 12_000
        wait_for("told of a backlog", lambda: [one for one in told.since(mark)
                 if one[2] == STALE and "backlog" in one[3]], 90, 0.5)
        reasons = {reason for _, _, quality, reason in told.since(mark) if quality == STALE}
        mark = told.mark()
        line.clear()
        recovered = flow.wait_flowing()
        wait_for("told that it is over", lambda: any(
            quality == GOOD for _, _, quality, _ in told.since(mark)), 60, 0.2)
        flow.device.stop_publishing()
        flow.device.finish()
        plant.wait_live()
        plant.wait_drained()
        shown = Counter(qualities(plant).values())
        run.measured(f"reasons: {', '.join(sorted(reasons))}; in the end {dict(shown)}; flowing "
                     f"again after {recovered:.1f} s")
        flow.end()


@claim("qualities: a path that is lost, and an it-agent just started, show Bad.LastKnown; a live "
       "one each tag's own quality again", limit_s=120, beside=True)
def qualities_of_the_path(run):
    with Plant(run) as plant:
        with_rules(plant)
        plant.start()
        device = Device(plant, "device")
        device.publish("plant/json/bad", b'{"value":1,"quality":"Bad.SensorFailure"}')
        device.publish("plant/opaque", b"1")
        own = {"plant/json/bad": "Bad.SensorFailure", "plant/opaque": GOOD}
        wait_shown(plant, "before", own)
        plant.edge.freeze()
        wait_shown(plant, "edge silent", dict.fromkeys(own, LOST), 60)
        plant.edge.thaw()
        wait_shown(plant, "edge speaks again", own, 60)
        plant.relay.kill()
        plant.it.kill()
        plant.it.start()
        wait_shown(plant, "it-agent just started", dict.fromkeys(own, LOST), 60)
        plant.relay.start()
        wait_shown(plant, "live again", own, 60)
        device.leave()


@claim(f"a link that flaps with {STORM_TAGS:,} tags: the edge is called lost at once, the tags "
       "follow paced, and those not yet told when it returns are not told at all", limit_s=240)
def qualities_of_a_flapping_link(run):
    flaps, down_s = (12, 10.0) if run.long else (3, 0.3)
    tags = 100_000 if run.long else STORM_TAGS
    with Flow(run, rate=20) as flow:
        plant = flow.plant
        device = Publisher(plant.edge_port, ((f"plant/storm/{n}", b"1", False)
                                             for n in range(tags)), window=2_000, client="storm",
                           stays=True)
        device.start()
        device.finish(150)
        plant.wait_drained()
        before = [agent.resident_kib() for agent in plant.agents]
        with Told(plant) as told:
            cancelled = 0
            for flap in range(flaps):
                wait_quiet(told)
                mark = told.mark()
                flow.edge_line.refuse = True
                flow.edge_line.cut()
                time.sleep(down_s)
                flow.edge_line.refuse = False
                flow.wait_flowing()
                plant.wait_live()
                wait_for("who was told of the loss is told of its end",
                         lambda: not still_lost(told.since(mark)), 60, 0.3)
                wait_quiet(told)
                cancelled += check_storm(run, told.since(mark), flap, tags)
            assert run.long or cancelled > 0, "no sweep was cancelled"
        grown = [agent.resident_kib() - kib for agent, kib in zip(plant.agents, before)]
        run.measured(f"memory grew by {', '.join(f'{kib} KiB' for kib in grown)}")
        device.leave()
        flow.end()


def wait_quiet(told):
    """Until nothing was told for a second."""
    place, since = told.mark(), time.monotonic()

    def is_quiet():
        nonlocal place, since
        if told.mark() != place:
            place, since = told.mark(), time.monotonic()
        return time.monotonic() - since > 1.0

    wait_for("the sweep ends", is_quiet, 60, 0.1)


def still_lost(messages):
    newest = {topic: quality for _, topic, quality, _ in messages}
    return [topic for topic, quality in newest.items() if quality != GOOD]


def check_storm(run, messages, flap, tags):
    """1 where the sweep was cancelled. Each tag that was told of the loss is told of its end."""
    lost = [topic for _, topic, quality, _ in messages if quality == LOST]
    newest = {topic: quality for _, topic, quality, _ in messages}
    wrong = Counter(quality for quality in newest.values() if quality != GOOD)
    same(f"flap {flap}: what is shown of those that were told, but good", {}, dict(wrong))
    same(f"flap {flap}: told twice of one loss", len(set(lost)), len(lost))
    if not lost:
        run.measured(f"flap {flap}: back before a tag was told")
        return 1
    times = sorted(at for at, _, quality, _ in messages if quality == LOST)
    lasted = times[-1] - times[0]
    run.measured(f"flap {flap}: {len(lost)} of {tags} tags told of the loss, within {lasted:.2f} s")
    # Paced where they are made; what piles up on the way to the application arrives in a burst.
    least = len(lost) / PACED_PER_S / BOUND_FACTOR
    assert lasted >= least - 0.5, f"{len(lost)} told within {lasted:.2f} s"
    return int(len(lost) < tags)
