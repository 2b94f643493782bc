"""The relay away while the plant goes on, and the edge killed in between."""

import time

import account
from claims import claim, same, wait_for
from harness import Plant
from mqtt_client import Publisher, Subscriber

WINDOW = 100
SERVING_AGAIN_S = 2.0   # the design's: after kill -9
DRAIN_BEGINS_S = 2.0    # and the handshakes' round trips


def first_arrival_after(subscriber, moment):
    return next((message.at for message in reversed(subscriber.messages[-50_000:])
                 if message.at > moment), None)


def kill_and_restart_edge(run, plant):
    plant.edge.kill()
    run.within("kill -9 of the edge until it serves again", plant.edge.start(), SERVING_AGAIN_S)


@claim("the edge killed with -9 while 2,000 messages a second come in during an outage "
       "loses nothing acknowledged",
       limit_s=240)
def relay_down_edge_killed(run):
    rate, outage_s = 2_000, 60 if run.long else 15
    with Plant(run).start() as plant, Subscriber(plant.it_port, "plant/#") as subscriber:
        publisher = Publisher(plant.edge_port, account.items(), window=WINDOW, rate=rate)
        began = time.monotonic()
        publisher.start()
        time.sleep(2)
        plant.relay.kill()
        before_outage = subscriber.count()
        cut = time.monotonic()
        time.sleep(outage_s / 3)
        kill_and_restart_edge(run, plant)
        time.sleep(max(0.0, cut + outage_s - time.monotonic()))
        during_outage = publisher.sent
        plant.relay.start()
        back = time.monotonic()
        wait_for("a message after the outage", lambda: first_arrival_after(subscriber, back),
                 60, 0.01)
        first = min(message.at for message in subscriber.messages if message.at > back)
        run.within("relay ready until the backlog begins to arrive", first - back, DRAIN_BEGINS_S)
        live_after = plant.wait_live()
        time.sleep(1)
        publisher.stop_publishing()
        publisher.finish()
        published_for = publisher.finished_at - began
        account.wait_arrival(publisher, subscriber)
        plant.wait_drained()
        run.measured(f"{publisher.sent / published_for:.0f} msg/s acknowledged over "
                     f"{published_for:.0f} s, {during_outage - before_outage} of them spooled "
                     f"in an outage of {outage_s} s, live again {live_after:.1f} s "
                     "after the first of them arrived")
        assert publisher.sent / published_for >= rate / 5, "the edge does not keep up"
        same("connections of the device", 2, publisher.connections)
        assert len(publisher.sent_again) <= WINDOW, len(publisher.sent_again)
        account.check(run, publisher, subscriber.messages)
        same("connections of the subscriber", 1, subscriber.connections)
        historical = sum(1 for message in subscriber.messages if "historical" in message.user)
        run.measured(f"{historical} records were marked historical")
        assert historical > 0, "a backlog of more than 10 s must be marked"
        same("gaps named by the it-agent", 0, plant.it.status()["downlink"]["missing_records"])


@claim("kill -9 of the edge while messages come in loses nothing acknowledged "
       "and repeats nothing of its own",
       smoke=True, beside=True)
def edge_killed(run):
    rate, kills = (200, 1) if run.smoke else (1_000, 5)
    with Plant(run).start() as plant, Subscriber(plant.it_port, "plant/#") as subscriber:
        publisher = Publisher(plant.edge_port, account.items(), window=WINDOW, rate=rate)
        publisher.start()
        for _ in range(kills):
            time.sleep(1.2)
            kill_and_restart_edge(run, plant)
        time.sleep(1.2)
        publisher.stop_publishing()
        publisher.finish()
        account.wait_arrival(publisher, subscriber)
        plant.wait_drained()
        same("connections of the device", kills + 1, publisher.connections)
        assert len(publisher.sent_again) <= kills * WINDOW
        account.check(run, publisher, subscriber.messages)
