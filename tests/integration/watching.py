"""What an operator's browser and a monitoring system are given, and what they are not."""

import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

from claims import claim, same, wait_for
from harness import HOST, Plant
from mqtt_client import Publisher


def raw(agent, request):
    """The answer to bytes that no HTTP library would send."""
    host, port = agent.settings()["http"]["address"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


def status_line(agent, request):
    return raw(agent, request).split(b"\r\n")[0].decode()


def metrics_of(text):
    """name -> value; every sample must be of a family with HELP and TYPE, told once."""
    values, kinds, helped = {}, {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            kinds[name] = kind
        elif line.startswith("# HELP "):
            helped.add(line.split(" ")[2])
        elif line:
            name, value = line.rsplit(" ", 1)
            assert name not in values, f"{name} stands twice"
            family = name.split("{")[0]
            assert family in kinds and family in helped, f"{family} without HELP or TYPE"
            assert kinds[family] != "counter" or family.endswith("_total"), family
            values[name] = float(value)
    return values


@claim("/healthz, /status and /metrics answer on each agent", beside=True)
def endpoints_answer(run):
    live = {"edge-agent": "sallyport_path_live", "dmz-relay": "sallyport_relay_sessions",
            "it-agent": "sallyport_edges_live"}
    with Plant(run).start() as plant:
        for agent in plant.agents:
            code, _, text = agent.get("/healthz")
            same(f"{agent.name} /healthz", (200, "ok\n"), (code, text))
            code, headers, text = agent.get("/status")
            same(f"{agent.name} /status", 200, code)
            assert headers["Content-Type"].startswith("application/json"), headers
            same("its agent", agent.name, json.loads(text)["agent"])
            code, headers, text = agent.get("/metrics")
            same(f"{agent.name} /metrics", 200, code)
            assert headers["Content-Type"].startswith("text/plain"), headers
            values = metrics_of(text)
            same(f"{agent.name} {live[agent.name]}", 1, values[live[agent.name]])
            run.measured(f"{agent.name}: {len(values)} metrics")
        plant.relay.kill()
        wait_for("the edge's metrics tell that the path is gone",
                 lambda: metrics_of(plant.edge.get("/metrics")[2])["sallyport_path_live"] == 0, 35)
        plant.relay.start()


@claim("HTTP refuses foreign Host names, methods that change things, unknown paths, long headers",
       beside=True)
def http_refuses(run):
    with Plant(run) as plant:
        for agent in plant.agents:
            agent.start()
        for agent in plant.agents:
            name = agent.name
            for path in ("/status", "/metrics", "/healthz"):
                code, _, text = agent.get(path, host="evil.example")
                same(f"{name} {path}, Host: evil.example", 421, code)
                assert len(text) < 100 and agent.name not in text, text
            same(f"{name}, Host: localhost", 200, agent.get("/status", host="localhost")[0])
            for host in ("127.0.0.1.evil.example", "localhost.evil.example", "evil.example:9101"):
                same(f"{name}, Host: {host}", 421, agent.get("/status", host=host)[0])
            line = status_line(agent, b"GET /status HTTP/1.1\r\n\r\n")
            assert line.split(" ")[1] in ("400", "421"), f"{name}, no Host: {line}"
            for method in ("POST", "PUT", "DELETE", "OPTIONS"):
                code, headers, _ = agent.get("/status", method=method)
                same(f"{name} {method}", (405, "GET"), (code, headers.get("Allow")))
            same(f"{name} /nothing", 404, agent.get("/nothing")[0])
            same(f"{name} /../etc/passwd", 404, agent.get("/../etc/passwd")[0])
            host = f"Host: {HOST}\r\n".encode()
            line = status_line(agent, b"GET / HTTP/1.1\r\n" + host
                               + b"X: " + b"a" * 10_000 + b"\r\n\r\n")
            same(f"{name}, a header of 10 kB", "431", line.split(" ")[1])
            line = status_line(agent, b"POST /status HTTP/1.1\r\n" + host
                               + b"Content-Length: 5\r\n\r\nhello")
            assert line.split(" ")[1] in ("400", "405"), f"{name}, POST with a body: {line}"
            assert agent.status()["agent"] == name


def hop(agent, name):
    """One hop of an agent's status."""
    return next(one for one in agent.status()["hops"] if one["hop"] == name)


def destination(plant):
    return plant.edge.status()["destinations"][0]


def labelled(name, label, value):
    return f'sallyport_{name}{{{label}="{value}"}}'


def numbered(count, size):
    return ((f"plant/t{i % 50}", b"x" * size, False) for i in range(count))


def check_outage(run, plant, since):
    """What the edge, the it-agent and their health say while the relay is away."""
    status = wait_for("the edge says lost", lambda: (
        destination(plant)["state"] == "lost" and destination(plant)), 35)
    assert status["reason"], status
    age = status["oldest_unacknowledged_s"]
    assert 0 < age <= time.monotonic() - since + 1, age
    same("drain", 0, status["drain"]["progress"])
    same("the drain's end", None, status["drain"]["eta_s"])
    spool = plant.edge.status()["spool"]
    assert spool["seconds_until_full"] > 0 and spool["in_records_per_s"] > 0, spool
    values = metrics_of(plant.edge.get("/metrics")[2])
    same("destination_live", 0, values[labelled("destination_live", "destination", "hq")])
    assert values[labelled("destination_waiting_records", "destination", "hq")] > 1000
    assert values["sallyport_spool_until_full_seconds"] > 0
    assert values[labelled("hop_live", "hop", "edge → relay")] == 0
    code, _, text = plant.edge.get("/healthz")
    same("/healthz of the edge", 503, code)
    assert re.search(r"^edge → relay lost since \d\d:\d\d:\d\d \(.*\): ", text, re.M), text
    assert re.search(r"^hq lost since .*records wait, the oldest ", text, re.M), text
    code, _, text = plant.it.get("/healthz")
    same("/healthz of the it-agent", 503, code)
    assert "demo/line1 lost since" in text and "it → relay lost since" in text, text
    edge = plant.it.status()["edges"][0]
    assert edge["oldest_undelivered_s"] >= age - 3, (edge, age)
    _, printed, _ = plant.edge.verb("status", "-c", str(plant.edge.config))
    assert "NOT LIVE: 2 of 4 hops" in printed.splitlines()[0], printed
    assert printed.splitlines()[1].startswith("! edge → relay "), printed


@claim("during an outage and its drain every hop says its state, since when, why, and how long "
       "it takes", limit_s=150)
def outage_and_drain(run):
    count = 60_000
    with Plant(run).start() as plant:
        cut = time.monotonic()
        plant.relay.kill()
        publisher = Publisher(plant.edge_port, numbered(count, 1000), window=500, rate=10_000)
        publisher.start()
        wait_for("a backlog", lambda: plant.waiting_records() > 3000)
        time.sleep(2)
        check_outage(run, plant, cut)
        since = hop(plant.edge, "edge → relay")["since"]
        publisher.finish(120)
        same("since, some seconds later", since, hop(plant.edge, "edge → relay")["since"])
        plant.relay.start()
        drains = []
        wait_for("live again", lambda: drains.append(destination(plant)) or
                 drains[-1]["state"] == "live", 60, 0.02)
        seen = [one["drain"] for one in drains if one["drain"] and one["drain"]["progress"] > 0]
        run.measured(f"{len(seen)} looks at the drain, progress "
                     f"{[round(one['progress'], 2) for one in seen[:5]]}, left "
                     f"{[one['eta_s'] and round(one['eta_s'], 1) for one in seen[:5]]} s")
        assert seen, "no drain was seen"
        assert [one["progress"] for one in seen] == sorted(one["progress"] for one in seen), seen
        assert any(one["eta_s"] is not None for one in seen), seen
        plant.wait_drained()
        same("oldest when drained", None, destination(plant)["oldest_unacknowledged_s"])
        wait_for("all are healthy", lambda: all(
            agent.get("/healthz")[::2] == (200, "ok\n") for agent in plant.agents), 20)
        assert hop(plant.edge, "edge → relay")["since"] > since
        same("reconnects", 1, plant.edge.status()["relay"]["reconnects"])


@claim("the relay is healthy while nobody is connected, and names whom an agent misses", beside=True)
def relay_health(run):
    with Plant(run) as plant:
        plant.relay.start()
        same("nobody is connected", (200, "ok\n"), plant.relay.get("/healthz")[::2])
        plant.edge.start()
        text = wait_for("the relay says that the edge is alone", lambda: (
            plant.relay.get("/healthz")[0] == 503 and plant.relay.get("/healthz")[2]))
        assert re.fullmatch(r"edge demo/line1 alone since .*: no it-agent hq is connected.*\n",
                            text), text
        plant.it.start()
        plant.wait_live()
        same("both ends", (200, "ok\n"), plant.relay.get("/healthz")[::2])


class Watching:
    """`status --watch` of an agent, in a terminal or in a pipe; what it prints."""

    def __init__(self, agent, *words, terminal=False):
        ours, theirs = pty.openpty() if terminal else os.pipe()
        if terminal:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self._process = subprocess.Popen(
            [agent.program, "status", "-c", str(agent.config), "--watch", *words],
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL)
        os.close(theirs)
        self._ours, self._text = ours, b""
        # All the time: a pipe that nobody reads fills, and holds up who writes to it.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        try:
            while data := os.read(self._ours, 65536):
                self._text += data
        except OSError:
            pass  # a terminal whose other side is gone says EIO

    def text(self):
        return self._text.decode(errors="ignore")  # a character may be there in part

    def told(self):
        """Its lines, of JSON, as far as they are whole."""
        whole, _, _ = self.text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def interrupt(self):
        """Ctrl-C; gives the exit code. Then all that it printed is there."""
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(30)
        self._reader.join(30)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._reader.join(30)
        os.close(self._ours)


@claim("status --watch appends blocks in a pipe, says when the agent is away, and ends with 0 "
       "on Ctrl-C", beside=True)
def watch_in_a_pipe(run):
    with Plant(run) as plant, Watching(plant.edge) as watching, \
            Watching(plant.edge, "--json") as lines:
        wait_for("not running", lambda: "edge-agent: not running\n" in watching.text())
        plant.start()
        wait_for("it has come", lambda: re.search(r"UTC   live\n", watching.text()))
        wait_for("it has come, by the other", lambda: any(
            one.get("live") for one in lines.told()))  # each looks at moments of its own
        plant.relay.kill()
        wait_for("lost", lambda: re.search(r"^! edge → relay +lost +since", watching.text(), re.M))
        plant.edge.kill()
        mark = len(watching.text())
        wait_for("not running again", lambda: "not running" in watching.text()[mark:])
        assert "\x1b" not in watching.text()
        same("exit code", 0, watching.interrupt())
        same("exit code, --json", 0, lines.interrupt())
        same("the last line is whole", "\n", lines.text()[-1:])
        same("before the start", False, lines.told()[0]["running"])
        plant.edge.start()
        plant.relay.start()


@claim("status --watch repaints a terminal in place and never beyond its width", beside=True)
def watch_in_a_terminal(run):
    with Plant(run).start() as plant, Watching(plant.edge, terminal=True) as watching:
        wait_for("two paintings", lambda: watching.text().count("\x1b[H") >= 2)
        same("exit code", 0, watching.interrupt())
        paintings = watching.text().split("\x1b[H")
        same("before the first", "", paintings[0])
        for painting in paintings[1:]:
            assert painting.endswith("\x1b[J"), painting
            rows = painting.removesuffix("\x1b[J").split("\r\n")
            assert len(rows) == 6 and rows[-1] == "", rows
            for row in rows[:-1]:
                assert row.endswith("\x1b[K") and len(row) <= 100 + len("\x1b[K"), row
        assert "\x1b[2J" not in watching.text()
