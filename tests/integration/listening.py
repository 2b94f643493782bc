"""What the agents open, seen from outside."""

import re
import stat
import subprocess

from claims import claim, needs, same
from harness import HOST, Plant

LOCAL_ADDRESS_COLUMN = {"t": 3, "u": 3, "x": 4}  # of `ss -Hn`, for TCP, UDP, unix


def listening_sockets(kind, pid):
    """Local addresses at which one process listens, for a kind of socket."""
    done = subprocess.run(["ss", f"-Hnlp{kind}"], capture_output=True, text=True, timeout=30,
                          check=True)
    return sorted(line.split()[LOCAL_ADDRESS_COLUMN[kind]] for line in done.stdout.splitlines()
                  if re.search(rf"\bpid={pid},", line))


def configured(agent):
    settings = agent.settings()
    return sorted([listener["address"] for listener in settings["listener"]]
                  + [settings["http"]["address"]])


@claim("each agent listens exactly where its file says, and on its control socket, mode 0600",
       beside=True)
def listens_where_told(run):
    needs("ss")
    with Plant(run) as plant:
        extra = f'\n[[listener]]\naddress = "{HOST}:{plant.spare_port()}"\ntransport = "ws"\n'
        with plant.edge.config.open("a") as config:
            config.write(extra)
        plant.start()
        for agent in plant.agents:
            same(f"{agent.name}, TCP", configured(agent), listening_sockets("t", agent.pid))
            same(f"{agent.name}, UDP", [], listening_sockets("u", agent.pid))
            path = plant.folder / agent.settings()["control"]["socket"]
            same(f"{agent.name}, unix", [str(path)], listening_sockets("x", agent.pid))
            same(f"{agent.name}, mode of {path.name}", 0o600, stat.S_IMODE(path.stat().st_mode))
            same(f"{agent.name}, {path.name} is a socket", True, stat.S_ISSOCK(path.stat().st_mode))
            mode_of_data_dir = stat.S_IMODE(path.parent.stat().st_mode)
            same(f"{agent.name}, data_dir for others", 0, mode_of_data_dir & 0o077)
            run.measured(f"{agent.name} listens on {', '.join(configured(agent))}, {path.name}")
