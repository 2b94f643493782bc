"""Start, stop and mistakes: exit codes and the one line that says what, where and what to do."""

import json
import os
import re
import shutil
import socket

from claims import claim, same
from harness import HOST, STOP_WITHIN_S, Plant

OK, FAILURE, USAGE, CONFIGURATION, IDENTITY, UNREACHABLE, STORAGE = 0, 1, 2, 3, 4, 5, 7


def complains(agent, code, pattern, *words):
    """The agent, called so, ends with this code and one line that matches; nothing was printed."""
    got, printed, said = agent.verb(*words)
    what = f"{agent.name} {' '.join(words)}"
    assert got == code, f"{what}: exit code {got}, expected {code}; it said {said!r}"
    lines = [line for line in said.splitlines() if line.strip()]
    found = [line for line in lines if re.search(pattern, line)]
    assert found, f"{what}: no line matches {pattern!r} in {said!r}"
    same(f"{what}: printed", "", printed)
    return found[0]


def runs_into(run, agent, code, pattern):
    line = complains(agent, code, pattern, "run", "-c", str(agent.config))
    run.measured(f"exit {code}: {line}")


@claim("SIGTERM ends each agent with exit code 0 within 5 s, and it starts again", beside=True)
def stops_in_order(run):
    with Plant(run).start() as plant:
        for agent in plant.agents:
            code, seconds = agent.stop()
            same(f"{agent.name}: exit code", 0, code)
            run.within(f"{agent.name}: SIGTERM until the end", seconds, STOP_WITHIN_S)
            agent.start()
        plant.wait_live()


@claim("a second process on the same data_dir ends with exit code 7 and names the first",
       beside=True)
def data_dir_in_use(run):
    with Plant(run).start() as plant:
        for agent in plant.agents:
            runs_into(run, agent, STORAGE, rf"data directory .* in use by process {agent.pid}\b")
        plant.wait_live()


@claim("a busy port ends with exit code 1 and its address is named", beside=True)
def busy_port(run):
    with Plant(run) as plant:
        for agent in plant.agents:
            for address in (agent.settings()["listener"][0]["address"],
                            agent.settings()["http"]["address"]):
                host, port = address.split(":")
                with socket.create_server((host, int(port))):
                    runs_into(run, agent, FAILURE, rf"{re.escape(address)}.*in use")


@claim("an unknown key, a later version's word and a bad value are errors with line and advice, "
       "exit code 3", beside=True)
def wrong_configuration(run):
    with Plant(run) as plant:
        edge, text = plant.edge, plant.edge.config.read_text()
        mistakes = (
            ('[[forward]]', 'class = "history"', 'clas = "history"',
             r"unknown key 'clas'.*'class'"),
            ('[spool]', 'max_bytes', 'max_byte', r"unknown key 'max_byte'.*'max_bytes'"),
            ('[[forward]]', 'class = "history"', 'payload = "sparkplug"',
             r"'sparkplug' is not in this version"),
            ('[spool]', '"1GiB"', '"1GB of disk"', r"max_bytes"),
            ('[agent]', '"line1"', '"Line 1"', r"name"),
            ('[relay]', 'wss://', 'http://', r"urls"),
        )
        for section, old, new, pattern in mistakes:
            before, rest = text.split(section, 1)
            edge.config.write_text(before + section + rest.replace(old, new, 1))
            line = 1 + edge.config.read_text().split(new)[0].count("\n")
            for verb in ("check-config", "run"):
                said = complains(edge, CONFIGURATION, rf"edge-agent\.toml:{line}\b.*{pattern}",
                                 verb, "-c", str(edge.config))
            run.measured(f"exit 3: {said.removeprefix(f'{plant.folder}/')}")
        edge.config.write_text("[agent\n")
        complains(edge, CONFIGURATION, r"edge-agent\.toml:1\b",
                  "check-config", "-c", str(edge.config))
        edge.config.unlink()
        complains(edge, CONFIGURATION, r"edge-agent\.toml.*No such file",
                  "run", "-c", str(edge.config))
        check_unreadable(run, plant.relay)


def check_unreadable(run, agent):
    """Root may read everything, so the file becomes a directory then."""
    if os.geteuid() == 0:
        agent.config.unlink()
        agent.config.mkdir()
    else:
        agent.config.chmod(0)
    runs_into(run, agent, CONFIGURATION, rf"{agent.name}\.toml.*cannot read")


@claim("a certificate of the wrong role, name or key in [tls] ends with exit code 4", beside=True)
def wrong_identity(run):
    with Plant(run) as plant:
        pki = plant.folder / "pki"
        certificate = (pki / "edge.crt").read_bytes(), (pki / "edge.key").read_bytes()

        def install(stem):
            shutil.copy(pki / f"{stem}.crt", pki / "edge.crt")
            shutil.copy(pki / f"{stem}.key", pki / "edge.key")

        install("it")
        runs_into(run, plant.edge, IDENTITY, r"role|it/hq")
        (pki / "edge.crt").write_bytes(certificate[0])
        runs_into(run, plant.edge, IDENTITY, r"edge\.key.*not the key")
        (pki / "edge.key").write_bytes(certificate[1])
        plant.rewrite(plant.edge, 'name = "line1"', 'name = "line9"')
        runs_into(run, plant.edge, IDENTITY, r"line9.*line1|line1.*line9")
        plant.rewrite(plant.edge, 'name = "line9"', 'name = "line1"')
        (pki / "edge.key").chmod(0o644)
        runs_into(run, plant.edge, IDENTITY, r"edge\.key")
        (pki / "edge.key").chmod(0o600)
        (pki / "edge.crt").unlink()
        runs_into(run, plant.edge, IDENTITY, r"edge\.crt")


@claim("check-config names the rules that decide on a topic, status ends with 5 when "
       "nobody answers", beside=True)
def asks(run):
    with Plant(run) as plant:
        for agent, word in ((plant.edge, "[[forward]] number 1"), (plant.relay, "'line1' to 'hq'"),
                            (plant.it, "emitted on plant/a")):
            code, printed, said = agent.verb("check-config", "-c", str(agent.config),
                                             "--topic", "plant/a")
            same(f"{agent.name} check-config", (OK, ""), (code, said))
            assert word in printed and printed.endswith(": ok\n"), printed
            code, printed, _ = agent.verb("version")
            same(f"{agent.name} version", OK, code)
            assert re.fullmatch(rf"{agent.name} \d+\.\d+\.\d+\S*\n", printed), printed
            complains(agent, UNREACHABLE, r"not running.*control\.sock",
                      "status", "-c", str(agent.config))
            complains(agent, USAGE, r".", "no-such-verb")
            complains(agent, USAGE, r"not in this version", "doctor")
        plant.start()
        for agent in plant.agents:
            code, printed, said = agent.verb("status", "-c", str(agent.config), "--json")
            same(f"{agent.name} status --json", (OK, "", agent.name),
                 (code, said, json.loads(printed)["agent"]))
            code, printed, _ = agent.verb("status", "-c", str(agent.config))
            same(f"{agent.name} status", OK, code)
            assert printed.startswith(f"{agent.name} ") and " live\n" in printed, printed
            code, printed, _ = agent.verb("status", "-c", str(agent.config), "--numbers")
            same(f"{agent.name} status --numbers", OK, code)
            assert f"agent: {agent.name}\n" in printed, printed
            same(f"{agent.name}, its http on {HOST}", 200, agent.get("/status")[0])
