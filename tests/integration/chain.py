"""One message from a device in OT to an application in IT, with mosquitto's clients."""

import re
import subprocess
import time

from claims import claim, needs, same, wait_for
from harness import Plant

RFC3339_NS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"


class Listening:
    """A mosquitto_sub that runs until it is left; its lines."""

    def __init__(self, plant, topic, version, line_format, *options):
        needs("mosquitto_sub")
        self._out = plant.folder / f"sub-{time.monotonic_ns()}.txt"
        self._command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(plant.it_port), "-t", topic,
                         "-V", version, "-F", line_format, *options]
        self._plant = plant

    def __enter__(self):
        before = self._subscriptions()
        with self._out.open("wb") as out:
            self._process = subprocess.Popen(self._command, stdout=out, stderr=subprocess.STDOUT,
                                             stdin=subprocess.DEVNULL)
        wait_for("mosquitto_sub has subscribed", lambda: self._subscriptions() > before)
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def _subscriptions(self):
        return self._plant.it.status()["broker"]["subscriptions"]

    def lines(self):
        """The whole ones: it may be writing another just now."""
        told, _, _ = self._out.read_text().rpartition("\n")
        return told.splitlines()

    def wait_line(self, timeout_s=20):
        return wait_for("mosquitto_sub prints the message", self.lines, timeout_s)[-1]


def publish(plant, topic, *options, version="mqttv5"):
    needs("mosquitto_pub")
    done = subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(plant.edge_port), "-V", version, "-t", topic,
         *options], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"mosquitto_pub: {done.stderr}"


@claim("a message published in OT arrives in IT with quality, source time and identity", smoke=True,
       beside=True)
def one_message(run):
    with Plant(run).start() as plant:
        with Listening(plant, "plant/#", "mqttv5", "%t|%q|%x|%P") as listening:
            began = time.monotonic()
            publish(plant, "plant/pump/speed", "-q", "1", "-m", "1480.5", "-D", "publish",
                    "user-property", "unit", "rpm",
                    "-D", "publish", "user-property", "quality", "forged")
            line = listening.wait_line()
            run.measured(f"mosquitto_pub to mosquitto_sub, clients' starts included: "
                         f"{time.monotonic() - began:.2f} s")
        topic, qos, payload, properties = line.split("|")
        same("topic", "plant/pump/speed", topic)
        same("QoS (subscribed with 0)", "0", qos)
        same("payload", b"1480.5".hex(), payload.lower())
        told = re.findall(r"([\w-]+):(\S+)", properties)
        names = [name for name, _ in told]
        same("properties, each once", sorted(set(names)), sorted(names))
        told = dict(told)
        same("quality", "Good", told["quality"])
        same("quality-code", "192", told["quality-code"])
        same("edge", "demo/line1", told["edge"])
        same("the device's own property", "rpm", told["unit"])
        assert re.fullmatch(RFC3339_NS, told["source-time"]), told["source-time"]
        assert re.fullmatch(r"[0-9a-f]{1,16}", told["epoch"]), told["epoch"]
        assert int(told["seq"]) >= 1
        assert "historical" not in told, told


@claim("an MQTT 3.1.1 subscriber gets the plain bytes", beside=True)
def plain_bytes(run):
    with Plant(run).start() as plant:
        with Listening(plant, "plant/#", "mqttv311", "%t|%x", "-q", "1") as listening:
            publish(plant, "plant/raw", "-q", "1", "-m", "plain", version="mqttv311")
            same("v3.1.1 to v3.1.1", f"plant/raw|{b'plain'.hex()}", listening.wait_line().lower())


@claim("a retained value reaches a late subscriber, and its clearing crosses too", beside=True)
def retained_value(run):
    with Plant(run).start() as plant:
        publish(plant, "plant/level", "-q", "1", "-r", "-m", "17")
        plant.wait_drained()
        for version in ("mqttv5", "mqttv311"):
            with Listening(plant, "plant/#", version, "%r|%t|%x") as listening:
                same(f"retained, {version}", f"1|plant/level|{b'17'.hex()}", listening.wait_line())
        publish(plant, "plant/level", "-q", "1", "-r", "-n")
        plant.wait_drained()
        with Listening(plant, "plant/#", "mqttv5", "%r|%t|%x") as listening:
            publish(plant, "plant/other", "-q", "1", "-m", "1")
            same("the first thing a later subscriber gets", f"0|plant/other|{b'1'.hex()}",
                 listening.wait_line())
