"""Disks that are full, fail or lie: rows 13, 26 and 40 of the table of faults."""

import errno
import random
import subprocess
import time
from collections import Counter
from contextlib import contextmanager

from claims import BOUND_FACTOR, claim, same, wait_for
from fault_shim import FaultShim
from flow import Flow
from mqtt_client import Subscriber, publish_all

SMALL_DISK = "192m"
RECOVERS_S = 2.0   # after the disk works again: tried every second
STALLED_AFTER_S = 6.0
NEVER_S = 12.0     # a sync hangs
SLOW_SYNC_S = 2.0
RARE = ("open", "allocate")
WRITE_CALLS = ("write", "sync", *RARE)


class SmallDisk:
    """One agent's data on a tmpfs of its own, so that it can be filled. Where nothing may be
    mounted, its calls are told instead that the disk is full."""

    def __init__(self, run, plant, name):
        self.folder = plant.folder / "data" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._run, self._agent = run, getattr(plant, name)
        self._ballast = self.folder / "ballast"
        self._shim = None

    @property
    def is_imitated(self):
        return self._shim is not None

    def __enter__(self):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK},mode=0700",
                               "tmpfs", self.folder], capture_output=True, text=True, check=False)
        if done.returncode:
            self._run.measured("no tmpfs can be mounted here: ENOSPC comes from the shim")
            self._shim = FaultShim(self._run, self._agent, str(self.folder))
        return self

    def __exit__(self, *_):
        if not self._shim:
            subprocess.run(["umount", "-l", self.folder], check=True)

    def fill(self):
        if self._shim:
            for call in ("write", "allocate"):
                self._shim.fail(call, errno.ENOSPC)
            return
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError as error:
                assert error.errno == errno.ENOSPC, error

    def free(self):
        if self._shim:
            self._shim.heal()
        else:
            self._ballast.unlink()


@contextmanager
def flow_on_small_disk(run, name, prepare=None, **options):
    """A Flow, and the small disk under one of its agents; unmounted whatever happens."""
    disks = []

    def mount(plant):
        if prepare:
            prepare(plant)
        disks.append(SmallDisk(run, plant, name).__enter__())

    try:
        with Flow(run, prepare=mount, **options) as flow:
            yield flow, disks[0]
    finally:
        for disk in disks:
            disk.__exit__()


def small_spool(plant):
    plant.rewrite(plant.edge, '"1GiB"', '"64MiB"')


@claim("row 13: a full disk under the edge: no ack for what is not on it, local traffic goes on, "
       "and it recovers when space returns", limit_s=120, beside=True)
def fault_13_disk_full(run):
    with flow_on_small_disk(run, "edge", small_spool, window=20_000) as (flow, disk):
        plant = flow.plant
        # Again and again: the spool gives up its reserve before it says so.
        wait_for("the spool says that its disk is full",
                 lambda: disk.fill() or plant.edge.status()["spool"]["failing"], 60)
        # What is acknowledged from here on must be on the disk, though it is full.
        time.sleep(1.5)
        plant.edge.kill()
        acknowledged = len(flow.device.acknowledged)
        try:
            if disk.is_imitated:  # it refuses to write over what is there, too: no disk does
                disk.free()
            plant.edge.start()
            run.measured(f"killed and started on a {'freed' if disk.is_imitated else 'full'} disk: "
                         "it is ready")
        finally:
            disk.free()
        began = time.monotonic()
        wait_for("acks come again", lambda: len(flow.device.acknowledged) > acknowledged, 30, 0.01)
        run.within("space returns until acks come", time.monotonic() - began, RECOVERS_S)
        recovered = flow.wait_flowing()
        tally = flow.end()
        flow.check_no_gap()
        run.row("13", "edge's disk full, killed on it", 1, tally, recovered)


@claim("row 13: a full disk under the it-agent: nothing is acknowledged to the edge, and all "
       "arrives when space returns", limit_s=120, beside=True)
