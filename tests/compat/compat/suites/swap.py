"""One data directory, served by Apache Kafka and by Klamm in turn: nothing that either wrote is lost or changed.

One Java process stays alive all the while: its idempotent producers go on with the sequence they had, its groups with
the offset they committed, and what it sees of the cluster is compared after each exchange.
"""

import glob
import hashlib
import json
import os
import re
import subprocess
import time

from .. import brokers, clients, wire
from . import segments
from .dump import Tools
from .kill9 import wants_process

# Small internal topics, and a cleaner that does not let us wait.
SETTINGS = {
    "offsets_topic_num_partitions": 3,
    "transaction_state_log_num_partitions": 2,
    "share_coordinator_state_topic_num_partitions": 2,
    "log_cleaner_backoff_ms": 300,
}
# Features that Klamm carries along for Kafka and hides from clients.
CARRIED = ("group.version", "share.version", "streams.version", "transaction.version")
COMPACTED = ("compacted 0", "compacted 1", "compacted-soon 0", "compacted-soon 1", "compacted-deleted 0")
INTERNAL = re.compile(r"(record|range) __")


def run(context):
    if not wants_process(context, "swap"):
        return
    if context.wanted("swap/there-and-back"):
        ThereAndBack(context).run()
    for name, part in LONG.items():
        asked = "swap/" + name in context.only
        if asked or context.long and context.wanted("swap/" + name):
            part(context).run()
        elif not context.only:
            context.report.skip("swap/" + name, "with --long")


class Part:
    """A directory, the brokers that may serve it, and the client that stays."""

    name = ""

    def __init__(self, context):
        self.context = context
        self.directory = os.path.join(context.directory, "swap-" + self.name)
        self.kafka = brokers.ApacheKafka(self.directory)
        self.kafka.heap = "320m"
        self.other = brokers.broker(context.kind, self.directory)
        context.brokers += [self.kafka, self.other]
        self.client = None
        self.states = 0

    def run(self):
        try:
            self.steps()
        finally:
            for broker in (self.kafka, self.other):
                broker.stop_if_running()
            if self.client:
                self.client.kill()

    def check(self, name, action):
        """A check after which going on makes sense only if it passed."""
        if not self.context.report.check("swap/%s/%s" % (self.name, name), action):
            raise AssertionError("swap/%s cannot go on" % self.name)

    def begin(self, broker, extras=""):
        broker.start(**SETTINGS)
        self.client = Client(broker.bootstrap, self.directory)
        return self.client("fill " + extras)

    def state(self):
        """What a client sees: a set of lines."""
        self.states += 1
        path = os.path.join(self.directory, "state-%d" % self.states)
        self.client("state " + path)
        with open(path, encoding="utf-8") as handle:
            return set(handle.read().splitlines())

    def swap(self, old, new):
        """Stops one broker and starts the other on its directory and port."""
        old.stop()
        return self.start_on(old, new)

    def start_on(self, old, new):
        new.bootstrap = old.bootstrap
        began = time.monotonic()
        new.restart()
        return "%s after %.2f s" % (new.name, time.monotonic() - began)

    def exchange(self, old, new):
        """Exchanges brokers; the client must see the same before and after."""
        before = self.state()
        self.swap(old, new)
        return same(before, self.state())

    def exchange_killed(self, old, new):
        """The same after a kill -9. What recovery found can be read once it is durable, which may take a moment."""
        before = self.state()
        old.kill9()
        self.start_on(old, new)
        end = time.monotonic() + 15
        while True:
            try:
                return same(before, self.state())
            except AssertionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def wait_for_cleaner(self, beyond):
        """Waits until Kafka's cleaner has gone beyond this offset in every compacted partition of the client's."""
        path, end = os.path.join(self.kafka.data, "cleaner-offset-checkpoint"), time.monotonic() + 60
        while True:
            offsets = {}
            if os.path.exists(path):
                with open(path) as handle:
                    rows = [line.rsplit(" ", 1) for line in handle.read().splitlines()[2:]]
                offsets = {row[0]: int(row[1]) for row in rows if len(row) == 2}
            waiting = [name for name in COMPACTED if offsets.get(name, 0) <= beyond.get(name, 0)]
            if not waiting:
                return {name: offsets[name] for name in COMPACTED}
            assert time.monotonic() < end, "the cleaner did not get to %s" % waiting
            time.sleep(0.1)

    def fill_by_kafka(self):
        """A directory with everything in it that Kafka can put there."""
        self.begin(self.kafka, "transactions consumer-groups")
        cleaned = self.wait_for_cleaner({})
        self.client("compacted")
        self.wait_for_cleaner({**cleaned, "compacted-deleted 0": -1})
        return "the cleaner is at %s" % cleaned


