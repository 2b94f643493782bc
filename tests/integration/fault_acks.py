"""What a device is told of what it sends: row 38 of the table of faults."""

import account
from claims import claim, wait_for
from fault_kills import restart_after_crash
from fault_shim import AFTER, BEFORE, MIDDLE
from flow import ARRIVAL_LIMIT_S, Flow
from mqtt_client import Subscriber

LOG, STORE = ".log", "broker.db"  # the two stores of an edge, by their files


def numbers_of(subscriber):
    return [account.number_of(message) for message in list(subscriber.messages)]


@claim("row 38: kill -9 of the edge between the log's sync and broker.db's commit, in both orders, "
       "has each QoS 2 message exactly once in each", limit_s=180, beside=True)
def fault_38_edge_killed_between_its_stores(run):
    """What was written outlives a kill: so `BEFORE` a write one store lacks what the other may
    have, and `AFTER` a sync it has what the other may lack."""
    points = ((LOG, "write", BEFORE), (LOG, "write", MIDDLE), (LOG, "sync", AFTER),
              (STORE, "write", BEFORE), (STORE, "write", MIDDLE), (STORE, "sync", AFTER))
    with Flow(run, qos=2, shimmed="edge") as flow:
        plant, shim, longest = flow.plant, flow.shim, 0.0
        panel = Subscriber(plant.edge_port, "plant/flow/#", qos=2, client="panel", again=True,
                           lasting=True)
        with panel:
            struck, first = 0, flow.device.sent  # older ones it may have missed
            for number in range(40 if run.long else 2):
                for store, call, moment in points:
                    plant.edge.kill()
                    shim.watch_path(store)
                    plant.edge.start()
                    flow.wait_flowing()
                    ahead = 1 + (7 * number + struck) % 23
                    longest = max(longest, restart_after_crash(run, plant.edge, shim,
                                                               (call, moment), ahead))
                    struck += 1
            flow.wait_flowing()
            tally = flow.end()
            acknowledged = {n for n in flow.device.acknowledged if n >= first}
            wait_for("every message is at the local subscriber",
                     lambda: acknowledged <= set(numbers_of(panel)), ARRIVAL_LIMIT_S, 0.2)
            for what, subscriber in (("local", panel), ("IT's", flow.application)):
                twice = account.repeated(numbers_of(subscriber))
                assert not twice, f"the {what} subscriber has twice: {sorted(twice)[:5]}"
        run.measured(f"{len(flow.device.sent_again)} sent again by the device, none is there twice")
        assert flow.device.sent_again, "no exchange was interrupted"
        run.row("38", "edge killed between its two stores, QoS 2", struck, tally, longest)