def fault_13_it_disk_full(run):
    with flow_on_small_disk(run, "it", retain=True) as (flow, disk):
        plant = flow.plant
        disk.fill()
        wait_for("the it-agent says that its store refuses",
                 lambda: plant.it.status()["store_error"], 60)
        before = acknowledged_when_quiet(plant)
        time.sleep(1.5)
        same("acknowledged to the edge meanwhile", before, acknowledged_at_edge(plant))
        disk.free()
        recovered = flow.wait_flowing()
        run.within("space returns until it flows", recovered, RECOVERS_S)
        tally = flow.end()
        flow.check_no_gap()
        flow.check_newest_retained()
        run.row("13", "it-agent's disk full", 1, tally, recovered)


def acknowledged_at_edge(plant):
    return plant.edge.status()["destinations"][0]["acknowledged_seq"]


def acknowledged_when_quiet(plant):
    """When no Ack from before is on its way any more."""
    seen = []

    def is_quiet():
        seen.append(acknowledged_at_edge(plant))
        return len(seen) > 1 and seen[-1] == seen[-2]

    wait_for("no more Acks arrive", is_quiet, 20, 0.7)
    return seen[-1]


def wait_until_it_fails(shim, call, before):
    """The rare ones come with a new segment, and that with a failed sync of the one in use; the
    sync that fails may be another file's, so more than one try is made."""
    for _ in range(20):
        if call in RARE:
            shim.fail("sync", errno.EIO, times=1)
        ends = time.monotonic() + 2
        while time.monotonic() < ends:
            if shim.failed(call) > before:
                return
            time.sleep(0.01)
    raise AssertionError(f"{call} was never called")


@claim("row 13: EIO and ENOSPC at the N-th write, sync, open and allocation of the spool, once and "
       "for a while: nothing acknowledged is lost", limit_s=200, beside=True)
def fault_13_spool_errors(run):
    with Flow(run, window=2_000, shimmed="edge") as flow:
        plant, shim = flow.plant, flow.shim
        pid, longest, struck = plant.edge.pid, 0.0, Counter()
        for ahead in range(1, 41 if run.long else 2):
            for error in (errno.EIO, errno.ENOSPC, errno.EROFS):
                for call in WRITE_CALLS:
                    before = shim.failed(call)
                    shim.fail(call, error, ahead if run.long and call not in RARE else 1,
                              times=random.choice((1, 2)))
                    wait_until_it_fails(shim, call, before)
                    time.sleep(0.2)
                    struck[call] += shim.failed(call) - before
                    shim.heal()
                    longest = max(longest, flow.wait_flowing())
        run.measured(f"failed calls: {dict(struck)}; disk_errors "
                     f"{plant.edge.status()['spool']['disk_errors']}")
        same("it is the same process still", pid, plant.edge.pid)
        tally = flow.end()
        flow.check_no_gap()
        same("the device's connections", 1, flow.device.connections)
        run.row("13", "spool's write, sync, open or allocation fails", shim.failed(), tally,
                longest)


@claim("row 13: a sync that takes two seconds delays acks and nothing else", beside=True)
def fault_13_slow_sync(run):
    with Flow(run, window=1_000, shimmed="edge") as flow:
        plant, shim = flow.plant, flow.shim
        syncs = shim.count("sync")
        shim.delay("sync", SLOW_SYNC_S)
        slowest = 0.0
        ends = time.monotonic() + 6
        while time.monotonic() < ends:
            began = time.monotonic()
            assert plant.edge.get("/healthz")[0] == 200
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.05)
        struck = shim.count("sync") - syncs
        shim.heal()
        run.measured(f"the network thread answered within {slowest * 1e3:.0f} ms throughout")
        assert slowest < SLOW_SYNC_S * 0.8, f"the network thread waited {slowest:.2f} s for the disk"
        recovered = flow.wait_flowing()
        tally = flow.end()
        flow.check_no_gap()
        run.row("13", "each sync takes 2 s", struck, tally, recovered)


def state_at_edge(plant):
    return plant.edge.status()["destinations"][0]["state"]


