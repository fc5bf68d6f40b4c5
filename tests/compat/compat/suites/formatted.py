"""Directories that Kafka's kafka-storage formatted start in klamm, and those that klamm's applet formatted start in Kafka.

A topic made before a restart is there after it, and the cluster is the one that was asked for. `--broker` is not looked at:
both brokers take part. Never compares what the tools print; the suite applets does.
"""

import os
import subprocess

from .. import brokers, toolchain, wire

# Name, arguments of format, and whether controller.quorum.voters fixes the quorum.
CASES = (
    ("standalone", ["--standalone"], False),
    ("fixed quorum", ["--release-version", "3.9"], True),
    ("password", ["--standalone", "-S", "SCRAM-SHA-256=[name=alice,password=secret]"], False),
)
TURNS = ("klamm", "kafka", "klamm")


def run(context):
    for name, arguments, is_fixed in CASES:
        for tool in ("kafka", "klamm"):
            label = "formatted/%s by %s" % (name, tool)
            if context.wanted(label):
                context.report.check(label, lambda n=label, t=tool, a=arguments, f=is_fixed: start(context, n, t, a, f))


def start(context, label, tool, arguments, is_fixed):
    """Formats with one tool; then the brokers take turns on the directory."""
    directory = os.path.join(context.directory, label.replace("/", "-").replace(" ", "-"))
    bootstrap = None
    for turn, kind in enumerate(TURNS):
        broker = Formatted(kind, directory, tool, arguments, is_fixed)
        context.brokers.append(broker.process)
        bootstrap = broker.go_on(bootstrap) if bootstrap else broker.begin()
        wire.create_topic(bootstrap, "by-%d" % turn, 1)
        broker.process.stop()
        broker.process.restart()
        with wire.Connection(bootstrap) as connection:
            cluster, found = connection.cluster_and_topics()
        missing = [name for name in ("by-%d" % earlier for earlier in range(turn + 1)) if name not in found]
        assert not missing, "%s lost %s, it has %s" % (kind, missing, found)
        assert cluster == brokers.CLUSTER_ID, "%s says the cluster is %s" % (kind, cluster)
        broker.process.stop()
    return " then ".join(TURNS)


class Formatted:
    """A broker whose directory was formatted by the one or the other tool."""

    def __init__(self, kind, directory, tool, arguments, is_fixed):
        self.process = brokers.broker(kind, directory)
        if kind == "kafka":
            self.process.heap = "256m"
        self.process.format = self.format
        self.kafka = brokers.ApacheKafka(directory)
        self.tool = tool
        self.arguments = arguments
        self.is_fixed = is_fixed

    def begin(self):
        return self.process.start()

    def go_on(self, bootstrap):
        self.process.bootstrap = bootstrap
        return self.process.restart()

    def format(self):
        if self.is_fixed:
            self.fix_quorum()
        words = ["format", "-t", brokers.CLUSTER_ID, "-c", self.process.properties] + self.arguments
        command = (self.kafka.java("kafka.tools.StorageTool", *words) if self.tool == "kafka"
                   else [toolchain.klamm(), "kafka-storage", *words])
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, "format failed: " + done.stdout + done.stderr

    def fix_quorum(self):
        """Names the voters in the properties, where they name where to ask."""
        with open(self.process.properties) as handle:
            lines = handle.read().splitlines()
        key = "controller.quorum.bootstrap.servers="
        lines = ["controller.quorum.voters=1@" + line[len(key):] if line.startswith(key) else line
                 for line in lines]
        with open(self.process.properties, "w") as handle:
            handle.write("\n".join(lines) + "\n")
