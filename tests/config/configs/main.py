"""Owns the run: both brokers on the same settings, each script sent to both, the differences, the verdict."""

import argparse
import os
import re
import shutil
import sys
import tempfile

from compat import brokers

from . import accepted, scripts, wire


def arguments():
    parser = argparse.ArgumentParser(
        prog="tests/config/run",
        description="Asks Apache Kafka 4.4.0 and Klamm the same about configurations and shows where they differ.",
        epilog="Environment: KLAMM_BIN (the binary), KLAMM_TEST_CACHE, KAFKA_LIBS (Kafka's jars).")
    parser.add_argument("--only", nargs="+", default=[], metavar="SCRIPT", help="of %s" % ", ".join(scripts.SCRIPTS))
    parser.add_argument("--record", metavar="DIR", help="write what each broker answered into DIR")
    parser.add_argument("--all", action="store_true", help="show accepted differences too")
    return parser.parse_args()


class Kafka(brokers.ApacheKafka):
    """Apache Kafka in a small heap: nothing here writes many records."""

    def __init__(self, directory):
        super().__init__(directory)
        self.heap = "384m"


def answers(kind, directory, script):
    """{step: lines} of one broker. A step that raises says so, so that the other broker's answer stands beside it."""
    broker = kind(directory)
    found = {}
    try:
        broker.start(**script.SETTINGS)
        hide = hider(broker)
        for name, step in script.steps(broker):
            try:
                with wire.Connection(broker.bootstrap, 30) as connection:
                    lines = step(connection)
            except (wire.wire.Closed, TimeoutError) as reason:
                lines = ["%s" % type(reason).__name__]
            found[name] = [hide(line) for line in lines]
        broker.stop()
    finally:
        broker.stop_if_running()
    return found


def hider(broker):
    """Replaces what must differ between two brokers on one machine, and what Java adds to a sentence."""
    with open(broker.properties) as handle:
        text = handle.read()
    controller = re.search(r"CONTROLLER://(127\.0\.0\.1:\d+)", text).group(1)
    pairs = [(broker.bootstrap, "BROKER"), (controller, "CONTROLLER"), (broker.directory, "DIRECTORY")]

    def hide(line):
        for old, new in pairs:
            line = line.replace(old, new)
        line = line.replace("requirement failed: ", "")
        line = re.sub(r"Invalid value org\.apache\.kafka\.common\.config\.ConfigException: (.*) for configuration Invalid "
                      r"dynamic configuration", r"\1", line)
        # Kafka lists names in the order of a hash table.
        return re.sub(r"(: )\[([^\]=]*, [^\]=]*)\](['\"])$", ordered, line)

    return hide


def ordered(match):
    return "%s[%s]%s" % (match.group(1), ", ".join(sorted(match.group(2).split(", "))), match.group(3))


def compare(name, kafka, klamm, show_accepted):
    """Prints differences; (unexplained, accepted) counts."""
    bad = fine = 0
    for step in kafka:
        theirs, ours = kafka[step], klamm.get(step, ["no such step"])
        missing = [("-", line) for line in theirs if line not in ours]
        added = [("+", line) for line in ours if line not in theirs]
        shown = []
        for sign, line in missing + added:
            reason = accepted.reason(name, step, sign, line)
            if reason is None:
                bad += 1
                shown.append("    %s %s" % (sign, line))
            else:
                fine += 1
                if show_accepted:
                    shown.append("    %s %s\n        accepted: %s" % (sign, line, reason))
        if not shown and sorted(theirs) == sorted(ours) and theirs != ours:
            bad += 1
            shown.append("    order differs: kafka %s, klamm %s" % (theirs[:5], ours[:5]))
        if shown:
            print("%s / %s" % (name, step))
            print("\n".join(shown), flush=True)
    return bad, fine


def record(folder, name, kind, found):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "%s.%s.txt" % (name, kind)), "w") as handle:
        for step, lines in found.items():
            handle.write("# %s\n%s\n" % (step, "\n".join(lines)))


def main():
    options = arguments()
    names = options.only or list(scripts.SCRIPTS)
    unknown = [name for name in names if name not in scripts.SCRIPTS]
    if unknown:
        sys.exit("no such script: %s (there are %s)" % (", ".join(unknown), ", ".join(scripts.SCRIPTS)))
    os.environ["KLAMM_LOG"] = "warn"  # as Kafka's root logger is set
    directory = tempfile.mkdtemp(prefix="klamm-config-")
    bad = fine = steps = 0
    try:
        for name in names:
            script = scripts.SCRIPTS[name]
            kafka = answers(Kafka, os.path.join(directory, "kafka"), script)
            klamm = answers(brokers.Klamm, os.path.join(directory, "klamm"), script)
            if options.record:
                record(options.record, name, "kafka", kafka)
                record(options.record, name, "klamm", klamm)
            more_bad, more_fine = compare(name, kafka, klamm, options.all)
            bad, fine, steps = bad + more_bad, fine + more_fine, steps + len(kafka)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    unused = accepted.unused() if not options.only else []
    for entry in unused:
        print("accepted difference that no longer occurs: %s" % entry)
    print("%d requests, %d unexplained differences, %d accepted ones" % (steps, bad, fine))
    return 1 if bad or unused else 0
