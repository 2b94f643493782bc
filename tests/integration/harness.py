"""A plant of three real processes on loopback, each run and watched as an operator would."""

import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
import tomllib
from pathlib import Path

from claims import BOUND_FACTOR, wait_for

HOST = "127.0.0.1"
EDGE_MQTT, RELAY, IT_MQTT = 1, 2, 3  # above the base port, as `sallyport-ca demo` has them
FIRST_FREE_OFFSET, PORTS_OF_A_PLANT = 21, 30
READY_TIMEOUT_S = 30.0
LIVE_TIMEOUT_S = 60.0
STOP_WITHIN_S = 5.0  # the design's
SANITIZER_WORDS = re.compile(
    r"ERROR: \w+Sanitizer|runtime error:|LeakSanitizer|terminate called|assertion", re.IGNORECASE)


_held = []  # sockets whose names keep ranges of ports for this process, until it ends


def free_base_port():
    """A base below the range from which the kernel takes ports for clients. Of tests that run at
    once each gets a range of its own: its name, an abstract socket's, can be taken once."""
    lowest, end = _ports_for_servers()
    slots = (end - lowest) // PORTS_OF_A_PLANT
    for _ in range(200):
        base = lowest + PORTS_OF_A_PLANT * random.randrange(slots)
        if not all(_is_free(base + offset) for offset in range(PORTS_OF_A_PLANT)):
            continue
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0sallyport-ports-{base}")
        except OSError:
            name.close()
            continue
        _held.append(name)
        return base
    raise AssertionError(f"no {PORTS_OF_A_PLANT} free ports in a row on {HOST}")


def _ports_for_servers():
    """The first, and the one behind the last. Where the kernel leaves no room below the range for
    clients, a part of that range: what is taken there just now is found out."""
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for lowest in (20_000, 10_000):
        if first_ephemeral - lowest >= 100 * PORTS_OF_A_PLANT:
            return lowest, first_ephemeral
    return 20_000, 32_000


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


