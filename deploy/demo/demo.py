#!/usr/bin/python3
"""Starts the demo's processes, has the story told, and clears up. `run` starts this."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

try:
    import agents
    from agents import DemoError
    from interruption import Interrupted, Interruption
    from story import Story
except ModuleNotFoundError as missing:
    sys.exit(f"demo: Python's module {missing.name} is missing; install python3-paho-mqtt")


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"run: {message}; see --help\n")


def parse(arguments):
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--base-port", type=int, default=18800)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--bin", type=Path, default=HERE.parents[1] / "build" / "release" / "bin")
    parser.add_argument("--check", action="store_true", help="only check the arguments")
    options = parser.parse_args(arguments)
    lowest, highest = agents.BASE_PORT_MIN, agents.BASE_PORT_MAX
    if not lowest <= options.base_port <= highest:
        parser.error(f"--base-port must lie between {lowest} and {highest}")
    if not 0 < options.seconds <= 3600:
        parser.error("--seconds must lie between 0 and 3600")
    return options


def check(options):
    agents.check_ports_free(options.base_port)
    folder = options.dir
    if folder and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DemoError(f"{folder} exists and is not an empty folder; choose another --dir")


def leave_running(site):
    """The plant goes on as a process of its own; prints how to look and how to stop."""
    pids = [site.start_publisher(HERE / "plant.py")] + [agent.pid for agent in site.agents]
    look = f"mosquitto_sub -h {agents.HOST} -p {site.port(agents.IT_MQTT)} -V 5 -q 1"
    publish = f"mosquitto_pub -h {agents.HOST} -p {site.port(agents.EDGE_MQTT)} -q 1"
    print(f"""
left running in {site.folder}, logs in its log/
  values, with quality and times:  {look} -F '%t %p %P' -t 'plant/+/temperature/#'
  the state of the edge:           {look} -v -t 'sallyport/edges/#'
  the quality of each tag:         {look} -v -t 'sallyport/quality/#'
  what the edge says:              {site.edge.command("status")}
  a value of your own:             {publish} -t plant/mine -m 42
  to stop:                         kill {" ".join(map(str, pids))}; sleep 3; rm -r {site.folder}
""", flush=True)


def finish(story, options, account, failures):
    """The end of a story that was told to its end; the exit code."""
    story.close_clients()
    if options.keep:
        leave_running(story.site)
    else:
        failures = failures + story.site.stop()
    failures = account.failures() + failures
    for failure in failures:
        print(f"FAILED: {failure}", flush=True)
    print(account.line(), flush=True)
    return 1 if failures else 0


def perform(options, interruption):
    folder = options.dir or Path(tempfile.mkdtemp(prefix="sallyport-demo-"))
    site = agents.Site(options.bin, folder.absolute(), options.base_port, interruption)
    story, left_running = Story(site, options.seconds, interruption), False
    try:
        account, failures = story.tell()
        code = finish(story, options, account, failures)
        left_running = options.keep
        return code
    finally:
        interruption.ignore_from_now_on()
        if not left_running:
            story.close_clients()
            site.stop()
            if not options.dir:
                shutil.rmtree(folder, ignore_errors=True)


def main():
    options, interruption = parse(sys.argv[1:]), Interruption()
    interruption.watch()
    try:
        check(options)
        return 0 if options.check else perform(options, interruption)
    except BrokenPipeError:
        sys.stdout = None  # nobody reads it; its last flush would only complain
        return 1
    except (DemoError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except Interrupted as interrupted:
        print(f"demo: stopped by {interrupted}; nothing is left running", file=sys.stderr)
        return interrupted.exit_code


if __name__ == "__main__":
    sys.exit(main())
