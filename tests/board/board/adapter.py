"""Owns the life of brokers under test: format, start, stop, kill -9 and restart on the same data and ports.

The executables in adapters/ are its only users: they name a kind, the command line is the same for all.
Knows no suite.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

from . import features
from .cache import CACHE, compat_toolchain

USAGE = """usage: {name} start   DIR [key=value ...]   empties DIR, starts, prints host:port[,host:port...]
       {name} restart DIR                   starts again on the same data and ports, prints the same
       {name} stop    DIR                   orderly end
       {name} kill9   DIR                   SIGKILL all nodes

key=value are broker settings, given unchanged to every node ({{id}} becomes the node's id). Keys that begin with
"adapter." are read here:
  adapter.nodes=N     number of brokers (default 1; the first is also the controller)
  adapter.first_id=I  id of the first node (default 1)
  adapter.port=P      port of the first broker (others: P+1, ...); default: any free one
  adapter.heap=SIZE   JVM heap, where there is a JVM (default 768m)
  adapter.extra=NAME:PROTOCOL:PORT[,...]   more listeners, e.g. SASLP:SASL_PLAINTEXT:9093
  adapter.scram=SPEC[;SPEC]                users, as `kafka-storage format --add-scram` takes them
DIR/pid holds the pids, one line for each node; DIR/node-N.log what they say."""

CLUSTER_ID = "Ym9hcmQtY2x1c3Rlci0tLQ"

# Kafka's settings for quick tests on one node. {rf} is the number of nodes, at most 3.
SETTINGS = {
    "auto.create.topics.enable": "true",
    "num.partitions": "4",
    "default.replication.factor": "{rf}",
    "offsets.topic.replication.factor": "{rf}",
    "offsets.topic.num.partitions": "10",
    "transaction.state.log.replication.factor": "{rf}",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "10",
    "share.coordinator.state.topic.replication.factor": "{rf}",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "10",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.share.min.session.timeout.ms": "1000",
    "group.share.min.heartbeat.interval.ms": "100",
    "group.share.min.record.lock.duration.ms": "1000",
    "group.streams.min.session.timeout.ms": "1000",
    "group.streams.min.heartbeat.interval.ms": "100",
    "log.cleaner.backoff.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "16777216",
}

START_LIMIT_S = 90
STOP_LIMIT_S = 30

LOG4J = """status = error
appender.console.type = Console
appender.console.name = C
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.c.ref = C
"""


class Failed(Exception):
    """The broker cannot be started; the text says why."""


def free_port():
    """Below the range that the kernel gives to clients, so that it stays free across a restart."""
    for _ in range(200):
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Failed("no free port")


class Kafka:
    """Apache Kafka 4.4.0, from the jars that tests/compat installs."""

    archive = os.path.join(CACHE, "apache-kafka.jsa")

    def __init__(self, heap, dump=None):
        toolchain = compat_toolchain()
        self.heap = heap
        self.class_path = toolchain.class_path(toolchain.apache_kafka())
        self.log4j = os.path.join(CACHE, "log4j2.properties")
        self.dump = dump
        os.makedirs(CACHE, exist_ok=True)
        if not os.path.exists(self.log4j):
            draft = "%s.%d" % (self.log4j, os.getpid())
            with open(draft, "w") as handle:
                handle.write(LOG4J)
            os.rename(draft, self.log4j)

    def java(self, *arguments, heap="256m"):
        archive = "-XX:ArchiveClassesAtExit=" + self.dump if self.dump else "-XX:SharedArchiveFile=" + self.archive
        return ["java", "-Xmx" + heap, "-XX:+UseSerialGC", archive, "-Xshare:auto", "-Xlog:disable", "-Xlog:all=off",
                "-Dlog4j2.configurationFile=" + self.log4j, "-cp", self.class_path, *arguments]

    def prepare(self):
        """An archive of loaded classes, made once: halves the time of a start."""
        lock = self.archive + ".lock"
        if os.path.exists(self.archive) or self.dump:
            return
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
        except OSError:
            return
        directory, draft = os.path.join(CACHE, "archive-%d" % os.getpid()), self.archive + ".new"
        try:
            kind = Kafka(self.heap, dump=draft)
            start(kind, directory, [], out=None)
            kill(directory, signal.SIGTERM)
            if os.path.exists(draft):
                os.rename(draft, self.archive)
        finally:
            os.remove(lock)
            shutil.rmtree(directory, ignore_errors=True)

    def format(self, properties, is_controller, users):
        command = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties]
        command += ["--standalone"] if is_controller else []
        for user in users:
            command += ["--add-scram", user]
        done = subprocess.run(self.java(*command), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise Failed("format failed: " + done.stdout + done.stderr)

    def server(self, properties):
        return self.java("kafka.Kafka", properties, heap=self.heap)


class Klamm:
    """`klamm server -c FILE`, which formats an empty directory by itself."""

    def __init__(self, _heap):
        self.binary = compat_toolchain().klamm()

    def prepare(self):
        """Nothing to prepare."""

    def format(self, properties, is_controller, users):
        if users or not is_controller:
            raise Failed("one node without users is what the adapter can start")

    def server(self, properties):
        # Klamm refuses producers on a disk that is nearly full; how full the disk of this machine is is no part of a test.
        return [self.binary, "server", "-c", properties, "--set", "log.dir.full.percent=100"]


def node_settings(directory, at, nodes, controller_port, extra, settings):
    """The properties of one node."""
    listeners = ["PLAINTEXT://127.0.0.1:%d" % nodes[at]["port"]]
    listeners += ["%s://127.0.0.1:%d" % (name, int(port) + at) for name, _, port in extra]
    controller = "CONTROLLER://127.0.0.1:%d" % controller_port
    protocols = ["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT"] + ["%s:%s" % (name, proto) for name, proto, _ in extra]
    node_id = nodes[at]["id"]
    values = {
        "process.roles": "broker" if at else "broker,controller",
        "node.id": str(node_id),
        "controller.quorum.bootstrap.servers": "127.0.0.1:%d" % controller_port,
        "listeners": ",".join(listeners if at else listeners + [controller]),
        "advertised.listeners": ",".join(listeners),
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": ",".join(protocols),
        "log.dirs": os.path.join(directory, "data-%d" % node_id),
    }
    values.update({key: value.format(rf=min(len(nodes), 3)) for key, value in SETTINGS.items()})
    values.update({key: value.replace("{id}", str(node_id)) for key, value in settings.items()})
    return values


def start(kind, directory, words, out=sys.stdout):
    """Formats and starts; prints the bootstrap addresses."""
    ours, settings = {}, {}
    for word in words:
        key, _, value = word.partition("=")
        (ours if key.startswith("adapter.") else settings)[key] = value
    kind.heap = ours.get("adapter.heap", "768m")
    count, first = int(ours.get("adapter.nodes", "1")), int(ours.get("adapter.first_id", "1"))
    kill(directory, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    port = int(ours.get("adapter.port", "0"))
    nodes = [{"id": first + at, "port": port + at if port else free_port()} for at in range(count)]
    extra = [part.split(":") for part in ours.get("adapter.extra", "").split(",") if part]
    controller_port = free_port()
    for at, node in enumerate(nodes):
        node["properties"] = os.path.join(directory, "node-%d.properties" % node["id"])
        values = node_settings(directory, at, nodes, controller_port, extra, settings)
        with open(node["properties"], "w") as handle:
            handle.write("".join("%s=%s\n" % item for item in values.items()))
        users = [user for user in ours.get("adapter.scram", "").split(";") if user and not at]
        kind.format(node["properties"], not at, users)
    with open(os.path.join(directory, "adapter.json"), "w") as handle:
        json.dump({"nodes": nodes, "heap": kind.heap}, handle)
    spawn(kind, directory, nodes, out)


def spawn(kind, directory, nodes, out=sys.stdout):
    """Starts every node and waits until each answers."""
    children = []
    for node in nodes:
        with open(os.path.join(directory, "node-%d.log" % node["id"]), "ab") as log:
            children.append(subprocess.Popen(kind.server(node["properties"]), stdout=log, stderr=log, cwd=directory,
                                             stdin=subprocess.DEVNULL, start_new_session=True))
    with open(os.path.join(directory, "pid"), "w") as handle:
        handle.write("".join("%d\n" % child.pid for child in children))
    deadline = time.monotonic() + START_LIMIT_S
    for node, child in zip(nodes, children):
        while not features.answers("127.0.0.1:%d" % node["port"]):
            if child.poll() is not None or time.monotonic() > deadline:
                kill(directory, signal.SIGKILL)
                with open(os.path.join(directory, "node-%d.log" % node["id"]), errors="replace") as log:
                    raise Failed("node %d did not come up:\n%s" % (node["id"], log.read()[-1500:]))
            time.sleep(0.05)
    if out:
        print(",".join("127.0.0.1:%d" % node["port"] for node in nodes), file=out, flush=True)


def is_running(pid):
    try:
        with open("/proc/%d/stat" % pid) as handle:
            return handle.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def kill(directory, sign):
    """Ends the nodes of `directory`, if there are any; what does not go in time is killed."""
    path = os.path.join(directory, "pid")
    try:
        with open(path) as handle:
            pids = [int(word) for word in handle.read().split()]
    except OSError:
        return
    for pid in reversed(pids):
        if is_running(pid):
            os.kill(pid, sign)
    deadline = time.monotonic() + STOP_LIMIT_S
    while any(map(is_running, pids)):
        if time.monotonic() > deadline:
            for pid in filter(is_running, pids):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    try:
        os.remove(path)
    except OSError:
        pass


def main(name, kind):
    """The command line of an adapter; returns the exit code."""
    if len(sys.argv) < 3 or sys.argv[1] not in ("start", "restart", "stop", "kill9"):
        print(USAGE.format(name=name), file=sys.stderr)
        return 2
    operation, directory = sys.argv[1], os.path.abspath(sys.argv[2])
    try:
        if operation == "stop":
            kill(directory, signal.SIGTERM)
        elif operation == "kill9":
            kill(directory, signal.SIGKILL)
        else:
            run(kind, operation, directory)
    except Failed as reason:
        print("%s: %s" % (name, reason), file=sys.stderr)
        return 1
    return 0


def run(kind, operation, directory):
    broker = kind("768m")
    broker.prepare()
    if operation == "start":
        return start(broker, directory, sys.argv[3:])
    with open(os.path.join(directory, "adapter.json")) as handle:
        state = json.load(handle)
    broker.heap = state["heap"]
    return spawn(broker, directory, state["nodes"])
