"""The npm client `mqtt` on both sides of the gateway, over TCP and over WebSocket."""

import json
import shutil
import subprocess
from pathlib import Path

from claims import Skipped, claim, same
from harness import HOST, Plant

FOLDER = Path(__file__).resolve().parent / "npm"
MESSAGES = 300


def install():
    """The pinned client; fetched once, by the lock file."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Skipped("no node or no npm here")
    if not (FOLDER / "node_modules/mqtt/package.json").exists():
        done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=FOLDER, timeout=150,
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"npm ci: {done.stderr[-800:]}"


def payload_of(number):
    return f"{number}:".encode() + bytes([0, 255, 254, number % 256])


def exchange(publish_url, subscribe_url, version, prefix):
    done = subprocess.run(
        ["node", "client.js", publish_url, subscribe_url, version, str(MESSAGES), prefix],
        cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{prefix}: {done.stderr[-800:]}"
    arrived = json.loads(done.stdout)
    same(f"{prefix}: messages", MESSAGES, len(arrived))
    for qos in (0, 1, 2):  # this client shows a QoS 2 message at its PUBREL: others overtake it
        expected = [[f"{prefix}/{n % 7}", payload_of(n).hex(), qos]
                    for n in range(qos, MESSAGES, 3)]
        mine = [message for message in arrived if message[2] == qos]
        same(f"{prefix}: QoS {qos}, in order", expected, [message[:3] for message in mine])
        if version == "5":
            seqs = [int(told["seq"]) for *_, told in mine]
            same(f"{prefix}: seqs in order, each once", sorted(set(seqs)), seqs)
    for number, (_, _, _, told) in enumerate(arrived):
        if version != "5":
            same(f"{prefix}: properties", {}, told)
            continue
        same(f"{prefix}: quality of message {number}", ("Good", "192", "demo/line1"),
             (told["quality"], told["quality-code"], told["edge"]))


@claim("npm's mqtt passes messages over tcp and ws, with MQTT 5.0 and 3.1.1", limit_s=240,
       beside=True)
def npm_mqtt(run):
    install()
    with Plant(run) as plant:
        for agent, port in ((plant.edge, plant.spare_port(0)), (plant.it, plant.spare_port(1))):
            with agent.config.open("a") as config:
                config.write(f'\n[[listener]]\naddress = "{HOST}:{port}"\ntransport = "ws"\n')
        plant.start()
        tcp = f"mqtt://{HOST}:{plant.edge_port}", f"mqtt://{HOST}:{plant.it_port}"
        ws = f"ws://{HOST}:{plant.spare_port(0)}/mqtt", f"ws://{HOST}:{plant.spare_port(1)}/mqtt"
        for version in ("5", "4"):
            exchange(*tcp, version, f"npm/tcp/{version}")
            exchange(*ws, version, f"npm/ws/{version}")
        run.measured(f"{4 * MESSAGES} messages")
