"""Data through all three agents, over two lines that can be made bad, and its account."""

import time

import account
from chaos_proxy import ChaosProxy
from claims import same, wait_for
from fault_shim import FaultShim
from harness import HOST, Plant
from mqtt_client import RETAIN_HANDLING_NEVER, Publisher, Subscriber, retained

SETTLE_S = 0.4       # of flow before a fault and after it
ARRIVAL_LIMIT_S = 90
EDGE_LINE, IT_LINE = 1, 2  # spare ports


class Flow:
    """Device ▸ edge ▸ edge_line ▸ relay ▸ it_line ▸ it-agent ▸ application, from a number of
    messages a second. `prepare(plant)` changes configurations before anything starts; `shimmed`
    names the agent, "edge", "relay" or "it", whose calls `shim` can spoil."""

    def __init__(self, run, rate=300, retain=False, again=False, prepare=None, window=100,
                 shimmed=None, qos=1):
        self.run = run
        self.plant = Plant(run)
        self.edge_line = ChaosProxy(self.plant.spare_port(EDGE_LINE), self.plant.relay_port)
        self.it_line = ChaosProxy(self.plant.spare_port(IT_LINE), self.plant.relay_port)
        self.lines = (self.edge_line, self.it_line)
        for agent, line in ((self.plant.edge, self.edge_line), (self.plant.it, self.it_line)):
            self.plant.rewrite(agent, f"wss://{HOST}:{self.plant.relay_port}",
                               f"wss://{HOST}:{line.port}")
        if prepare:
            prepare(self.plant)
        self.shim = None
        if shimmed:
            agent = getattr(self.plant, shimmed)
            self.shim = FaultShim(run, agent, f"data/{shimmed}")
        self.application = Subscriber(self.plant.it_port, "plant/flow/#", qos=qos, again=again,
                                      retain_handling=RETAIN_HANDLING_NEVER)
        self.device = Publisher(self.plant.edge_port, account.items(retain=retain), rate=rate,
                                window=window, qos=qos)

    def __enter__(self):
        for line in self.lines:
            line.__enter__()
        try:
            self.plant.start()
            self.application.__enter__()
        except BaseException as error:
            self.plant.__exit__(type(error), error, None)
            raise
        self.device.start()
        try:
            wait_for("the first messages arrive", lambda: self.application.count() > 10, 60, 0.01)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        time.sleep(SETTLE_S)
        return self

    def __exit__(self, *error):
        try:
            self.device.leave()
            self.application.__exit__(*error)
            self.plant.__exit__(*error)
        finally:
            for line in self.lines:
                line.__exit__(*error)

    def struck(self, *faults):
        total = self.edge_line.struck + self.it_line.struck
        return sum(total[fault] for fault in faults)

    def wait_flowing(self, timeout_s=60):
        """Until something that was published from now on has arrived; how long that took."""
        began, first = time.monotonic(), self.device.sent
        place = len(self.application.messages)

        def arrived():
            nonlocal place
            new = self.application.messages[place:]
            place += len(new)
            return any(account.number_of(message) >= first for message in new)

        wait_for("what is published now arrives", arrived, timeout_s, 0.01)
        return time.monotonic() - began

    def wait_arrival(self, since, timeout_s=60):
        """Until anything arrives that was not there at the mark; how long that took."""
        began = time.monotonic()
        wait_for("anything arrives", lambda: self.application.count() > since, timeout_s, 0.005)
        return time.monotonic() - began

    def end(self, may_miss=False, seqs_rise=True):
        """Publishing ends, everything comes home, and is accounted for; the tally."""
        time.sleep(SETTLE_S)
        self.device.stop_publishing()
        self.device.finish()
        self.plant.wait_live()
        self.plant.wait_drained(ARRIVAL_LIMIT_S)
        if not may_miss:
            account.wait_arrival(self.device, self.application, ARRIVAL_LIMIT_S)
        else:
            self._wait_quiet()
        return account.check(self.run, self.device, self.application.messages, may_miss,
                             seqs_rise)

    def _wait_quiet(self):
        """Until nothing has arrived for a second: what is handed over may still be on its way."""
        arrived = -1
        while arrived < len(self.application.messages):
            arrived = len(self.application.messages)
            time.sleep(1)

    def check_newest_retained(self):
        """Whoever comes late is given the newest value of each tag: what P6 says."""
        newest = {account.topic_of(n): account.payload_of(n) for n in range(self.device.sent)}
        late = retained(self.plant.it_port, "plant/flow/#")
        same("what is retained in IT: the newest of each topic", newest,
             {topic: message.payload for topic, message in late.items()})

    def check_no_gap(self):
        same("gaps named by the it-agent", 0,
             self.plant.it.status()["downlink"]["missing_records"])