class Agent:
    """One of the three processes. All signals go to the process this object has started."""

    def __init__(self, run, name, folder):
        self.name = name
        self.program = run.program(name)
        self.config = folder / f"{name}.toml"
        self.environment = {}  # more of it, for the next start
        self.prefix = []       # a command that becomes the agent, as prlimit does
        self._log_file = folder / f"{name}.log"
        self._process = None
        self._frozen = False

    # Start and end.

    def start(self):
        """Returns when it has said that it is ready; how long that took, in seconds."""
        assert not self.is_running(), f"{self.name} runs already"
        mark, began = self.mark(), time.monotonic()
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.prefix, self.program, "run", "-c", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.environment})
        wait_for(f"{self.name} says that it is ready",
                 lambda: re.search(r"\bready\b", self.log(mark)) or self._refuse_early_end(),
                 READY_TIMEOUT_S, every_s=0.01)
        return time.monotonic() - began

    def _refuse_early_end(self):
        code = self._process.poll()
        assert code is None, f"{self.name} ended by itself with {code}: {self.log()[-800:]}"
        return False

    def was_started(self):
        """True too for one that has ended by itself since, which ask_to_stop() tells."""
        return self._process is not None

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def kill(self):
        """SIGKILL; returns when the process is gone."""
        self._refuse_early_end()
        self._process.kill()
        self._process.wait()
        self._process = None

    def freeze(self):
        self._refuse_early_end()
        self._process.send_signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)
        self._frozen = False

    def wait_killed(self, timeout_s=30):
        """Returns when a signal that somebody else sent, SIGKILL, has ended it."""
        code = self._process.wait(timeout_s)
        assert code == -signal.SIGKILL, f"{self.name} ended with {code}: {self.log()[-800:]}"
        self._process = None

    def ask_to_stop(self):
        """SIGTERM."""
        if self._frozen:
            self.thaw()
        self._refuse_early_end()
        self._process.terminate()

    def stop(self):
        """SIGTERM; gives the exit code and the seconds that it took."""
        began = time.monotonic()
        self.ask_to_stop()
        return self.wait_stopped(began)

    def wait_stopped(self, began):
        try:
            code = self._process.wait(STOP_WITHIN_S * BOUND_FACTOR)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end on SIGTERM") from None
        self._process = None
        return code, time.monotonic() - began

    def end_anyhow(self):
        if self.is_running():
            self._process.kill()
            self._process.wait()
        self._process = None

    # What it says.

    def mark(self):
        """A place in its log, for log()."""
        return self._log_file.stat().st_size if self._log_file.exists() else 0

    def log(self, mark=0):
        return self._log_file.read_bytes()[mark:].decode(errors="replace") \
            if self._log_file.exists() else ""

    def settings(self):
        return tomllib.loads(self.config.read_text())

    def get(self, path, host=None, method="GET"):
        """One HTTP request to its [http]: status, headers, text."""
        address = self.settings()["http"]["address"]
        connection = http.client.HTTPConnection(address, timeout=10)
        try:
            connection.request(method, path, headers={"Host": host or address})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def status(self):
        """Its status; nothing while it does not answer. One that runs is asked more than once."""
        for _ in range(3):
            try:
                code, _, text = self.get("/status")
                return json.loads(text) if code == 200 else None
            except (OSError, http.client.HTTPException):
                if not self.is_running() or self._frozen:
                    return None
        return None

    def verb(self, *words, timeout_s=30):
        """One command line of it: exit code, what it printed, what it complained."""
        done = subprocess.run([self.program, *words], capture_output=True, text=True,
                              timeout=timeout_s, stdin=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout, done.stderr

    # What the kernel says.

    @property
    def pid(self):
        return self._process.pid

    def _status_number(self, key):
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+)", text, re.MULTILINE).group(1))

    def resident_kib(self):
        return self._status_number("VmRSS")

    def threads(self):
        return self._status_number("Threads")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Plant:
    """CA, identities, configurations, data and logs in one folder; three agents that run there.

    As a context: leaving it in order stops the agents by SIGTERM and wants exit code 0 of each and
    clean logs; leaving it by a failure prints the last lines of their logs.
    """

    def __init__(self, run, folder_name="plant"):
        self._run = run
        self.base = free_base_port()
        self.folder = run.folder / folder_name
        done = subprocess.run(
            [run.program("sallyport-ca"), "demo", "--dir", str(self.folder),
             "--base-port", str(self.base)],
            capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"sallyport-ca demo: {done.stderr or done.stdout}"
        self.edge, self.relay, self.it = self.agents = [
            Agent(run, name, self.folder) for name in ("edge-agent", "dmz-relay", "it-agent")]

    @property
    def edge_port(self):
        return self.base + EDGE_MQTT

    @property
    def relay_port(self):
        return self.base + RELAY

    @property
    def it_port(self):
        return self.base + IT_MQTT

    def spare_port(self, number=0):
        """A port that no configuration of the demo uses."""
        return self.base + FIRST_FREE_OFFSET + number

    def start(self):
        """Starts all three and waits for the path; returns itself."""
        for agent in (self.relay, self.it, self.edge):
            agent.start()
        self.wait_live()
        return self

    def is_live(self):
        edge, it = self.edge.status(), self.it.status()
        return bool(edge and it
                    and all(d["state"] == "live" for d in edge["destinations"])
                    and [e["state"] for e in it["edges"]] == ["live"])

    def wait_live(self, timeout_s=LIVE_TIMEOUT_S):
        """How long it took until both ends call the path live, in seconds."""
        began = time.monotonic()
        wait_for("both ends call the path live", self.is_live, timeout_s)
        return time.monotonic() - began

    def waiting_records(self):
        status = self.edge.status()
        return status["destinations"][0]["waiting_records"] if status else None

    def wait_drained(self, timeout_s=60):
        wait_for("the edge's waiting_records is 0", lambda: self.waiting_records() == 0, timeout_s)

    def rewrite(self, agent, old, new):
        """Replaces a text in an agent's configuration; it must stand there."""
        text = agent.config.read_text()
        assert old in text, f"{agent.config.name} has no {old!r}"
        agent.config.write_text(text.replace(old, new))

    def __enter__(self):
        return self

    def __exit__(self, kind, _error, _trace):
        try:
            if kind is None:
                self._stop_in_order()
        except AssertionError:
            kind = AssertionError
            raise
        finally:
            for agent in self.agents:
                agent.end_anyhow()
            if kind is not None:
                self._print_last_words()

    def _stop_in_order(self):
        began = time.monotonic()
        running = [agent for agent in self.agents if agent.was_started()]
        for agent in running:
            agent.ask_to_stop()
        for agent in running:
            code, seconds = agent.wait_stopped(began)
            assert code == 0, f"{agent.name} ended with {code} on SIGTERM: {agent.log()[-3000:]}"
            assert seconds <= STOP_WITHIN_S * BOUND_FACTOR
        for agent in self.agents:
            found = SANITIZER_WORDS.search(agent.log())
            assert not found, f"{agent.name} logged: {agent.log()[found.start():][:3000]}"

    def _print_last_words(self):
        for agent in self.agents:
            for line in agent.log().splitlines()[-8:]:
                print(f"      {agent.name} | {line}", flush=True)