class ThereAndBack(Part):
    """From Kafka to the other broker and back."""

    name = "there-and-back"

    def steps(self):
        self.check("fill", self.fill_by_kafka)
        if self.other.name == "klamm":
            self.check("refused-while-kafka-serves", self.refused_while_kafka_serves)
        before = self.state()
        self.check("stop", self.kafka.stop)
        kept = transaction_files(self.kafka.data)
        if self.other.name == "klamm":
            self.check("verified", self.verified)
            self.check("refused-untouched", self.refused_untouched)
        self.check("taken-over", lambda: self.start_on(self.kafka, self.other))
        self.check("same", lambda: same(before, self.state()))
        if self.other.name == "klamm":
            self.check("report", self.report)
        self.check("goes-on", lambda: self.client("continue 20"))
        self.check("same-in-kafka", lambda: self.exchange(self.other, self.kafka))
        self.check("transaction-files", lambda: unchanged(kept, transaction_files(self.kafka.data)))
        self.check("goes-on-in-kafka", lambda: self.client("continue 20"))
        self.check("open-transaction-commits", lambda: self.client("commit"))

    def refused_while_kafka_serves(self):
        text = refusal(self.other, [])
        assert "is used by another process" in text, text
        return self.client("continue 5")

    def verified(self):
        """Every file of Kafka's is as it should be, says klamm segment verify, and it touches none."""
        before = files(self.kafka.data)
        said = segments.whole(self.kafka.data)
        assert files(self.kafka.data) == before, "verify changed something"
        return said

    def refused_untouched(self):
        """Refusals that need no other directory than this one."""
        before = files(self.other.data)
        cases = {
            ("node.id=2", "controller.quorum.voters="): "belongs to node 1, and this is node 2",
            ("metadata.log.dir=" + os.path.join(self.directory, "elsewhere"),): "cannot be taken over",
        }
        seen = 0
        for settings, want in cases.items():
            text = refusal(self.other, settings)
            assert want in text and "nothing in it was touched" in text, text
            after = files(self.other.data)
            assert after == before, "changed: %s" % sorted(
                name for name in before.keys() | after.keys() if before.get(name) != after.get(name))[:5]
            seen += 1
        return "%d refusals" % seen

    def report(self):
        """What the node says that it found."""
        found = self.other.event()["found"]
        assert found["metadata_version"] == 33 and found["clean"] is True, found
        assert found["topics"] >= 15 and found["partitions"] >= 30 and found["bytes"] > 100_000, found
        assert sorted(found["carried_features"]) == sorted(CARRIED), found
        return json.dumps(found)


class Unclean(Part):
    """Kafka is killed while producers write and just after its cleaner has been at work; the other one recovers."""

    name = "unclean"

    def steps(self):
        self.check("fill", self.fill_by_kafka)
        for number in range(2):
            self.check("goes-on-%d" % number, lambda: self.client("continue 20"))
            self.check("same-%d" % number, lambda: self.exchange_killed(self.kafka, self.other))
            if self.other.name == "klamm":
                self.check("report-%d" % number, self.report)
            self.check("goes-on-after-%d" % number, lambda: self.client("continue 20"))
            self.check("back-%d" % number, lambda: self.exchange(self.other, self.kafka))
        self.check("open-transaction-commits", lambda: self.client("commit"))

    def report(self):
        found = self.other.event()["found"]
        assert found["clean"] is False and found["recovered_bytes"] > 0, found
        assert not found["cuts"] and not found["damaged"], found
        return json.dumps(found)


class Rounds(Part):
    """A directory that the other broker formatted goes to and fro, with writes at each stop; Kafka's tool reads it at the end."""

    name = "rounds"

    def steps(self):
        self.check("fill", lambda: self.begin(self.other))
        for number in range(3):
            self.check("to-kafka-%d" % number, lambda: self.exchange(self.other, self.kafka))
            self.check("kafka-goes-on-%d" % number, lambda: self.client("continue 20"))
            self.check("back-%d" % number, lambda: self.exchange(self.kafka, self.other))
            self.check("goes-on-%d" % number, lambda: self.client("continue 20"))
        self.check("stop", self.other.stop)
        self.check("nothing-of-ours-is-needed", self.nothing_left)
        self.check("segments", self.segments)

    def nothing_left(self):
        left = [name for name in files(self.other.data) if "klamm-wal" in name]
        assert not left, "write-ahead log after a clean stop: %s" % left

    def segments(self):
        """Every segment is read record by record, as are the indexes."""
        tools = Tools()
        logs = [path for path in glob.glob(os.path.join(self.other.data, "*", "*.log"))
                if os.path.getsize(path) and "__" not in path]
        text = tools.dump(logs, "--deep-iteration")
        indexes = [path for path in glob.glob(os.path.join(self.other.data, "*", "*.index")) if os.path.getsize(path)]
        tools.dump(indexes, "--index-sanity-check")
        return "%d segments, %d records, %d indexes" % (len(logs), text.count("| offset: "), len(indexes))


