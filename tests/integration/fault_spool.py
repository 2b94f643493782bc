"""Logs and stores that are damaged, old, cloned or gone: row 14 of the table of faults."""

import random
import shutil
import struct
import time

import account
from claims import claim, same, wait_for
from fault_disk import small_spool
from fault_ledger import big_ones, ledgered
from flow import Flow
from harness import HOST, Agent
from mqtt_client import Subscriber, publish_all

PROBED_WITHIN_S = 1.0 + 2.0  # the probe, and the next dial
HEADER_BYTES, ENTRY_HEAD_BYTES, ENTRY_MAGIC = 4096, 56, struct.pack("<I", 0xE5A110E5)


def segments(plant):
    """Files of the log with entries in them, the oldest first."""
    found = sorted((plant.folder / "data/edge").rglob("*.log"))
    return [path for path in found
            if path.open("rb").read(HEADER_BYTES + 4)[HEADER_BYTES:] == ENTRY_MAGIC]


def entries(path):
    """(offset, length) of each entry in a segment."""
    data, at, found = path.read_bytes(), HEADER_BYTES, []
    while data[at:at + 4] == ENTRY_MAGIC:
        body, local = struct.unpack_from("<II", data, at + 8)
        size = ENTRY_HEAD_BYTES + -(-body // 8) * 8 + -(-local // 8) * 8
        found.append((at, size))
        at += size
    return found


def write_at(path, at, data):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def flip_bit(path, at):
    with path.open("rb") as file:
        file.seek(at)
        byte = file.read(1)[0]
    write_at(path, at, bytes([byte ^ 1 << random.randrange(8)]))


def records_in(path, place):
    with path.open("rb") as file:
        file.seek(place[0] + 6)
        return struct.unpack("<H", file.read(2))[0]


def torn_tail(path, found):
    at, size = found[-1]
    write_at(path, at + size // 2, bytes(size - size // 2))


def zeroed_tail(path, found):
    at, size = found[-1]
    write_at(path, at, bytes(size))


def flipped_in_the_middle(path, found):
    at, size = found[len(found) // 2]
    flip_bit(path, at + random.randrange(size))


def flipped_in_the_tail(path, found):
    at, size = found[-1]
    flip_bit(path, at + random.randrange(size))


def garbage_behind(path, found):
    at, size = found[-1]
    write_at(path, at + size, ENTRY_MAGIC + random.randbytes(3_000))


def deleted(path, _found):
    path.unlink()


def header_flipped(path, _found):
    flip_bit(path, random.randrange(512))


# With the entry, by its place among all, whose records it may cost; None: all of the segment.
DAMAGES = ((torn_tail, -1), (zeroed_tail, -1), (flipped_in_the_middle, 0.5),
           (flipped_in_the_tail, -1), (garbage_behind, None), (header_flipped, None),
           (deleted, None))


def may_cost(path, found, damage, where):
    if damage is garbage_behind:
        return 0
    places = found if where is None else [found[-1 if where < 0 else int(len(found) * where)]]
    return sum(records_in(path, place) for place in places)


def spool_with_a_backlog(flow, seconds):
    """The line is cut, and what the device publishes piles up: some entries of it at least."""
    flow.edge_line.refuse = True
    flow.edge_line.cut()
    time.sleep(seconds)
    wait_for("a backlog of some entries", lambda: (found := segments(flow.plant))
             and len(entries(found[-1])) > 3, 30)


@claim("row 14: a torn, zeroed or flipped tail, damage in the middle, a deleted segment: the edge "
       "always starts, one entry is lost, the gap is named", limit_s=150, beside=True)
def fault_14_spool_damaged(run):
    """After kill -9, to a log that a cut line keeps from being sent."""
    rounds = 20 if run.long else 1
    with Flow(run, rate=400) as flow:
        plant, longest, allowed = flow.plant, 0.0, 0
        for damage, where in DAMAGES * rounds:
            spool_with_a_backlog(flow, 0.6)
            plant.edge.kill()
            path = segments(plant)[-1]
            found = entries(path)
            assert len(found) >= 3, f"{len(found)} entries in {path.name}"
            cost = may_cost(path, found, damage, where)
            damage(path, found)
            named = missing_of(plant)
            longest = max(longest, plant.edge.start())
            flow.edge_line.clear()
            flow.wait_flowing()
            allowed += cost
            run.measured(f"{damage.__name__}: {cost} records in it, "
                         f"{missing_of(plant) - named} named to the it-agent")
        # Of a segment that is gone nobody can tell how far it had numbered.
        tally = flow.end(may_miss=True, seqs_rise=False)
        named = ledgered(plant, "damaged", "torn-tail")
        run.measured(f"{len(tally.lost)} acknowledged messages were in what was damaged; "
                     f"{allowed} may have been; the ledger names {named}")
        assert len(tally.lost) <= allowed, (len(tally.lost), allowed)
        run.row("14", "spool damaged, then started", len(DAMAGES) * rounds, tally, longest, named)


def damage_old_one(path, how):
    if how == "deleted":
        path.unlink()
        return
    for at, size in entries(path):
        flip_bit(path, at + random.randrange(size))


@claim("row 14: a segment in the middle of the log deleted, and one with each entry flipped: the "
       "rest is delivered, and edge and it-agent both name the gap", limit_s=150, beside=True)
def fault_14_old_segment_gone(run):
    """Of a log of several segments; the ledger and the it-agent must both account for it."""
    with Flow(run, rate=50, prepare=small_spool) as flow:
        plant, allowed, lost, first = flow.plant, 0, 0, 0
        arrived = Subscriber(plant.it_port, "plant/big/#")
        with arrived:
            for how in ("deleted", "flipped") * (5 if run.long else 1):
                spool_with_a_backlog(flow, 0.3)
                publish_all(plant.edge_port, big_ones(first, 450), window=20, client="large")
                first += 450
                plant.edge.kill()
                files = segments(plant)
                assert len(files) >= 3, files
                # The last but one is all of this backlog's.
                path = files[-2]
                allowed += sum(records_in(path, place) for place in entries(path))
                damage_old_one(path, how)
                plant.edge.start()
                flow.edge_line.clear()
                flow.wait_flowing()
                plant.wait_drained()
            wait_for("the last one arrives", lambda: any(
                m.payload.startswith(b"%d:" % (first - 1)) for m in list(arrived.messages)), 30)
        numbers = [int(m.payload.split(b":")[0]) for m in arrived.messages]
        same("order, each once", sorted(set(numbers)), numbers)
        tally = flow.end(may_miss=True)
        lost = len(tally.lost) + first - len(numbers)
        named, told = ledgered(plant, "damaged"), missing_of(plant)
        run.measured(f"{allowed} records were in those segments; {lost} did not arrive, the ledger "
                     f"names {named}, the it-agent was told of {told}")
        assert 0 < lost <= allowed, (lost, allowed)
        assert lost <= named, "what did not arrive stands in the ledger"
        assert lost <= told, "the it-agent was told of what did not arrive"
        run.row("14", "old segment deleted, flipped", 2, tally, ledgered=named)


@claim("row 14: a payload that imitates an entry of the log is never taken for one, whatever is "
       "damaged around it", beside=True)
def fault_14_payload_imitates_entry(run):
    with Flow(run, rate=200) as flow:
        plant = flow.plant
        struck, allowed = 0, 0
        for _ in range(20 if run.long else 3):
            spool_with_a_backlog(flow, 0.3)
            path = segments(plant)[-1]
            at, size = random.choice(entries(path))
            copied = path.read_bytes()[at:at + size]
            publish_all(plant.edge_port, [("plant/imitation", copied * 3, False)], client="forger")
            time.sleep(0.1)
            plant.edge.kill()
            data = path.read_bytes()
            holding = [(start, length) for start, length in entries(path)
                       if copied in data[start + ENTRY_HEAD_BYTES:start + length]]
            assert holding, "no entry holds the imitation"
            allowed += records_in(path, holding[0])
            flip_bit(path, holding[0][0] + random.randrange(ENTRY_HEAD_BYTES))
            plant.edge.start()
            flow.edge_line.clear()
            flow.wait_flowing()
            struck += 1
        tally = flow.end(may_miss=True)
        assert len(tally.lost) <= allowed, (len(tally.lost), allowed)
        run.row("14", "entry imitated by a payload, its own damaged", struck, tally)


@claim("row 14: an older copy of the spool restored passes nothing new for old, and flows at once",
       limit_s=120, beside=True)
def fault_14_older_copy_restored(run):
    """Once shorter than the far side's position, once grown beyond it before they meet."""
    with Flow(run, rate=200) as flow:
        plant = flow.plant
        flow.device.stop_publishing()
        flow.device.finish()
        data, copy = plant.folder / "data/edge", plant.folder / "copy"
        sent, arrived = [], Subscriber(plant.it_port, "plant/copy/#")

        def publish(count):
            first = len(sent)
            sent.extend(range(first, first + count))
            publish_all(plant.edge_port, ((f"plant/copy/{n % 8}", b"%d" % n, False)
                                          for n in sent[first:]), client="copied")

        with arrived:
            publish(200)
            plant.wait_drained()
            plant.edge.stop()
            shutil.copytree(data, copy, ignore=shutil.ignore_patterns("*.sock"))
            for grown in (50, 900):
                if not plant.edge.is_running():
                    plant.edge.start()
                plant.wait_live()
                publish(300)
                plant.wait_drained()
                plant.edge.kill()
                shutil.rmtree(data)
                shutil.copytree(copy, data)
                flow.edge_line.refuse = True
                plant.edge.start()
                publish(grown)
                flow.edge_line.refuse = False
                plant.wait_live()
                plant.wait_drained()
            wait_for("all that was acknowledged arrives", lambda: set(sent) <= {
                int(m.payload) for m in list(arrived.messages)}, 30, 0.2)
        numbers = [int(m.payload) for m in arrived.messages]
        same("each identity once", len(numbers), len({m.identity for m in arrived.messages}))
        run.measured(f"{len(numbers)} arrivals of {len(sent)} messages after two restorations")
        run.row("14", "older copy of the spool restored", 2)


@claim("row 14: the it-agent's store lost, or restored from before: it starts, all that the log "
       "holds flows, and the present state is right", limit_s=120, beside=True)
def fault_14_store_lost_or_old(run):
    with Flow(run, rate=200, retain=True, again=True) as flow:
        plant = flow.plant
        data, copy = plant.folder / "data/it", plant.folder / "copy-it"
        plant.it.stop()
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("*.sock"))
        plant.it.start()
        flow.wait_flowing()
        for change in ("lost", "restored"):
            plant.it.kill()
            shutil.rmtree(data)
            if change == "restored":
                shutil.copytree(copy, data)
            else:
                data.mkdir(mode=0o700)
            plant.it.start()
            flow.wait_flowing()
            plant.wait_live()
            run.measured(f"store {change}: flows again, {missing_of(plant)} records named missing")
        flow.device.stop_publishing()
        flow.device.finish()
        plant.wait_drained()
        # A store that knows nothing of them is given again what the log still holds.
        flow.check_newest_retained()
        run.row("14", "it-agent's store lost, restored", 2)


def missing_of(plant):
    return plant.it.status()["downlink"]["missing_records"]


def damage_store(plant, how):
    """After an orderly end all is in store.db; after kill -9 much is in its write-ahead log."""
    store = plant.folder / "data/it/store.db"
    log = store.with_name("store.db-wal")
    if how.startswith("log"):
        plant.it.kill()
        store = log
    else:
        plant.it.stop()
    size = store.stat().st_size
    assert size >= 8192, f"{store.name} has {size} bytes"
    if how.endswith("header"):
        write_at(store, random.randrange(16), random.randbytes(8))
    elif how.endswith("page"):
        write_at(store, 4096 * random.randrange(1, size // 4096), random.randbytes(4096))
    elif how.endswith("truncated"):
        with store.open("r+b") as file:
            file.truncate(size // 2 + 100)


STORE_DAMAGES = ("log header", "log page", "log truncated", "store header", "store page",
                 "store truncated")


@claim("row 14: with a damaged store.db the it-agent starts and the present state is right again",
       limit_s=120, beside=True)
def fault_14_store_damaged(run):
    with Flow(run, rate=200, retain=True, again=True) as flow:
        plant, refusals = flow.plant, []
        for how in STORE_DAMAGES * (10 if run.long else 1):
            log = plant.folder / "data/it/store.db-wal"
            wait_for("the store has something",
                     lambda: log.exists() and log.stat().st_size >= 8192, 30)
            mark = plant.it.mark()
            damage_store(plant, how)
            try:
                plant.it.start()
            except AssertionError:
                refusals.append(f"{how}: {plant.it.log(mark).strip().splitlines()[-1]}")
                plant.it.end_anyhow()
                shutil.rmtree(plant.folder / "data/it")
                (plant.folder / "data/it").mkdir(mode=0o700)
                plant.it.start()
            try:
                flow.wait_flowing(30)
            except AssertionError:
                refusals.append(f"{how}: started, and nothing flows: {plant.it.status()}")
                plant.it.stop()
                shutil.rmtree(plant.folder / "data/it")
                (plant.folder / "data/it").mkdir(mode=0o700)
                plant.it.start()
                flow.wait_flowing()
            said = [line.split(" it-agent: ", 1)[-1] for line in plant.it.log(mark).splitlines()
                    if "store" in line]
            run.measured(f"{how}: {(said or ['started; said nothing of it'])[0]}")
        same("damages that it did not survive by itself", [], refusals)
        flow.device.stop_publishing()
        flow.device.finish()
        plant.wait_drained()
        flow.check_newest_retained()
        run.row("14", "store.db damaged, then started", len(STORE_DAMAGES))


@claim("rows 14, 17: the spool cloned to a second host: the newcomer is refused by name while the "
       "first answers, and takes its place when it does not", limit_s=120, beside=True)
def fault_17_identity_twice(run):
    with Flow(run, rate=200) as flow:
        plant = flow.plant
        clone_folder = plant.folder / "clone"
        clone_folder.mkdir()
        shutil.copytree(plant.folder / "pki", clone_folder / "pki")
        shutil.copytree(plant.folder / "data/edge", clone_folder / "data/edge",
                        ignore=shutil.ignore_patterns("*.sock", "*.pid", "lock*"))
        clone = Agent(run, "edge-agent", clone_folder)
        settings = plant.edge.config.read_text().replace(
            f"{HOST}:{plant.edge_port}", f"{HOST}:{plant.spare_port(6)}").replace(
            f"{HOST}:{plant.base + 11}", f"{HOST}:{plant.spare_port(7)}")
        clone.config.write_text(settings)
        mark = plant.relay.mark()
        clone.start()
        try:
            wait_for("the relay names the second one",
                     lambda: "duplicate" in plant.relay.log(mark) or "ALARM" in
                     plant.relay.log(mark), 20)
            time.sleep(2)
            alarm = [line for line in plant.relay.log(mark).splitlines() if "line1" in line]
            run.measured(alarm[0].split(" dmz-relay: ", 1)[-1])
            same("links of the first", "up", plant.edge.status()["relay"]["link"])
            flow.wait_flowing()
            plant.edge.freeze()
            began = time.monotonic()
            wait_for("the second takes the place of one that is silent",
                     lambda: clone.status()["relay"]["link"] == "up", 30)
            run.within("the first frozen until the second is in", time.monotonic() - began, 4.0)
            # It has the first one's past, and numbers of its own from here on.
            with Subscriber(plant.it_port, "plant/clone") as subscriber:
                publish_all(plant.spare_port(6), [("plant/clone", b"%d" % n, False)
                                                  for n in range(50)], client="clone")
                wait_for("what the second accepts arrives", lambda: subscriber.count() >= 50, 30)
                account.check_identities(subscriber.messages)
            same("its numbers", [b"%d" % n for n in range(50)],
                 [m.payload for m in subscriber.messages])
        finally:
            code, _ = clone.stop()
        same("exit code of the second", 0, code)
        plant.edge.thaw()
        recovered = flow.wait_flowing()
        tally = flow.end()
        run.row("17", "the same identity twice", 2, tally, recovered)


@claim("row 17: an edge restarted against its own half-open link is let in once that does not "
       "answer",
       beside=True)
def fault_17_own_half_open_link(run):
    with Flow(run, rate=200) as flow:
        line, longest = flow.edge_line, 0.0
        for _ in range(30 if run.long else 3):
            line.up.black_hole = line.down.black_hole = True
            time.sleep(0.3)
            flow.plant.edge.kill()  # its end of the connection is swallowed too
            line.clear()
            flow.plant.edge.start()
            longest = max(longest, flow.wait_flowing())
        run.within("edge ready until it flows", longest, PROBED_WITHIN_S)
        tally = flow.end()
        flow.check_no_gap()
        run.row("17", "edge back against its own half-open link", line.struck["swallowed"], tally,
                longest)
