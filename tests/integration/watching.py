"""What an operator's browser and a monitoring system are given, and what they are not."""

import json
import socket

from claims import claim, same, wait_for
from harness import HOST, Plant


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


@claim("/healthz, /status and /metrics answer on each agent")
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


@claim("HTTP refuses foreign Host names, methods that change things, unknown paths, long headers")
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