class Refused(Part):
    """Directories that Kafka wrote and Klamm must not touch. Those that Kafka 4.4 alone cannot write (newer versions, remote
    segments, several voters) are made by the tests of the broker's room `takeover`."""

    name = "refused"

    def steps(self):
        if self.other.name != "klamm":
            return
        self.check("fill", self.fill_some)
        self.check("stop", self.kafka.stop)
        meta = os.path.join(self.kafka.data, "meta.properties")
        with open(meta) as handle:
            good = handle.read()
        for name, bad, want in (
                ("zookeeper", "version=0\nbroker.id=1\ncluster.id=x\n", "only version 1 (KRaft) is known"),
                ("no-owner", None, "meta.properties")):
            os.remove(meta)
            if bad:
                with open(meta, "w") as handle:
                    handle.write(bad)
            self.check(name, lambda: self.untouched(want))
            with open(meta, "w") as handle:
                handle.write(good)
        os.rename(os.path.join(self.kafka.data, "__cluster_metadata-0"), os.path.join(self.directory, "aside"))
        self.check("no-metadata", lambda: self.untouched("a new one would orphan them"))
        os.rename(os.path.join(self.directory, "aside"), os.path.join(self.kafka.data, "__cluster_metadata-0"))
        self.check("kafka-still-starts", self.kafka.restart)

    def fill_some(self):
        self.kafka.start(**SETTINGS)
        wire.create_topic(self.kafka.bootstrap, "some", 2)

    def untouched(self, *wants):
        before = files(self.kafka.data)
        text = refusal(self.other, [])
        for want in wants + ("nothing in it was touched",):
            assert want in text, text
        assert files(self.kafka.data) == before, "the directory was changed"
        return [line for line in text.splitlines() if "cannot be taken over" in line][0][:160]


class Client:
    """The Java process that stays."""

    def __init__(self, bootstrap, directory):
        command, env = clients.command("java")
        self.errors = open(os.path.join(directory, "client.log"), "ab")
        self.child = subprocess.Popen(command[:-1] + ["Swap", bootstrap], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self.errors, text=True, env=dict(os.environ, **env), start_new_session=True)

    def __call__(self, command):
        self.child.stdin.write(command.strip() + "\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline().strip()
        assert answer.startswith("ok"), "%s: %s" % (command, answer or "the client ended")
        return answer[3:]

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.errors.close()


def same(before, after):
    """Compares two states. Internal topics may have grown, and Klamm shows fewer features than Kafka."""
    shown = lambda lines: {line for line in lines if not INTERNAL.match(line)
                           and not (line.startswith("feature ") and line.split()[1] in CARRIED)}
    lost, new = shown(before) - shown(after), shown(after) - shown(before)
    assert not lost and not new, "%d lines lost, such as %s; %d new, such as %s" % (
        len(lost), sorted(lost)[:3], len(new), sorted(new)[:3])
    inside = lambda lines: {line for line in lines if line.startswith("record __")}
    lost = inside(before) - inside(after)
    assert not lost, "%d records of internal topics lost, such as %s" % (len(lost), sorted(lost)[:3])
    return "%d lines, %d records of internal topics" % (len(shown(after)), len(inside(before)))


def files(directory, under=""):
    """{path: digest} of all that lies in a directory, or in those in it whose name begins with `under`. A broker that
    runs may take files away meanwhile; so where one does, only quiet directories may be asked for."""
    found = {}
    for folder, _, names in os.walk(directory):
        if not os.path.relpath(folder, directory).startswith(under):
            continue
        found[os.path.relpath(folder, directory)] = "directory"
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as handle:
                found[os.path.relpath(path, directory)] = hashlib.sha256(handle.read()).hexdigest()
    return found


def transaction_files(data):
    """Indexes of aborted transactions and producer snapshots of the topic with transactions."""
    found = files(data, "txn-")
    return {path: digest for path, digest in found.items() if re.search(r"\.(txnindex|snapshot)$", path)}


def unchanged(before, after):
    assert any(path.endswith(".txnindex") for path in before) and any(path.endswith(".snapshot") for path in before), before
    # An idle log is stopped with the snapshot it was started with, so none is new either.
    changed = [path for path in before if after.get(path) != before[path]]
    assert not changed, "gone or changed: %s" % changed
    return "%d files" % len(before)


def refusal(klamm, settings):
    """What the node says when it does not start."""
    command = klamm.command() + [word for setting in settings for word in ("--set", setting)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, cwd=klamm.directory)
    assert done.returncode != 0, "it started: %s" % done.stdout
    return done.stdout + done.stderr


LONG = {part.name: part for part in (Unclean, Rounds, Refused)}