@claim("rows 13, 40: a store of the it-agent that refuses everything for a while stalls the "
       "tunnel; nothing is lost or repeated when it recovers", limit_s=150, beside=True)
def fault_40_store_refuses(run):
    with Flow(run, retain=True, shimmed="it") as flow:
        plant, shim = flow.plant, flow.shim
        longest, links = 0.0, plant.it.status()["relay"]["links_opened"]
        for call, error, seconds in (("write", errno.EIO, 1), ("sync", errno.EIO, 1),
                                     ("write", errno.ENOSPC, 3600 if run.long else 8)):
            before = shim.failed(call)
            shim.fail(call, error)
            wait_for("the store refuses", lambda: shim.failed(call) > before
                     and plant.it.status()["store_error"], 20)
            time.sleep(seconds)
            if seconds >= STALLED_AFTER_S:  # the last one refuses until it is called so
                wait_for("the edge calls the path stalled", lambda: state_at_edge(plant)
                         in ("stalled", "behind"), STALLED_AFTER_S * BOUND_FACTOR)
            shim.heal()
            longest = max(longest, flow.wait_flowing())
        same("links opened meanwhile", links, plant.it.status()["relay"]["links_opened"])
        tally = flow.end()
        flow.check_newest_retained()
        flow.check_no_gap()
        run.row("40", "it-agent's store refuses", shim.failed(), tally, longest)


@claim("row 13: reads of the spool that fail during a drain are tried again, and nothing is lost",
       beside=True)
def fault_13_reads_fail(run):
    with Flow(run, rate=400, shimmed="edge") as flow:
        plant, shim = flow.plant, flow.shim
        flow.edge_line.refuse = True
        flow.edge_line.cut()
        time.sleep(1)
        plant.edge.kill()  # so that the backlog is on the disk alone
        plant.edge.start()
        struck, longest = 0, 0.0
        for times in (1, 3):
            before = shim.failed("read")
            shim.fail("read", errno.EIO, times=times)
            flow.edge_line.refuse = False
            wait_for("reads fail", lambda: shim.failed("read") >= before + times, 20, 0.01)
            longest = max(longest, flow.wait_flowing())
            struck += times
            shim.heal()
            flow.edge_line.refuse = True
            flow.edge_line.cut()
            time.sleep(1)
            plant.edge.kill()
            plant.edge.start()
        flow.edge_line.clear()
        tally = flow.end()
        flow.check_no_gap()
        run.row("13", "reads of the spool fail", struck, tally, longest)


@claim("row 19: a store of the it-agent that flaps loses and repeats nothing", beside=True)
def fault_19_sink_flaps(run):
    with Flow(run, retain=True, shimmed="it") as flow:
        shim = flow.shim
        for _ in range(300 if run.long else 8):
            shim.fail(random.choice(("write", "sync")), random.choice((errno.EIO, errno.ENOSPC)),
                      times=random.randint(1, 3))
            time.sleep(random.uniform(0.05, 1.0))
            shim.heal()
            time.sleep(random.uniform(0.0, 0.2))
        recovered = flow.wait_flowing()
        tally = flow.end()
        flow.check_newest_retained()
        flow.check_no_gap()
        run.row("19", "it-agent's store flaps", shim.failed(), tally, recovered)


@claim("row 19: a store of the it-agent that never answers stalls the path, which stays up, and "
       "nothing is lost or repeated when it answers", limit_s=150, beside=True)
