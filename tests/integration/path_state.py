"""What the IT side is told when the path breaks, and how soon: P7, nothing stale looks fresh."""

import json
import time
from collections import Counter

from claims import claim, same, wait_for
from harness import Plant
from mqtt_client import Publisher, Subscriber, publish_all, retained

TAGS = 10_000
TOLD_WITHIN_S = 7.0  # `sallyport/edges/…`, after any cut
TURNED_WITHIN_S = 8.0  # every tag's quality
LIVE_AGAIN_S = 2.0 + 2.0  # reconnected within 2 s, and called live at the first Beat, one in 2 s
EDGE_TOPIC = "sallyport/edges/demo/line1"
QUALITY_PREFIX = "sallyport/quality/demo/line1/"


class Watch:
    """An application that only watches what the it-agent says of the edge and of its tags."""

    def __init__(self, plant):
        self._subscriber = Subscriber(plant.it_port, "sallyport/#", qos=1)

    def __enter__(self):
        self._subscriber.__enter__()
        return self

    def __exit__(self, *error):
        return self._subscriber.__exit__(*error)

    def told(self, state, since):
        """The first message after `since` that calls the edge so."""
        for message in list(self._subscriber.messages):
            if message.at >= since and message.topic == EDGE_TOPIC:
                fields = json.loads(message.payload)
                if fields["state"] == state:
                    return message.at, fields
        return None

    def wait_told(self, run, what, state, since, bound_s=TOLD_WITHIN_S, looks_from=None):
        """`looks_from`: an earlier moment than the one that the bound counts from. What an agent's
        start brings may be told before this process sees that it has started."""
        begins = since if looks_from is None else looks_from
        at, fields = wait_for(f"{EDGE_TOPIC} says {state}", lambda: self.told(state, begins),
                              60, 0.02)
        run.within(f"{what} until the edge is called {state}", at - since, bound_s)
        return fields

    def mark(self):
        return len(self._subscriber.messages)

    def qualities(self, mark):
        """topic -> (when, what was told), the newest of each since the mark."""
        return {message.topic.removeprefix(QUALITY_PREFIX): (message.at, message.payload)
                for message in self._subscriber.messages[mark:]
                if message.topic.startswith(QUALITY_PREFIX)}

    def wait_all(self, run, what, wanted, mark, since, bound_s=TURNED_WITHIN_S):
        """Waits until every tag was last told one of these qualities."""
        def turned():
            if self.mark() < mark + TAGS:
                return None
            told = self.qualities(mark)
            names = Counter(json.loads(text)["quality"] for _, text in told.values())
            return told if sum(names[name] for name in wanted) >= TAGS else None

        told = wait_for(f"{TAGS} tags are {' or '.join(wanted)}", turned, 90, 0.2)
        same("tags told of", TAGS, len(told))
        newest = max(at for at, _ in told.values())
        run.within(f"{what} until all {TAGS} tags are told {' or '.join(wanted)}",
                   newest - since, bound_s)
        return told


def topic_of(tag):
    return f"plant/cell{tag % 100}/tag{tag}"


def all_tags():
    return ((topic_of(tag), b"%d" % tag, True) for tag in range(TAGS))


def publish_tags(plant):
    """A device that has published every tag once and stays connected."""
    device = Publisher(plant.edge_port, all_tags(), window=200, stays=True)
    device.start()
    device.finish()
    plant.wait_drained()
    wait_for("the it-agent has all tags", lambda: plant.it.status()["edges"][0]["tags"] >= TAGS)
    return device


def check_late_subscriber(plant, quality):
    """Who subscribes during the outage gets the retained value, and its truth with it."""
    message = retained(plant.it_port, topic_of(77))[topic_of(77)]
    same("payload of the retained value", b"77", message.payload)
    same("its quality", quality, message.user["quality"])


