"""The folder tree is the dependency diagram: includes point one way, and cores know no I/O."""

from source_tree import Finding, matches

# Lower rooms first; rooms of one rank do not know each other.
COMMON_RANKS = [
    {"base"},
    {"record"},
    {"mqtt", "sparkplug"},
    {"tunnel"},
    {"pki"},
    {"net", "storage"},
    {"config"},
    {"ops"},
]
STRANGERS = {frozenset({"mqtt", "tunnel"}), frozenset({"sparkplug", "tunnel"})}

AGENT_RANKS = {
    "edge-agent": [{"spool"}, {"ingest", "uplink"}, {"core"}, {"runtime"}, {"main"}],
    "dmz-relay": [{"policy"}, {"switch"}, {"core"}, {"runtime"}, {"main"}],
    "it-agent": [{"downlink", "emit"}, {"sinks"}, {"core"}, {"runtime"}, {"main"}],
}

CORE_ROOMS = {"common": {"base", "record", "mqtt", "sparkplug", "tunnel"}} | {
    agent: set.union(*ranks) - {"runtime", "main"} for agent, ranks in AGENT_RANKS.items()
}

# A core takes bytes and time as arguments. What would let it reach for them itself:
CORE_HEADERS = (
    "boost/asio", "boost/beast", "openssl/", "sqlite3", "thread", "mutex", "shared_mutex", "atomic",
    "condition_variable", "future", "random", "fstream", "filesystem", "iostream", "unistd.h",
    "fcntl.h", "sys/",
)
CORE_CALLS = r"::now\s*\(|\bstd::rand\b|\bs?rand\s*\(\s*\)|\bgetenv\b|\brandom_device\b"


def rank_in(ranks, room):
    for rank, rooms in enumerate(ranks):
        if room in rooms:
            return rank
    return None


def place(path):
    """('common', 'mqtt'), ('edge-agent', 'core'), ('edge-agent', 'main'), ('tests', 'unit'), …"""
    parts = path.split("/")
    if len(parts) == 2:
        return parts[0], parts[1].rsplit(".", 1)[0]
    return (parts[0], parts[1]) if len(parts) > 2 else ("", "")


def ordered(ranks, room, target_room):
    """None where the include is allowed, else why not."""
    own, other = rank_in(ranks, room), rank_in(ranks, target_room)
    if own is None or other is None:
        missing = room if own is None else target_room
        return f"the room {missing!r} has no rank in tests/tidy/direction.py"
    if room == target_room or other < own:
        return None
    return f"{room} may not include {target_room}: it stands " + (
        "beside it" if own == other else "above it"
    )


def why_refused(top, room, target_top, target_room):
    """Why a file in (top, room) may not include one in (target_top, target_room); None if it may."""
    if top == "tests":
        return None
    if target_top == "tests":
        return "only tests include tests"
    if target_top == "schemas":
        return None
    if target_top == "common":
        if top == "common":
            if frozenset({room, target_room}) in STRANGERS:
                return f"{room} and {target_room} do not know each other; the agents translate"
            return ordered(COMMON_RANKS, room, target_room)
        if room in CORE_ROOMS.get(top, ()) and target_room not in CORE_ROOMS["common"]:
            return f"the core {top}/{room} may not include common/{target_room}, which does I/O"
        return None
    if top == "common":
        return f"common never includes {target_top}"
    if top != target_top:
        return f"{top} never includes {target_top}"
    if top in AGENT_RANKS:
        return ordered(AGENT_RANKS[top], room, target_room)
    return None


def check_direction(tree):
    for path in tree.ending(".cpp", ".hpp"):
        top, room = place(path)
        for line, quote, target in tree.includes(path):
            generated = target.endswith(".capnp.h")
            if quote == '"' and not generated and not tree.has(target):
                yield Finding(
                    "include-direction", path, line,
                    f'"{target}" is not a path from the top of the project',
                )
                continue
            target_top, target_room = place(target)
            known = target_top in AGENT_RANKS or target_top in (
                "common", "deploy", "tests", "schemas"
            )
            if not known or (quote == "<" and not tree.has(target) and not generated):
                continue
            why = why_refused(top, room, target_top, target_room)
            if why:
                yield Finding("include-direction", path, line, f'includes "{target}": {why}')


def check_cores(tree):
    for path in tree.ending(".cpp", ".hpp"):
        top, room = place(path)
        if room not in CORE_ROOMS.get(top, ()):
            continue
        for line, _, target in tree.includes(path):
            for header in CORE_HEADERS:
                prefix = header.endswith("/") or header.startswith(("boost/", "sqlite3"))
                if target.startswith(header) if prefix else target == header:
                    yield Finding("core-purity", path, line, f"a core includes <{target}>")
        for line, words in matches(CORE_CALLS, tree.code(path)):
            yield Finding("core-purity", path, line, f"a core calls {words.rstrip('( ')!r}")