def fault_19_sink_never_acks(run):
    with Flow(run, retain=True, shimmed="it") as flow:
        plant, shim = flow.plant, flow.shim
        links = plant.it.status()["relay"]["links_opened"]
        syncs = shim.count("sync")
        shim.delay("sync", NEVER_S)
        wait_for("a sync hangs", lambda: shim.count("sync") > syncs, 20, 0.01)
        before = acknowledged_at_edge(plant)
        wait_for("the edge calls the path stalled", lambda: state_at_edge(plant) == "stalled",
                 STALLED_AFTER_S * BOUND_FACTOR)
        struck = shim.count("sync") - syncs
        acknowledged = acknowledged_at_edge(plant)
        run.measured(f"acknowledged while it hung: up to {acknowledged}, before {before}")
        shim.heal()
        recovered = flow.wait_flowing()
        same("links opened meanwhile", links, plant.it.status()["relay"]["links_opened"])
        tally = flow.end()
        flow.check_newest_retained()
        flow.check_no_gap()
        run.row("19", "it-agent's store never answers", struck, tally, recovered)


@claim("row 13: EIO, ENOSPC and EROFS at the N-th write, sync and allocation of the it-agent's "
       "store, and slow syncs: nothing is lost or repeated", limit_s=200, beside=True)
def fault_13_it_store_errors(run):
    with Flow(run, retain=True, shimmed="it") as flow:
        plant, shim = flow.plant, flow.shim
        pid, longest, struck = plant.it.pid, 0.0, Counter()
        for ahead in range(1, 21 if run.long else 3):
            for error in (errno.EIO, errno.ENOSPC, errno.EROFS):
                for call in ("write", "sync"):
                    before = shim.failed(call)
                    shim.fail(call, error, ahead, times=random.choice((1, 2)))
                    wait_for(f"a {call} fails", lambda: shim.failed(call) > before, 20, 0.01)
                    time.sleep(0.1)
                    struck[call] += shim.failed(call) - before
                    shim.heal()
                    longest = max(longest, flow.wait_flowing())
        shim.delay("sync", 0.5)
        time.sleep(3)
        shim.heal()
        longest = max(longest, flow.wait_flowing())
        run.measured(f"failed calls: {dict(struck)}")
        same("it is the same process still", pid, plant.it.pid)
        tally = flow.end()
        flow.check_newest_retained()
        flow.check_no_gap()
        run.row("13", "it-agent's store: a write or sync fails", shim.failed(), tally, longest)


READ_ONLY_CALLS = ("open", "write", "allocate", "rename", "unlink")


def turns_read_only(run, name):
    with Flow(run, retain=True, shimmed=name, window=20_000) as flow:
        shim = flow.shim
        for call in READ_ONLY_CALLS:
            shim.fail(call, errno.EROFS)
        wait_for("it is struck", lambda: shim.failed("write") > 0, 20, 0.01)
        time.sleep(3)
        struck = shim.failed()
        shim.heal()
        recovered = flow.wait_flowing()
        tally = flow.end()
        flow.check_newest_retained()
        flow.check_no_gap()
        same("the device's connections", 1, flow.device.connections)
        run.row("13", f"disk of the {name}-agent read-only for 3 s", struck, tally, recovered)


@claim("row 13: a disk that turns read-only under the edge: no restart is needed when it turns "
       "back, and no device is disconnected", beside=True)
def fault_13_read_only_edge(run):
    turns_read_only(run, "edge")


@claim("row 13: a disk that turns read-only under the it-agent: no restart is needed when it turns "
       "back", beside=True)
def fault_13_read_only_it(run):
    turns_read_only(run, "it")


START_CALLS = ("open", "read", "write", "sync", "rename", "unlink", "allocate")
GENERAL, STORAGE = 1, 7  # exit codes; the first where only its control socket could not be made


def start_anyhow(agent, shim, refusals):
    """A start amid faults: it serves, or ends by itself with a code and a reason."""
    mark = agent.mark()
    try:
        agent.start()
    except AssertionError as error:
        reason = (agent.log(mark).strip().splitlines() or [""])[-1]
        code = STORAGE if "control socket" not in reason else GENERAL
        assert f"ended by itself with {code}" in str(error), f"{str(error)[:80]}: {reason}"
        refusals[reason.split("/plant/")[-1][:100]] += 1
        agent.end_anyhow()
        shim.heal()
        agent.start()
    else:
        time.sleep(0.2)
        shim.heal()


