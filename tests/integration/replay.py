"""Samples of a real water circulation rig, replayed through all three agents.

The files (Skoltech Anomaly Benchmark) are no part of the project. Where the folder lies beside the
checkout they are used; where it does not, the test is skipped.
"""

import time
from pathlib import Path

from claims import Skipped, claim, same, wait_for
from harness import Plant
from mqtt_client import Subscriber, publish_all

FOLDER = Path(__file__).resolve().parents[2] / "../shared/data/skab"
ROWS = {"valve1-0.csv": None, "anomaly-free.csv": 2_000}  # rows without --long; None: all


def read_rows(name, most):
    """(topic, field as it stands in the file) for each column of each row, row by row."""
    lines = (FOLDER / name).read_bytes().split(b"\n")
    header, rows = lines[0].split(b";"), [line for line in lines[1:] if line]
    stem = name.removesuffix(".csv")
    topics = [f"skab/{stem}/{column.decode().strip()}" for column in header]
    for row in rows[:most]:
        fields = row.split(b";")
        assert len(fields) == len(topics), row
        yield from zip(topics, fields)


@claim("sensor rows replayed at QoS 1 come out byte for byte, in order per topic and overall",
       limit_s=180, beside=True)
def sensor_rows(run):
    if not all((FOLDER / name).is_file() for name in ROWS):
        raise Skipped("data folder absent")
    sent = [pair for name, most in ROWS.items()
            for pair in read_rows(name, None if run.long else most)]
    topics = {topic for topic, _ in sent}
    with Plant(run).start() as plant, Subscriber(plant.it_port, "skab/#") as subscriber:
        began = time.monotonic()
        publisher = publish_all(plant.edge_port, ((topic, field, False) for topic, field in sent),
                                window=100, timeout_s=600)
        acknowledged = time.monotonic() - began
        wait_for("all rows arrive", lambda: subscriber.count() >= len(sent),
                 600 if run.long else 120)
        plant.wait_drained()
        run.measured(f"{len(sent)} values of {len(topics)} topics; "
                     f"{len(sent) / acknowledged:.0f}/s acknowledged, "
                     f"all there after {time.monotonic() - began:.1f} s")
        same("connections of the publisher", 1, publisher.connections)
        arrived = [(message.topic, message.payload) for message in subscriber.messages]
        same("everything, in the order of publishing", sent, arrived)
        for topic in topics:
            same(f"{topic}, in order", [field for name, field in sent if name == topic],
                 [payload for name, payload in arrived if name == topic])
        identities = [message.identity for message in subscriber.messages]
        same("identities, each once", len(sent), len(set(identities)))
        same("one edge and epoch", 1, len({identity[:2] for identity in identities}))
        seqs = [seq for _, _, seq in identities]
        same("seqs without a hole", list(range(seqs[0], seqs[0] + len(seqs))), seqs)
