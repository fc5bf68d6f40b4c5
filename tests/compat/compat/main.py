"""Owns the command line: which suites run against which broker, and in what order.

A suite that needs other broker settings, or that kills the broker, starts its own on a fresh directory.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time

from . import brokers, clients, serve, toolchain
from .report import Report
from .suites import applets, compaction, directories, dump, flights, formatted, hostile, kill9, segments, smoke, swap, telemetry

SUITES = {"smoke": smoke, "flights": flights, "kill9": kill9, "dump": dump, "applets": applets, "formatted": formatted,
          "hostile": hostile, "directories": directories, "telemetry": telemetry, "compaction": compaction,
          "segments": segments, "swap": swap}


class Context:
    """What a suite is given: the report, a place for files, and brokers of the kind under test."""

    def __init__(self, kind, directory, only, seed, long):
        self.kind = kind
        self.directory = directory
        self.only = only
        self.seed = seed
        self.long = long
        self.report = Report()
        self.brokers = []

    def start_broker(self, name, **settings):
        """A running broker on an empty directory; ended with the run at the latest."""
        broker = brokers.broker(self.kind, os.path.join(self.directory, name))
        self.brokers.append(broker)
        broker.start(**settings)
        return broker

    def wanted(self, name):
        """Was the check `name` (suite or suite/part) asked for?"""
        return not self.only or any(name == o or name.startswith(o + "/") or o.startswith(name + "/") for o in self.only)

    def end(self):
        for broker in self.brokers:
            broker.stop_if_running()


def arguments():
    parser = argparse.ArgumentParser(
        prog="tests/compat/run",
        description="Runs foreign Kafka clients and Kafka's own tools against one broker.",
        epilog="Suites: %s. Parts: smoke/CLIENT and flights/CLIENT with CLIENT one of %s. Environment: KLAMM_BIN (the "
               "binary), KLAMM_TEST_CACHE (downloads, default ~/.cache/klamm-tests), KAFKA_LIBS (Kafka's jars)."
               % (", ".join(SUITES), ", ".join(clients.NAMES)))
    parser.add_argument("--broker", default="klamm", help="klamm (default), kafka (Apache Kafka 4.4.0) or host:port")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these suites or parts")
    parser.add_argument("--seed", type=int, default=None, help="random choices (default: from the clock; always printed)")
    parser.add_argument("--long", action="store_true", help="also the parts that take minutes (swap)")
    parser.add_argument("--install-only", action="store_true", help="install what the suites need and stop")
    parser.add_argument("--kafka-jars", action="store_true", help="print the folder of Apache Kafka's jars and stop")
    parser.add_argument("--serve", action="store_true", help="start the broker, say where it is, end with standard input")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="with --serve: settings of the broker")
    parser.add_argument("--heap", default="768m", help="with --serve: heap of Apache Kafka")
    parser.add_argument("--keep", metavar="DIR", help="keep data and logs in DIR")
    return parser.parse_args()


def install(wanted):
    """Everything that the wanted suites need, before the first broker starts."""
    for name in clients.NAMES:
        if any(wanted("%s/%s" % (suite, name)) for suite in ("smoke", "flights")):
            clients.command(name)
    if wanted("flights"):
        toolchain.flights()
    if wanted("kill9") or wanted("dump") or wanted("flights") or wanted("segments"):
        toolchain.python()
    if wanted("dump") or wanted("swap"):
        toolchain.kafka_tools()
    if wanted("swap"):
        toolchain.apache_kafka()
        toolchain.java()
    if wanted("applets"):
        toolchain.kafka_tool_driver()
        toolchain.kafka_broker_tool_driver()
        toolchain.klamm()
    if wanted("telemetry"):
        toolchain.java()
    if wanted("compaction"):
        toolchain.kafka_tools()
    if wanted("formatted") or wanted("compaction") or wanted("segments"):
        toolchain.apache_kafka()
        toolchain.klamm()


def main():
    asked = arguments()
    if asked.kafka_jars:
        print(toolchain.apache_kafka())
        return 0
    if asked.serve:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return serve.run(asked.broker, asked.set, asked.heap, asked.keep)
    for name in asked.only:
        if name.split("/")[0] not in SUITES:
            raise SystemExit("no suite %s; there are %s" % (name, ", ".join(SUITES)))
    seed = asked.seed if asked.seed is not None else int(time.time())
    directory = asked.keep or tempfile.mkdtemp(prefix="klamm-compat-")
    context = Context(asked.broker, os.path.abspath(directory), asked.only, seed, asked.long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        install(context.wanted)
        if asked.broker == "kafka":
            toolchain.apache_kafka()
        elif asked.broker == "klamm":
            toolchain.klamm()
        if asked.install_only:
            return 0
        print("broker %s, seed %d, files in %s" % (asked.broker, seed, directory), flush=True)
        for name, suite in SUITES.items():
            if context.wanted(name):
                context.report.check_suite(name, lambda suite=suite: suite.run(context))
        return context.report.close()
    except toolchain.Missing as reason:
        print("setup: cannot go on: %s" % reason, file=sys.stderr)
        return 2
    finally:
        context.end()
        if not asked.keep and not context.report.failures:
            shutil.rmtree(directory, ignore_errors=True)
