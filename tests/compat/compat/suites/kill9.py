"""kill -9 of the broker at random moments under load: whatever was acknowledged is there after the restart.

Two producers write all the while: an idempotent one (no duplicates, order kept) and a plain one with acks=all (nothing
lost). A consumer's committed offset and a topic created just before the kill are checked too.
"""

import os
import random
import selectors
import signal
import subprocess
import tempfile
import time

from .. import clients, toolchain, wire

ROUNDS = {"kafka": 3, "klamm": 6}
KINDS = ("idempotent", "plain")
PARTITIONS = 3
UNKNOWN_TOPIC, NOT_LEADER = 3, 6


def run(context):
    if not wants_process(context, "kill9"):
        return
    chance = random.Random(context.seed)
    broker = context.start_broker("kill9")
    writers = []
    for kind in KINDS:
        wire.create_topic(broker.bootstrap, kind, PARTITIONS)
        writers.append(Writer(broker.bootstrap, kind))
    try:
        for number in range(ROUNDS[context.kind]):
            context.report.check("kill9/round-%d" % (number + 1), lambda n=number: one_round(broker, writers, chance, n))
        for writer in writers:
            context.report.check("kill9/%s-ends" % writer.kind, writer.end)
    finally:
        for writer in writers:
            writer.kill()
    for writer in writers:
        context.report.check("kill9/%s-records" % writer.kind, lambda w=writer: prove(broker, w))
    context.report.check("kill9/stop", broker.stop)
    context.report.check("kill9/records-after-stop", lambda: after_stop(broker, writers))
    broker.stop_if_running()


def wants_process(context, name):
    if ":" in context.kind:
        context.report.skip(name, "needs a broker of its own to kill")
        return False
    return True


def one_round(broker, writers, chance, number):
    """Lets the writers run for a random time, kills, restarts; all writers must get acknowledgements again."""
    seconds = chance.uniform(0.3, 2.5)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pump(writers, 0.05)
    topic = "made-in-round-%d" % number
    wire.create_topic(broker.bootstrap, topic)
    with wire.Connection(broker.bootstrap) as connection:
        assert connection.produce(topic, wire.batch([b"last words"]))[0] == 0
    coordinator(broker, lambda connection: (connection.commit_offset("kill9", topic, number + 7), None))
    pump(writers, chance.uniform(0, 0.02))
    acknowledged = [len(writer.acknowledged) for writer in writers]
    broker.kill9()
    began = time.monotonic()
    broker.restart()
    took = time.monotonic() - began
    last_words(broker, topic)
    offset = coordinator(broker, lambda connection: connection.committed_offset("kill9", topic))
    assert offset == number + 7, "committed offset is %d, not %d" % (offset, number + 7)
    end = time.monotonic() + 30
    while any(len(w.acknowledged) <= before + 100 for w, before in zip(writers, acknowledged)):
        pump(writers, 0.1)
        assert time.monotonic() < end, "a producer got no acknowledgement within 30 s of the restart: %s" % [
            writer.errors() for writer in writers]
    return "killed after %.2f s with %s acknowledged, back in %.2f s" % (seconds, "+".join(map(str, acknowledged)), took)


def last_words(broker, topic):
    """The topic made just before the kill holds its one record. A node that has just started may not lead yet."""
    end = time.monotonic() + 10
    while True:
        with wire.Connection(broker.bootstrap) as connection:
            error, high, data = connection.fetch(topic, 0)
        if error not in (NOT_LEADER, UNKNOWN_TOPIC) or time.monotonic() > end:
            break
        time.sleep(0.02)
    assert (error, high) == (0, 1) and data.endswith(b"last words\0"), "topic %s: error %d, high watermark %d" % (
        topic, error, high)