def check_lost(run, watch, plant, what, mark, cut, side):
    fields = watch.wait_told(run, what, "lost", cut)
    same("the side", side, fields["side"])
    assert fields["seen"], fields
    run.measured(f"the it-agent says: side {fields['side']}, seen {fields['seen']!r}")
    told = watch.wait_all(run, what, ("Bad.LastKnown",), mark, cut)
    reason = json.loads(told[topic_of(0)][1])["reason"]
    assert fields["seen"] in reason and side in reason, reason
    check_late_subscriber(plant, "Bad.LastKnown")


def check_back(run, watch, plant, what, bring_back, wanted=("Good",)):
    mark, asked = watch.mark(), time.monotonic()
    bring_back()
    back = time.monotonic()
    watch.wait_told(run, what, "live", back, LIVE_AGAIN_S, asked)
    watch.wait_all(run, what, wanted, mark, back)
    if wanted == ("Good",):
        check_late_subscriber(plant, "Good")


@claim(f"the relay killed: the edge is called lost within 7 s, "
       f"{TAGS:,} tags turn within 8 s, and back",
       limit_s=180)
def relay_killed(run):
    with Plant(run).start() as plant, Watch(plant) as watch:
        device = publish_tags(plant)
        mark, cut = watch.mark(), time.monotonic()
        plant.relay.kill()
        check_lost(run, watch, plant, "relay killed", mark, cut, "relay")
        check_back(run, watch, plant, "relay back", plant.relay.start)
        device.leave()


@claim(f"the relay silent: the edge is called lost within 7 s, "
       f"{TAGS:,} tags turn within 8 s, and back",
       limit_s=180)
def relay_silent(run):
    with Plant(run).start() as plant, Watch(plant) as watch:
        device = publish_tags(plant)
        mark, cut = watch.mark(), time.monotonic()
        plant.relay.freeze()
        # Its next dial may fail by another name.
        wait_for("the edge calls its link silent", lambda: (
            plant.edge.status()["relay"]["link"] != "up"
            and plant.edge.status()["relay"]["last_failure"] == "silent"), 60)
        check_lost(run, watch, plant, "relay silent", mark, cut, "relay")
        check_back(run, watch, plant, "relay speaks again", plant.relay.thaw)
        device.leave()


@claim(f"the edge killed: it is called lost within 7 s, "
       f"{TAGS:,} tags turn within 8 s, and back",
       limit_s=180)
def edge_killed(run):
    with Plant(run).start() as plant, Watch(plant) as watch:
        publish_tags(plant)  # by a device that does not come back when the edge does
        mark, cut = watch.mark(), time.monotonic()
        plant.edge.kill()
        check_lost(run, watch, plant, "edge killed", mark, cut, "edge")
        # Its devices have not spoken again yet, so nothing is called good.
        check_back(run, watch, plant, "edge back", plant.edge.start, ("Uncertain.LastUsable",))
        mark, began = watch.mark(), time.monotonic()
        publish_all(plant.edge_port, all_tags(), window=200)
        watch.wait_all(run, "tags published again", ("Good",), mark, began)


@claim("the edge silent: it is called lost within 7 s, and live again when it speaks", beside=True)
def edge_silent(run):
    with Plant(run).start() as plant, Watch(plant) as watch:
        cut = time.monotonic()
        plant.edge.freeze()
        fields = watch.wait_told(run, "edge silent", "lost", cut)
        same("the side", "edge", fields["side"])
        back = time.monotonic()
        plant.edge.thaw()
        watch.wait_told(run, "edge speaks again", "live", back, bound_s=LIVE_AGAIN_S)


@claim("a device whose connection breaks leaves its tags Bad.NotConnected, "
       "one that leaves in order leaves them good")
def device_gone(run):
    with Plant(run).start() as plant, Watch(plant) as watch:
        publish_all(plant.edge_port, [("plant/polite", b"1", True)], client="polite").join(5)
        device = publish_tags(plant)
        mark, cut = watch.mark(), time.monotonic()
        device.leave()  # without DISCONNECT
        told = watch.wait_all(run, "device gone", ("Bad.NotConnected",), mark, cut)
        assert "plant/polite" not in told, told["plant/polite"]
        check_late_subscriber(plant, "Bad.NotConnected")
