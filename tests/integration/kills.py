"""The relay and the it-agent killed at random while data flows."""

import random
import time

import account
from claims import claim, same, wait_for
from harness import Plant
from mqtt_client import RETAIN_HANDLING_NEVER, Publisher, Subscriber, retained


@claim("kill -9 of the relay 20 times at random loses nothing, repeats nothing and keeps the order",
       limit_s=180, beside=True)
def relay_killed_often(run):
    kills = 1_000 if run.long else 20
    with Plant(run).start() as plant, Subscriber(plant.it_port, "plant/#") as subscriber:
        descriptors = (plant.edge.descriptors(), plant.it.descriptors())
        publisher = Publisher(plant.edge_port, account.items(), rate=500)
        publisher.start()
        longest = 0.0
        for _ in range(kills):
            time.sleep(random.uniform(0.05, 1.2))
            plant.relay.kill()
            time.sleep(random.uniform(0.0, 0.3))
            plant.relay.start()
            back, arrived = time.monotonic(), subscriber.count()
            if random.random() < 0.5:  # else it is killed again before, or while, sessions open
                wait_for("messages flow again", lambda: subscriber.count() > arrived, 30, 0.01)
                longest = max(longest, time.monotonic() - back)
        publisher.stop_publishing()
        publisher.finish()
        plant.wait_live()
        plant.wait_drained()
        account.wait_arrival(publisher, subscriber)
        run.within("longest time from the relay's return until messages flow", longest, 2.0)
        same("connections of device and subscriber", (1, 1),
             (publisher.connections, subscriber.connections))
        account.check(run, publisher, subscriber.messages)
        same("messages sent again by the device", 0, len(publisher.sent_again))
        wait_for(f"edge and it-agent have {descriptors} open descriptors again, at most",
                 lambda: all(now <= before for now, before in zip(
                     (plant.edge.descriptors(), plant.it.descriptors()), descriptors)), 15)


@claim("kill -9 of the it-agent while data flows repeats nothing, drains the edge, "
       "and keeps each newest value",
       limit_s=150, beside=True)
def it_agent_killed(run):
    kills = 4
    with Plant(run).start() as plant:
        subscriber = Subscriber(plant.it_port, "plant/#", again=True,
                                retain_handling=RETAIN_HANDLING_NEVER)
        publisher = Publisher(plant.edge_port, account.items(retain=True), rate=500)
        with subscriber:
            publisher.start()
            for kill in range(kills):
                time.sleep(random.uniform(0.8, 1.6))
                plant.it.kill()
                plant.it.start()
                wait_for("the subscriber is back", lambda: subscriber.connections == kill + 2, 20)
            time.sleep(1)
            publisher.stop_publishing()
            publisher.finish()
            plant.wait_live()
            plant.wait_drained()
            newest = {account.topic_of(n): account.payload_of(n) for n in range(publisher.sent)}
            wait_for("the last message arrives", lambda: subscriber.messages
                     and account.number_of(subscriber.messages[-1]) == publisher.sent - 1)
            tally = account.check(run, publisher, subscriber.messages, may_miss=True)
            run.measured(f"{len(tally.lost)} messages were handed over while there was no such "
                         "subscriber: sessions are in memory, so they end with it")
        late = retained(plant.it_port, "plant/#")
        same("what is retained in IT: the newest of each topic", newest,
             {topic: message.payload for topic, message in late.items()})
        same("gaps named by the it-agent", 0, plant.it.status()["downlink"]["missing_records"])
        run.measured(f"waiting_records {plant.waiting_records()}")


@claim("kill -9 of the it-agent and of the edge: applications and local clients with lasting sessions "
       "miss nothing", limit_s=150, beside=True)
def lasting_sessions(run):
    kills = 40 if run.long else 4
    with Plant(run).start() as plant:
        # QoS 1 as the records are: with QoS 2 they would be no more.
        application = Subscriber(plant.it_port, "plant/#", client="historian", again=True,
                                 lasting=True)
        panel = Subscriber(plant.edge_port, "plant/#", client="panel", again=True, lasting=True)
        publisher = Publisher(plant.edge_port, account.items(), rate=300)
        with application, panel:
            publisher.start()
            for _ in range(kills):
                for agent in (plant.it, plant.edge):
                    time.sleep(random.uniform(0.4, 1.2))
                    agent.kill()
                    agent.start()
            time.sleep(1)
            publisher.stop_publishing()
            publisher.finish()
            plant.wait_live()
            plant.wait_drained()
            for name, subscriber in (("application", application), ("panel", panel)):
                arrived = lambda: {account.number_of(message) for message in subscriber.messages}
                wait_for(f"every acknowledged message reaches the {name}",
                         lambda: set(publisher.acknowledged) <= arrived(), 90, 0.5)
                numbers = [account.number_of(message) for message in subscriber.messages]
                run.measured(f"{name}: {len(set(publisher.acknowledged))} acknowledged, "
                             f"{len(set(numbers))} delivered, "
                             f"{len(numbers) - len(set(numbers))} came again, "
                             f"{subscriber.connections} connections")
