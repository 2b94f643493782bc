"""What does not grow."""

import time

import account
from chaos_proxy import ChaosProxy
from claims import claim, same, wait_for
from harness import HOST, Plant
from mqtt_client import Publisher, Subscriber

IDLE_MIB_MAX = 25
WARM_UP_CUTS = 40
KIB_FOR_ALL = 2_048       # what allocator and caches may still take after the warm-up …
KIB_A_RECONNECT = 1       # … and what a reconnect may


def usage(plant):
    return {agent.name: (agent.threads(), agent.descriptors(), agent.resident_kib())
            for agent in plant.agents}


@claim(f"an idle agent takes at most {IDLE_MIB_MAX} MiB", beside=True)
def idle_memory(run):
    with Plant(run).start() as plant:
        time.sleep(3)
        sizes = {agent.name: agent.resident_kib() / 1024 for agent in plant.agents}
        run.measured(", ".join(f"{name} {size:.1f} MiB" for name, size in sizes.items()))
        assert max(sizes.values()) <= IDLE_MIB_MAX, sizes


def links_opened(plant):
    edge, it = plant.edge.status(), plant.it.status()
    return edge["relay"]["links_opened"], it["relay"]["links_opened"]


def cut_and_return(plant, proxy):
    before = links_opened(plant)
    proxy.cut()
    wait_for("both agents have dialled again and the path is live", lambda: plant.is_live() and all(
        now > then for now, then in zip(links_opened(plant), before)), 60, 0.02)


@claim("300 reconnects leave threads, descriptors and memory as they were", limit_s=400)
def reconnects(run):
    """Both agents go through a proxy that resets them, so each cut makes two reconnects."""
    wanted = 10_000 if run.long else 300
    with Plant(run) as plant:
        through = plant.spare_port()
        for agent in (plant.edge, plant.it):
            plant.rewrite(agent, f"wss://{HOST}:{plant.relay_port}", f"wss://{HOST}:{through}")
        with ChaosProxy(through, plant.relay_port) as proxy:
            plant.start()
            began = time.monotonic()
            for _ in range(WARM_UP_CUTS):
                cut_and_return(plant, proxy)
            time.sleep(1)
            before, opened_before = usage(plant), sum(links_opened(plant))
            while sum(links_opened(plant)) - 2 < wanted:
                cut_and_return(plant, proxy)
            made = sum(links_opened(plant)) - opened_before
            wait_for("threads and descriptors are no more than they were",
                     lambda: all(now <= then for name in before for now, then in zip(
                         usage(plant)[name][:2], before[name][:2])), 15)
            after = usage(plant)
            run.measured(f"{sum(links_opened(plant)) - 2} reconnects "
                         f"in {time.monotonic() - began:.0f} s")
            for name, (threads, descriptors, kib) in after.items():
                grown = kib - before[name][2]
                run.measured(f"{name}: {threads} threads, {descriptors} descriptors, {kib} KiB, "
                             f"{grown:+d} KiB over the last {made} reconnects")
                assert grown <= KIB_FOR_ALL + made * KIB_A_RECONNECT, name
            check_flow(run, plant)


def check_flow(run, plant):
    with Subscriber(plant.it_port, "plant/#") as subscriber:
        publisher = Publisher(plant.edge_port, account.items(500))
        publisher.start()
        publisher.finish()
        wait_for("messages arrive after all that", lambda: subscriber.count() >= 500)
        same("messages", 500, subscriber.count())
        account.check(run, publisher, subscriber.messages)