def errors_while_starting(run, name):
    """The line is cut, so that the log holds what a start amid faults may miss."""
    with Flow(run, retain=True, again=True, shimmed=name) as flow:
        plant, shim, refusals = flow.plant, flow.shim, Counter()
        agent, struck = getattr(plant, name), Counter()
        for ahead in range(1, 31 if run.long else 4):
            for call in START_CALLS:
                flow.edge_line.refuse = True
                flow.edge_line.cut()
                time.sleep(0.05)
                agent.kill()
                before = shim.failed(call)
                shim.fail(call, errno.EIO, ahead, times=1)
                start_anyhow(agent, shim, refusals)
                struck[call] += shim.failed(call) - before
                if name == "edge":  # what this start could not read, the next one can
                    agent.kill()
                    agent.start()
                flow.edge_line.clear()
        recovered = flow.wait_flowing()
        run.measured(f"failed: {dict(struck)}; refused starts: {dict(refusals)}")
        tally = flow.end(may_miss=name == "it")
        flow.check_newest_retained()
        flow.check_no_gap()
        run.row("13", f"a call fails while the {name}-agent starts", struck.total(), tally,
                recovered)


@claim("row 13: EIO at the N-th disk call of the edge's start: it serves, or says why not; the "
       "next start has everything", limit_s=200, beside=True)
def fault_13_edge_start_fails(run):
    errors_while_starting(run, "edge")


@claim("row 13: EIO at the N-th disk call of the it-agent's start: it serves, or says why not; "
       "the next start has the newest state", limit_s=200, beside=True)
def fault_13_it_start_fails(run):
    errors_while_starting(run, "it")


@claim("row 26: the spool's limit reached during a cut: the oldest go and are named, the newest of "
       "each tag arrives, and flow resumes", limit_s=150, beside=True)
def fault_26_queue_limit_reached(run):
    """With messages of 64 KiB, so that 64 MiB fill within seconds."""
    def items(first, count):
        return ((f"plant/big/{n % 4}", b"%d:" % n + bytes(60_000), True)
                for n in range(first, first + count))

    with Flow(run, rate=50, prepare=small_spool) as flow:
        plant = flow.plant
        with Subscriber(plant.it_port, "plant/big/#") as big:
            flow.edge_line.refuse = True
            flow.edge_line.cut()
            publisher = publish_all(plant.edge_port, items(0, 1_600), window=20, timeout_s=90,
                                    client="large")
            assert plant.edge.status()["spool"]["dropped_records"] > 0, plant.edge.status()["spool"]
            flow.edge_line.clear()
            recovered = flow.wait_flowing()
            same("the device's acks", 1_600, len(publisher.acknowledged))
            wait_for("the newest of each topic arrives", lambda: {1_596, 1_597, 1_598, 1_599} <= {
                int(m.payload.split(b":")[0]) for m in list(big.messages)}, 90, 0.3)
            publish_all(plant.edge_port, items(1_600, 8), client="large")
            wait_for("it flows still", lambda: any(
                m.payload.startswith(b"1607:") for m in list(big.messages)), 30)
        numbers = [int(m.payload.split(b":")[0]) for m in big.messages]
        same("order, each once", sorted(set(numbers)), numbers)
        tally = flow.end(may_miss=True)
        missing = plant.it.status()["downlink"]["missing_records"]
        edge = plant.edge.status()
        dropped, ledgered = edge["spool"]["dropped_records"], edge["counts"][0]["dropped"]
        lost = len(tally.lost) + 1_608 - len(numbers)
        run.measured(f"{dropped} dropped by the spool, {ledgered} of them in its ledger, {missing} "
                     f"named to the it-agent, {lost} of both devices' messages did not arrive")
        # Gaps lie around what was kept; what a kept record supersedes stands in the ledger alone.
        assert missing <= lost, "something was named that arrived"
        assert lost <= ledgered <= dropped, "what did not arrive stands in the ledger"
        run.row("26", "records dropped by a full spool", dropped, tally, recovered, ledgered)