def coordinator(broker, ask):
    """Asks for (error, answer) until the group's coordinator is loaded."""
    end = time.monotonic() + 15
    while True:
        with wire.Connection(broker.bootstrap) as connection:
            error, answer = connection.find_coordinator("kill9"), None
            if error == 0:
                error, answer = ask(connection)
        if error not in wire.COORDINATOR_ERRORS or time.monotonic() > end:
            assert error == 0, "coordinator answered %d" % error
            return answer
        time.sleep(0.02)


def pump(writers, seconds):
    """Takes what the writers say for about that long."""
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as ready:
        for writer in writers:
            ready.register(writer.child.stdout, selectors.EVENT_READ, writer)
        while True:
            for key, _ in ready.select(0.02):
                if not key.data.take():
                    raise AssertionError("writer %s ended: %s" % (key.data.kind, key.data.errors()))
            if time.monotonic() >= end:
                return


class Writer:
    """A producer process and all that was acknowledged to it."""

    def __init__(self, bootstrap, kind):
        self.kind = kind
        self.acknowledged = []
        self.rest = b""
        # A file and not a pipe: nobody reads along, and a full pipe would stop the client.
        self.talk = tempfile.TemporaryFile()
        self.child = subprocess.Popen(
            [toolchain.python(), os.path.join(clients.CLIENTS, "python", "client.py"), "write", bootstrap, kind, kind],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.talk, start_new_session=True)
        os.set_blocking(self.child.stdout.fileno(), False)

    def take(self):
        try:
            data = os.read(self.child.stdout.fileno(), 1 << 18)
        except BlockingIOError:
            return True
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        self.acknowledged += [tuple(map(int, line.split(b"\t"))) for line in lines]
        return bool(data)

    def end(self):
        """SIGTERM: the producer flushes all that it still holds."""
        self.child.send_signal(signal.SIGTERM)
        end = time.monotonic() + 60
        while self.take() and time.monotonic() < end:
            time.sleep(0.005)
        self.child.wait(10)
        assert self.child.returncode == 0, "ended with %d: %s" % (self.child.returncode, self.errors())
        return "%d acknowledged" % len(self.acknowledged)

    def errors(self):
        self.talk.seek(0)
        return self.talk.read().decode(errors="replace").strip()[-400:]

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()


def read_topic(broker, topic):
    """{(partition, offset): number} of all that the topic holds."""
    command = [toolchain.python(), os.path.join(clients.CLIENTS, "python", "client.py"), "read", broker.bootstrap, topic]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.returncode == 0, "reader ended with %d: %s" % (done.returncode, done.stderr[-400:])
    log = {}
    for line in done.stdout.splitlines():
        partition, offset, _key, value = line.split(b"\t", 3)
        log[int(partition), int(offset)] = int(value.split(b" ", 1)[0])
    return log


def prove(broker, writer):
    """Compares the topic with what was acknowledged."""
    log = read_topic(broker, writer.kind)
    lost = [ack for ack in writer.acknowledged if log.get(ack[:2]) != ack[2]]
    assert not lost, "%d of %d acknowledged records are not there, such as %s (there: %s)" % (
        len(lost), len(writer.acknowledged), lost[0], log.get(lost[0][:2]))
    for partition in range(PARTITIONS):
        offsets = sorted(offset for p, offset in log if p == partition)
        assert offsets == list(range(len(offsets))), "offsets of partition %d have gaps" % partition
        numbers = [log[partition, offset] for offset in offsets]
        if writer.kind == "idempotent":
            want = list(range(partition, PARTITIONS * len(numbers) + partition, PARTITIONS))
            wrong = next((i for i, pair in enumerate(zip(numbers, want)) if pair[0] != pair[1]), None)
            assert wrong is None, "partition %d has %s at offset %d, where %d should be" % (
                partition, numbers[wrong], wrong, want[wrong])
    twice = len(log) - len(set(log.values()))
    return "%d records, %d acknowledged, %d twice" % (len(log), len(writer.acknowledged), twice)


def after_stop(broker, writers):
    """The same proof after an orderly stop and a start."""
    broker.restart()
    return "; ".join(prove(broker, writer) for writer in writers)
