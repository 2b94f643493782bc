"""The story: values pass from a simulated plant to the IT side, the relay is killed, the edge is
killed, and at the end the devices' counts are held against the observer's.
"""

import time

import agents
import observer
import plant
import tally
from agents import DemoError

EDGE = "demo/line1"
WARM_UP_S = 5.0
RELAY_AWAY_S = 10.0
BETWEEN_KILLS_S = 2.0
LOST_WITHIN_S = 9.0
LIVE_WITHIN_S = 20.0
RECONNECTED_WITHIN_S = 10.0
QUALITIES_WITHIN_S = 5.0
TOLD_ONE_BY_ONE_S = 0.5  # a change that hits every tag is told tag by tag
DRAINED_WITHIN_S = 30.0
SETTLED_WITHIN_S = 60.0
LATE_REPEATS_S = 1.0  # how long a repeat may come behind the last value
SHOWN_TOPICS = ("plant/pump/vibration/1", "plant/boiler/temperature/7", "plant/pump/nameplate/3")


class Story:
    def __init__(self, site, seconds, interruption):
        self._began = time.monotonic()
        self._seconds = seconds
        self._interruption = interruption
        self._failures = []
        self.site = site
        self.plant = plant.Plant(site.port(agents.EDGE_MQTT))
        self.observer = observer.Observer(site.port(agents.IT_MQTT))

    def tell(self):
        """Tells it to its end. The account, and what was not as it must be."""
        self._make_site()
        self._start_plant()
        self._show_values()
        self._relay_dies()
        self._edge_dies()
        self._publish_until_the_end()
        return self._count(), self._failures

    def close_clients(self):
        self.plant.finish()
        self.observer.close()

    def say(self, text, indent=0):
        print(f"{time.monotonic() - self._began:5.1f} s  {'  ' * indent}{text}", flush=True)

    def note(self, text):
        print(f"          {text}", flush=True)

    def _make_site(self):
        self.site.prepare()
        self.say("a CA and three identities: edge line1, relay dmz, it hq (request, sign, install)")
        for agent in (self.site.relay, self.site.it, self.site.edge):
            agent.start()
        port = self.site.port
        self.say(f"edge-agent (MQTT on port {port(agents.EDGE_MQTT)}), dmz-relay "
                 f"({port(agents.RELAY)}), it-agent (MQTT on {port(agents.IT_MQTT)}) are ready")

    def _start_plant(self):
        try:
            self.observer.start()
        except OSError as error:
            raise DemoError(f"the observer cannot reach the it-agent: {error}") from error
        self.plant.start()
        self.say(f"pump, tank and boiler publish {plant.TAG_COUNT} tags at QoS 1: "
                 f"{plant.FAST_COUNT} of them 50 times a second, {plant.SILENT_COUNT} only once")

    def _show_values(self):
        self._expect("the edge is told live", self._state("live", 0.0), LIVE_WITHIN_S)
        self._expect(f"all {plant.TAG_COUNT} tags arrive",
                     lambda: self.observer.tag_count() >= plant.TAG_COUNT, WARM_UP_S + 10)
        self._pass_time(WARM_UP_S)
        self.say(f"the IT side has {self.observer.arrived_count()} values of "
                 f"{self.observer.tag_count()} tags, for example")
        for topic in SHOWN_TOPICS:
            value = self.observer.newest(topic)
            if value:
                self.note(f"{topic:28}{value.text:44}{value.quality:6}{value.source_time}")

    def _relay_dies(self):
        killed, old_pid = time.monotonic(), self.site.relay.pid
        acknowledged_before = self.plant.counts()[1]
        self.site.relay.kill()
        self.say(f"KILL -9 dmz-relay (pid {old_pid}); it stays away for {RELAY_AWAY_S:.0f} s")
        self._show_loss(killed)
        self._show_stale(killed)
        self._pass_time(killed + RELAY_AWAY_S - time.monotonic())
        backlog = self.plant.acknowledged() - self.observer.numbers()
        acknowledged = self.plant.counts()[1] - acknowledged_before
        self.say(f"the plant goes on: {acknowledged} values were acknowledged meanwhile, "
                 f"{len(backlog)} wait on the edge's disk")
        started = time.monotonic()
        self.site.relay.start()
        self.say("dmz-relay is started again")
        self._show_live(started, started, "the start")
        self._show_arrived(backlog, started, "the start")
        self._show_qualities()

    def _edge_dies(self):
        self._pass_time(BETWEEN_KILLS_S)
        killed, old_pid = time.monotonic(), self.site.edge.pid
        connections = self.plant.connections() + len(self.plant.devices)
        self.site.edge.kill()
        acknowledged = self.plant.acknowledged()
        ready_after = self.site.edge.start()
        self.say(f"KILL -9 edge-agent (pid {old_pid}); started again at once and ready after "
                 f"{ready_after:.1f} s")
        lost_at = self._show_loss(killed)
        if self._expect("the devices connect again",
                        lambda: self.plant.connections() >= connections, RECONNECTED_WITHIN_S):
            self.say("the devices are back and send again what was not acknowledged", 1)
        self._show_live(lost_at, killed, "the kill")
        self._show_arrived(acknowledged, killed, "the kill")
        self._show_qualities()

    def _show_loss(self, killed):
        """When the IT side was told, or when it should have been."""
        lost = self._expect(f"{EDGE} is told lost", self._state("lost", killed), LOST_WITHIN_S)
        if not lost:
            return killed
        self.say(f"IT side: {EDGE} lost, told {lost.at - killed:.1f} s after the kill "
                 f"(side: {lost.fields.get('side')}, seen: {lost.fields.get('seen')})", 1)
        return lost.at

    def _show_stale(self, killed):
        def all_stale():
            told = self.observer.qualities(EDGE).values()
            times = [q.at for q in told if q.name == "Bad.LastKnown" and q.at >= killed]
            return times if len(times) >= self.observer.tag_count() else None

        times = self._expect("every tag turns Bad.LastKnown", all_stale, LOST_WITHIN_S)
        if times:
            self.say(f"IT side: all {len(times)} tags Bad.LastKnown, the last "
                     f"{max(times) - killed:.1f} s after the kill; one of them:", 1)
            self.note(f"sallyport/quality/{EDGE}/{SHOWN_TOPICS[1]}")
            self.note(f"  {self.observer.qualities(EDGE)[SHOWN_TOPICS[1]].payload}")

    def _show_live(self, since, event_at, event):
        live = self._expect(f"{EDGE} is told live", self._state("live", since), LIVE_WITHIN_S)
        if live:
            self.say(f"IT side: {EDGE} live, told {live.at - event_at:.1f} s after {event}", 1)

    def _show_arrived(self, numbers, event_at, event):
        if self._expect("the backlog arrives", lambda: numbers <= self.observer.numbers(),
                        DRAINED_WITHIN_S):
            last = max(self.observer.arrived_at(number) for number in numbers)
            when = f"the last {last - event_at:.1f} s after {event}" if last > event_at else (
                f"all of it before {event}")
            self.say(f"IT side: everything acknowledged before {event} is there, {when}", 1)

    def _show_qualities(self):
        self._expect("no tag stays Bad.LastKnown",
                     lambda: not self.observer.quality_counts(EDGE)["Bad.LastKnown"],
                     QUALITIES_WITHIN_S)
        self._pass_time(TOLD_ONE_BY_ONE_S)
        counts = self.observer.quality_counts(EDGE)
        told = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        self.say(f"IT side: the tags are {told}", 1)

    def _publish_until_the_end(self):
        self._pass_time(max(2.0, self._began + self._seconds - time.monotonic()))
        self._show_qualities()
        self.plant.stop_producing()
        self.say("the plant stops; what is under way arrives")
        self._expect("every value sent is acknowledged",
                     self._all_acknowledged, SETTLED_WITHIN_S / 2)
        acknowledged = self.plant.acknowledged()
        self._expect("every acknowledged value arrives",
                     lambda: acknowledged <= self.observer.numbers(), SETTLED_WITHIN_S / 2)
        self._pass_time(LATE_REPEATS_S)
        if self.observer.current_state(EDGE) != "live":
            self._failures.append(f"at the end {EDGE} is {self.observer.current_state(EDGE)}")

    def _count(self):
        account = tally.count(self.plant.sent(), self.plant.acknowledged(),
                              self.plant.sent_again(), self.observer.arrivals())
        if account.out_of_order == 0:
            self.say("order: each device's values arrived in the order in which it sent them")
        if self.plant.overflowed():
            self.say(f"note: {self.plant.overflowed()} values found the devices' own queues full "
                     "and were never sent")
        return account

    def _all_acknowledged(self):
        sent, acknowledged = self.plant.counts()
        return sent == acknowledged

    def _state(self, name, since):
        return lambda: self.observer.state_since(EDGE, name, since)

    def _expect(self, claim, condition, seconds):
        """What `condition` gives once it is true. Else a failure, which does not end the story."""
        held = self._wait(condition, seconds)
        if not held:
            self._failures.append(f"not seen within {seconds:.0f} s: {claim}")
            self.say(f"NOT SEEN within {seconds:.0f} s: {claim}", 1)
        return held

    def _pass_time(self, seconds):
        self._wait(lambda: False, seconds)

    def _wait(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while True:
            held = condition()
            if held or time.monotonic() >= deadline:
                return held
            self.site.check_running()
            fault = self.plant.fault() or self.observer.fault()
            if fault:
                raise DemoError(fault)
            self._interruption.pause()
