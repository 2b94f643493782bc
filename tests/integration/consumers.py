"""Applications named in `[sink] consumers`: what waits for them is waited for, down to the edge."""

import time

import account
from claims import claim, same, wait_for
from harness import Plant
from mqtt_client import V5, Connection, Subscriber, publish_all

MESSAGES = 8_000
QUEUE_MESSAGES = 400  # of a session
HELD_S = 2.0


def leave_subscribed(plant, client):
    connection = Connection(plant.it_port, client, V5, clean=False)
    connection.subscribe("plant/flow/#", 1)
    connection.next_packet()
    connection.disconnect()


def read_all(plant, client, is_all):
    """Comes back to its session and takes what is there."""
    subscriber = Subscriber(plant.it_port, "plant/flow/#", client=client, lasting=True)
    subscriber.start()
    wait_for(f"{client} has got what waited", lambda: is_all(subscriber.messages), 90)
    subscriber.__exit__(None, None, None)
    return [account.number_of(message) for message in subscriber.messages]


def consumer(plant):
    return plant.it.status()["consumers"][0]


def wait_settled(plant):
    """How many records wait at the edge, when what was on its way is there."""
    seen = []

    def is_settled():
        seen.append(plant.waiting_records())
        return len(seen) > 1 and seen[-1] == seen[-2]

    wait_for("as many records wait as before", is_settled, 30, HELD_S)
    return seen[-1]


@claim("row 31: a consumer away holds the tunnel and gets every message in order, over a kill of "
       "the it-agent; a session beside it loses its oldest, counted, and has each topic's newest",
       limit_s=180, beside=True)
def consumer_away_holds_the_tunnel(run):
    with Plant(run) as plant:
        plant.rewrite(plant.it, "\n[sink]", f"\n[broker]\nsession_queue_messages = {QUEUE_MESSAGES}"
                                            '\n\n[sink]\nconsumers = ["historian"]')
        plant.start()
        wait_for("it is said to have no session", lambda: "the consumer historian has no session"
                 in plant.it.log())
        for client in ("historian", "other"):
            leave_subscribed(plant, client)
        device = publish_all(plant.edge_port, account.items(MESSAGES), window=500)
        wait_for("the consumer holds", lambda: consumer(plant)["holding_since"])
        waiting = wait_settled(plant)
        assert waiting > MESSAGES / 2, f"only {waiting} records wait at the edge"
        time.sleep(HELD_S)
        same("records that wait at the edge, later", waiting, plant.waiting_records())
        held = consumer(plant)["waiting_messages"]
        assert QUEUE_MESSAGES / 2 < held < MESSAGES / 4, f"{held} messages wait for it"
        run.measured(f"{waiting} of {MESSAGES} records waited at the edge, {held} in its queue")
        wait_for("an alarm", lambda: "the consumer historian holds the edges since"
                 in plant.it.log())
        code, _, text = plant.it.get("/healthz")
        same("/healthz", 503, code)
        assert "consumer historian holding" in text, text
        dropped = plant.it.status()["broker"]["dropped_queue_full"]
        plant.it.kill()
        plant.it.start()
        wait_for("it holds after a start", lambda: consumer(plant)["holding_since"])
        began = time.monotonic()
        numbers = read_all(plant, "historian", lambda messages: len(messages) >= MESSAGES)
        plant.wait_drained()
        same("its messages, each once and in order", list(range(MESSAGES)), numbers)
        recovered = time.monotonic() - began
        dropped += plant.it.status()["broker"]["dropped_queue_full"]
        newest = MESSAGES - 1
        others = read_all(plant, "other", lambda messages: messages and account.number_of(
            messages[-1]) == newest)
        same("in order", sorted(set(others)), others)
        lacking = set(range(MESSAGES - account.TOPICS, MESSAGES)) - set(others)
        same("newest of a topic that the other lacks", set(), lacking)
        same("dropped from its queue, as counted", MESSAGES - len(others), dropped)
        same("sent again by the device", [], device.sent_again)
        run.row("31", "consumer away, its queue full", waiting, recovered_s=recovered)
