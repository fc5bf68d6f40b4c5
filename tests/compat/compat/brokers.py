"""Owns the broker under test: start on an empty directory, stop, kill -9, restart on the same data and port.

One class per kind of broker, all with the same face, so that a suite never asks which one it talks to.
Never installs anything and knows no client.
"""

import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import time

from . import toolchain

CLUSTER_ID = "Y29tcGF0Q2x1c3Rlci0tLQ"

# Kafka's own settings, small enough for one node. Both brokers read the same file.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "num.partitions": "3",
    "group.initial.rebalance.delay.ms": "500",
    "log.cleaner.dedupe.buffer.size": "16777216",
}

LOG4J = """status = error
appender.console.type = Console
appender.console.name = C
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.c.ref = C
"""


def free_port():
    """A free port below the range that the kernel hands to clients, so that it stays free across a restart."""
    for _ in range(200):
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


def answers(bootstrap):
    """Does a broker answer ApiVersions there?"""
    host, port = bootstrap.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), 2) as connection:
            connection.settimeout(3)
            body = struct.pack(">hhih", 18, 0, 7, 2) + b"hi"
            connection.sendall(struct.pack(">i", len(body)) + body)
            got = b""
            while len(got) < 8:
                more = connection.recv(8 - len(got))
                if not more:
                    return False
                got += more
            return struct.unpack(">ii", got)[1] == 7
    except OSError:
        return False


class Process:
    """What the brokers that we start ourselves have in common."""

    name = ""
    can_be_killed = True

    def __init__(self, directory):
        self.directory = directory
        self.child = None
        self.bootstrap = None

    @property
    def data(self):
        return os.path.join(self.directory, "data")

    @property
    def properties(self):
        return os.path.join(self.directory, "server.properties")

    @property
    def log(self):
        return os.path.join(self.directory, "broker.log")

    def log_dirs(self, count):
        """Paths of so many log directories; the first is `data`."""
        return [self.data] + ["%s-%d" % (self.data, number) for number in range(1, count)]

    def start(self, directories=1, **settings):
        """Starts on so many empty log directories. Settings use `_` for `.`; returns host:port."""
        self.stop_if_running()
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        port, controller = free_port(), free_port()
        self.bootstrap = "127.0.0.1:%d" % port
        values = dict(SETTINGS, **{key.replace("_", "."): str(value) for key, value in settings.items()})
        values.update({
            "listeners": "PLAINTEXT://%s,CONTROLLER://127.0.0.1:%d" % (self.bootstrap, controller),
            "advertised.listeners": "PLAINTEXT://" + self.bootstrap,
            "controller.quorum.bootstrap.servers": "127.0.0.1:%d" % controller,
            "log.dirs": ",".join(self.log_dirs(directories)),
        })
        with open(self.properties, "w") as handle:
            handle.write("".join("%s=%s\n" % item for item in values.items()))
        self.format()
        return self.restart()

    def format(self):
        """Prepares the empty directory, where the broker needs that."""

    def command(self):
        raise NotImplementedError

    def restart(self):
        """Starts again on the same data and port; returns when it answers."""
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                          start_new_session=True, cwd=self.directory)
        deadline = time.monotonic() + 60
        while not (self.ready() and answers(self.bootstrap)):
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.stop_if_running()
                raise AssertionError("%s did not come up:\n%s" % (self.name, self.tail()))
            time.sleep(0.02)
        return self.bootstrap

    def ready(self):
        """Has the broker said that it is ready, where it says so?"""
        return True

    def tail(self, size=2000):
        with open(self.log, errors="replace") as handle:
            return handle.read()[-size:]

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def pid(self):
        return self.child.pid

    def resident_bytes(self):
        with open("/proc/%d/statm" % self.child.pid) as handle:
            return int(handle.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self, seconds=30):
        """Orderly end (SIGTERM); raises if the process does not go."""
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired as reason:
            self.kill9()
            raise AssertionError("%s did not stop within %d s of SIGTERM" % (self.name, seconds)) from reason

    def kill9(self):
        self.child.kill()
        self.child.wait()

    def stop_if_running(self):
        if self.alive():
            self.kill9()


class ApacheKafka(Process):
    """Apache Kafka 4.4.0, one combined node."""

    name = "kafka"

    def __init__(self, directory):
        super().__init__(directory)
        self.class_path = toolchain.class_path(toolchain.apache_kafka())
        self.heap = "768m"

    def java(self, *arguments):
        settings = os.path.join(self.directory, "log4j2.properties")
        if not os.path.exists(settings):
            with open(settings, "w") as handle:
                handle.write(LOG4J)
        return ["java", "-Xmx" + self.heap, "-XX:+UseG1GC", "-Xshare:auto", "-Dlog4j2.configurationFile=" + settings,
                "-cp", self.class_path, *arguments]

    def format(self):
        done = subprocess.run(self.java("kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER_ID, "-c",
                                        self.properties), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise AssertionError("format failed: " + done.stdout + done.stderr)

    def command(self):
        return self.java("kafka.Kafka", self.properties)


class Klamm(Process):
    """`klamm server -c FILE`: formats by itself and prints one JSON line when it is ready."""

    name = "klamm"

    def __init__(self, directory):
        super().__init__(directory)
        self.binary = toolchain.klamm()
        self.log_start = 0

    def command(self):
        # Klamm refuses producers on a disk that is nearly full; how full the disk of this machine is is no part of a test.
        return [self.binary, "server", "-c", self.properties, "--set", "log.dir.full.percent=100"]

    def restart(self):
        self.log_start = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        return super().restart()

    def ready(self):
        return self.event() is not None

    def event(self):
        """The line that says that the broker is ready; None before."""
        with open(self.log, "rb") as handle:
            handle.seek(self.log_start)
            for line in handle.read().splitlines():
                if line.startswith(b"{") and b'"ready"' in line:
                    event = json.loads(line)
                    assert event["event"] == "ready" and event["pid"] == self.child.pid, "ready line: %s" % event
                    return event
        return None


class Running:
    """A broker that someone else started: nothing of it can be killed or looked into."""

    name = "running"
    can_be_killed = False

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def start(self, **_settings):
        if not answers(self.bootstrap):
            raise AssertionError("no broker answers at " + self.bootstrap)
        return self.bootstrap

    def alive(self):
        return answers(self.bootstrap)

    def resident_bytes(self):
        return 0

    def stop_if_running(self):
        pass


def broker(kind, directory):
    """The broker that `--broker` names: klamm, kafka or host:port."""
    if kind == "kafka":
        return ApacheKafka(directory)
    if kind == "klamm":
        return Klamm(directory)
    if ":" in kind:
        return Running(kind)
    raise SystemExit("--broker takes klamm, kafka or host:port, not " + kind)
