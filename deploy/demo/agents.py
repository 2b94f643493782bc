"""The three agents of the demo as processes: their identities, their ports, their start and end."""

import ipaddress
import re
import signal
import socket
import subprocess
import time
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

HOST = "127.0.0.1"
EDGE_MQTT, RELAY, IT_MQTT = 1, 2, 3  # above the base port
PORT_OFFSETS = (EDGE_MQTT, RELAY, IT_MQTT, 11, 12, 13)
BASE_PORT_MIN, BASE_PORT_MAX = 1024, 65535 - max(PORT_OFFSETS)
PROGRAMS = ("edge-agent", "dmz-relay", "it-agent")
READY_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 10.0


class DemoError(Exception):
    """What stops the demo, in one line for the person who started it."""


def check_ports_free(base_port):
    for offset in PORT_OFFSETS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, base_port + offset))
            except OSError as error:
                raise DemoError(
                    f"port {base_port + offset} on {HOST} cannot be used ({error.strerror}); "
                    "choose others with --base-port"
                ) from error


def _host_of(address):
    return address.rpartition(":")[0].strip("[]")


def _addresses(settings):
    """Every host that a configuration listens on or dials."""
    for listener in settings.get("listener", []):
        yield _host_of(listener["address"])
    if "http" in settings:
        yield _host_of(settings["http"]["address"])
    for url in settings.get("relay", {}).get("urls", []):
        yield urlsplit(url).hostname


def check_stays_on_loopback(config):
    """Refuses a configuration that would be reachable from, or reach, another machine."""
    try:
        hosts = list(_addresses(tomllib.loads(config.read_text())))
        beyond = [host for host in hosts if not ipaddress.ip_address(host).is_loopback]
    except (OSError, ValueError, KeyError) as error:
        raise DemoError(f"cannot tell where {config} listens: {error}") from error
    if beyond or not hosts:
        raise DemoError(f"{config} names {', '.join(beyond) or 'no address'}; only loopback is run")


class Agent:
    """One process. It is in a session of its own, so that Ctrl-C reaches it only through stop()."""

    def __init__(self, program, config, log, interruption):
        self.name = program.name
        self._command = [str(program), "run", "-c", str(config)]
        self._log = log
        self._interruption = interruption
        self._process = None

    @property
    def pid(self):
        return self._process.pid

    def command(self, verb):
        """A command line for a person that asks this agent something."""
        program, _, option, config = self._command
        return f"{program} {verb} {option} {config}"

    def start(self):
        """Returns when the agent has said that it is ready; how long that took, in seconds."""
        began = time.monotonic()
        said_before = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        while time.monotonic() < began + READY_TIMEOUT_S:
            self.check_running()
            if re.search(rb"\bready\b", self._log.read_bytes()[said_before:]):
                return time.monotonic() - began
            self._interruption.pause()
        raise DemoError(
            f"{self.name} was not ready within {READY_TIMEOUT_S:.0f} s{self.last_words()}")

    def check_running(self):
        if self._process is None or self._process.poll() is None:
            return
        code = self._process.returncode
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        raise DemoError(f"{self.name} ended by itself ({how}){self.last_words()}")

    def kill(self):
        """SIGKILL, and nothing is waited for but the process's end."""
        self._process.kill()
        self._process.wait()
        self._process = None

    def ask_to_stop(self):
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait_stopped(self, deadline):
        """What was wrong with the end, or nothing."""
        if self._process is None:
            return None
        try:
            code = self._process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            self.kill()
            return f"{self.name} did not stop within {STOP_TIMEOUT_S:.0f} s of SIGTERM"
        self._process = None
        return f"{self.name} stopped with exit code {code}{self.last_words()}" if code else None

    def last_words(self):
        try:
            lines = self._log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return f"; its last line: {lines[-1]}" if lines else "; it logged nothing"


class Site:
    """A throw-away plant in one folder: CA, identities, configurations, data, logs."""

    def __init__(self, bin_dir, folder, base_port, interruption):
        self.folder = Path(folder)
        self.base_port = base_port
        self._bin_dir = Path(bin_dir)
        self._publisher = None
        logs = self.folder / "log"
        self.edge, self.relay, self.it = self.agents = [
            Agent(self._bin_dir / name, self.folder / f"{name}.toml", logs / f"{name}.log",
                  interruption)
            for name in PROGRAMS]

    def port(self, offset):
        return self.base_port + offset

    def prepare(self):
        """Makes the CA and, by request, sign and install, three identities."""
        command = [str(self._bin_dir / "sallyport-ca"), "demo", "--dir", str(self.folder),
                   "--base-port", str(self.base_port)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                                  stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DemoError(f"cannot run {command[0]}: {error}") from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise DemoError(said[-1] if said else f"sallyport-ca failed ({done.returncode})")
        for name in PROGRAMS:
            check_stays_on_loopback(self.folder / f"{name}.toml")
        (self.folder / "log").mkdir()

    def start_publisher(self, script):
        """The simulated plant as a process of its own, for when this one has gone; its pid."""
        with (self.folder / "log" / "plant.log").open("ab") as log:
            self._publisher = subprocess.Popen(
                ["/usr/bin/python3", "-B", str(script), "--port", str(self.port(EDGE_MQTT))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self._publisher.pid

    def check_running(self):
        for agent in self.agents:
            agent.check_running()

    def stop(self):
        """Ends every agent; what was wrong with an end, one line each."""
        if self._publisher is not None:
            self._publisher.kill()
            self._publisher.wait()
        for agent in self.agents:
            agent.ask_to_stop()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        ends = [agent.wait_stopped(deadline) for agent in self.agents]
        return [end for end in ends if end]
