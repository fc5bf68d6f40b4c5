"""What is left of a compacted topic, in klamm and in Apache Kafka 4.4.0, of the same records.

Both brokers are given the same batches: values, tombstones, records of idempotent producers, plain and compressed. When both have
cleaned up to the active segment, the same records have to be left at the same offsets, and batches that were not
compressed again have to be the same bytes. Then Kafka's DumpLogSegments reads klamm's segments, and each broker goes on in the
other's directory. `--broker` is not looked at: both take part.
"""

import gzip
import os
import random
import shutil
import struct
import time

from .. import brokers, wire
from .dump import Tools

TOPICS = ("plain", "packed", "deleting")
CONFIGS = {"cleanup.policy": "compact", "segment.ms": 1000, "min.cleanable.dirty.ratio": "0.01", "segment.jitter.ms": 0}
SETTINGS = {"log_cleaner_backoff_ms": 100, "log_flush_offset_checkpoint_interval_ms": 200,
            "log_segment_delete_delay_ms": 1000}
BATCHES = 150
KEYS = 40
PRODUCERS = 3
WAIT_SECONDS = 60
GZIP, HORIZON = 1, 0x40
NOT_LEADER = 6


def run(context):
    if not context.wanted("compaction"):
        return
    pair = {}
    script = list(make_script(random.Random(context.seed)))
    for kind in ("klamm", "kafka"):
        pair[kind] = Cleaned(context, kind)
        context.report.check("compaction/" + kind, lambda c=pair[kind]: c.produce_and_wait(script))
    if not all(cleaned.left for cleaned in pair.values()):
        return
    context.report.check("compaction/same-records", lambda: same_records(pair, script))
    context.report.check("compaction/same-bytes", lambda: same_bytes(pair))
    for cleaned in pair.values():
        cleaned.broker.stop()
    tools = Tools()
    context.report.check("compaction/dump", lambda: dump(tools, pair["klamm"].broker))
    context.report.check("compaction/dump-indexes", lambda: dump_indexes(tools, pair["klamm"].broker))
    for kind, other in (("klamm", "kafka"), ("kafka", "klamm")):
        label = "compaction/%s-goes-on-after-%s" % (other, kind)
        context.report.check(label, lambda c=pair[kind], o=other: goes_on(context, c, o))


def make_script(chance):
    """(topic, batch) in the order in which they are produced; the last of each topic stays in the active segment."""
    start = int(time.time() * 1000) - 1_000_000
    for topic in TOPICS:
        sequences = [0] * PRODUCERS
        for number in range(BATCHES):
            records = []
            for _ in range(chance.randrange(1, 6)):
                key = b"key-%d" % min(chance.randrange(KEYS), chance.randrange(KEYS))
                is_tombstone = topic == "deleting" and chance.random() < 0.2
                records.append((key, None if is_tombstone else b"%d-" % number + b"v" * chance.randrange(200)))
            producer = chance.randrange(-2, PRODUCERS)
            identity = (-1, -1, -1)
            if producer >= 0:
                identity = (4000 + producer, 0, sequences[producer])
                sequences[producer] += len(records)
            codec = GZIP if topic == "packed" and chance.random() < 0.7 else 0
            yield topic, keyed(records, start + 400 * number, codec, identity)
        yield topic, keyed([(b"the last one", b"1")], start + 900_000, 0, (-1, -1, -1))


def keyed(records, timestamp, codec, identity):
    payload = b"".join(wire.record(index, value, key) for index, (key, value) in enumerate(records))
    if codec == GZIP:
        payload = gzip.compress(payload)
    tail = struct.pack(">hiqqqhii", codec, len(records) - 1, timestamp, timestamp, *identity, len(records)) + payload
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, wire.crc32c(tail)) + tail


class Cleaned:
    """One of the brokers, and what its topics hold once they are clean."""

    def __init__(self, context, kind):
        self.broker = brokers.broker(kind, os.path.join(context.directory, "compaction-" + kind))
        if kind == "kafka":
            self.broker.heap = "256m"
        context.brokers.append(self.broker)
        self.ends = {}
        self.left = {}

    def produce_and_wait(self, script):
        self.broker.start(**SETTINGS)
        for topic in TOPICS:
            wire.create_topic(self.broker.bootstrap, topic, 1, CONFIGS)
        with wire.Connection(self.broker.bootstrap) as connection:
            for topic, batch in script:
                error, offset = connection.produce(topic, batch)
                assert error == 0, "%s at %s: error %d" % (topic, self.ends.get(topic), error)
                self.ends[topic] = offset
            self.wait_until_clean()
            left = {topic: read(connection, topic) for topic in TOPICS}
        self.left = left
        return ", ".join("%d of %d records in %s" % (len(records_of(left[topic])), self.ends[topic] + 1, topic)
                         for topic in TOPICS)

    def wait_until_clean(self):
        """The last batch of each topic is alone in its segment: the checkpoint has to reach it."""
        path = os.path.join(self.broker.data, "cleaner-offset-checkpoint")
        end = time.monotonic() + WAIT_SECONDS
        reached = {}
        while any(reached.get(topic) != self.ends[topic] for topic in TOPICS):
            assert time.monotonic() < end, "cleaned up to %s of %s" % (reached, self.ends)
            time.sleep(0.1)
            if os.path.exists(path):
                with open(path) as handle:
                    lines = handle.read().splitlines()[2:]
                reached = {line.split()[0]: int(line.split()[2]) for line in lines}


def read(connection, topic):
    """Every batch that a consumer is given, by base offset."""
    batches, offset = {}, 0
    while True:
        error, _, data = connection.fetch(topic, offset, wait_ms=0)
        assert error == 0, "%s at %d: error %d" % (topic, offset, error)
        at = 0
        while at + 12 <= len(data):
            base, length = struct.unpack_from(">qi", data, at)
            if at + 12 + length > len(data):
                break
            batches[base] = data[at:at + 12 + length]
            offset = base + struct.unpack_from(">i", data, at + 23)[0] + 1
            at += 12 + length
        if at == 0:
            return batches


def records_of(batches):
    """{offset: (key, value, timestamp)} of batches."""
    found = {}
    for base, batch in sorted(batches.items()):
        attributes, _, first_timestamp = struct.unpack_from(">hiq", batch, 21)
        count = struct.unpack_from(">i", batch, 57)[0]
        payload = gzip.decompress(batch[61:]) if attributes & 7 and count else batch[61:]
        at = 0
        for _ in range(count):
            _, at = varint(payload, at)
            timestamp, at = varint(payload, at + 1)
            delta, at = varint(payload, at)
            key, at = field(payload, at)
            value, at = field(payload, at)
            headers, at = varint(payload, at)
            assert headers == 0
            found[base + delta] = (key, value, first_timestamp + timestamp)
    return found


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at


def field(data, at):
    length, at = varint(data, at)
    return (None, at) if length < 0 else (data[at:at + length], at + length)


def latest_of(script, topic):
    """Offset of the last record of each key, by the records as they were sent."""
    latest, offset = {}, 0
    for name, batch in script:
        if name == topic:
            records = records_of({offset: batch})
            latest.update({key: at for at, (key, _, _) in sorted(records.items())})
            offset += len(records)
    return latest


def same_records(pair, script):
    told = []
    for topic in TOPICS:
        klamm, kafka = (records_of(pair[kind].left[topic]) for kind in ("klamm", "kafka"))
        assert klamm == kafka, "%s: only klamm has %s, only Kafka %s" % (
            topic, sorted(set(klamm) - set(kafka))[:5], sorted(set(kafka) - set(klamm))[:5])
        latest = latest_of(script, topic)
        assert set(klamm) == set(latest.values()), "%s keeps what is not the last of its key" % topic
        told.append("%d in %s" % (len(klamm), topic))
    return ", ".join(told)


def same_bytes(pair):
    """Compressed batches may differ by the library; those with a delete horizon differ by the clock and by the number of
    cleanings. What has neither is the same file, and so are its indexes."""
    for suffix in (".log", ".index", ".timeindex"):
        files = [read_file(pair[kind].broker, "plain", suffix) for kind in ("klamm", "kafka")]
        assert files[0] == files[1], "the first segment's %s of plain: %d and %d bytes" % (suffix, *map(len, files))
    count = 0
    for topic in TOPICS:
        klamm, kafka = (pair[kind].left[topic] for kind in ("klamm", "kafka"))
        for base in set(klamm) & set(kafka):
            attributes = struct.unpack_from(">h", klamm[base], 21)[0] | struct.unpack_from(">h", kafka[base], 21)[0]
            if attributes & (7 | HORIZON) or not struct.unpack_from(">i", klamm[base], 57)[0]:
                continue
            assert klamm[base] == kafka[base], "%s at %d:\n%s\n%s" % (topic, base, klamm[base].hex(), kafka[base].hex())
            count += 1
        # Batches that lost all their records stay where they are a producer's last: in both.
        empty = [{base for base, batch in batches.items() if not struct.unpack_from(">i", batch, 57)[0]
                  and struct.unpack_from(">q", batch, 43)[0] >= 0} for batches in (klamm, kafka)]
        assert empty[0] == empty[1], "%s: empty batches of producers at %s and %s" % (topic, *map(sorted, empty))
    assert count > 20, "only %d batches could be compared" % count
    return "%d batches" % count


def read_file(broker, topic, suffix):
    with open(os.path.join(broker.data, topic + "-0", "%020d%s" % (0, suffix)), "rb") as handle:
        return handle.read()


def dump(tools, broker):
    records = 0
    for topic in TOPICS:
        text = tools.dump([f for f in tools.files(broker, topic, ".log") if os.path.getsize(f)], "--deep-iteration")
        records += sum(line.startswith("| offset: ") for line in text.splitlines())
    assert records >= len(TOPICS) * KEYS // 2, "%d records" % records
    return "%d records" % records


def dump_indexes(tools, broker):
    """Not the time indexes: of one that points to an empty batch, Kafka's own too, the tool says that its timestamp is wrong."""
    files = [name for topic in TOPICS for name in tools.files(broker, topic, ".index")]
    indexes = [name for name in files if os.path.getsize(name)]
    tools.dump(indexes)
    sane = tools.dump(indexes, "--index-sanity-check")
    assert sane.count("passed sanity check") == len(indexes), sane[-300:]
    return "%d files" % len(indexes)


def goes_on(context, cleaned, kind):
    """The other broker opens the directory, serves what was left, and takes more."""
    directory = cleaned.broker.directory + "-then-" + kind
    shutil.copytree(cleaned.broker.directory, directory)
    broker = brokers.broker(kind, directory)
    if kind == "kafka":
        broker.heap = "256m"
    context.brokers.append(broker)
    with open(broker.properties) as handle:
        text = handle.read().replace(cleaned.broker.directory, directory)
    with open(broker.properties, "w") as handle:
        handle.write(text)
    broker.bootstrap = cleaned.broker.bootstrap
    broker.restart()
    with wire.Connection(broker.bootstrap) as connection:
        for topic in TOPICS:
            end = time.monotonic() + WAIT_SECONDS
            while connection.fetch(topic, 0, wait_ms=0)[0] == NOT_LEADER and time.monotonic() < end:
                time.sleep(0.05)
            found = read(connection, topic)
            assert records_of(found) == records_of(cleaned.left[topic]), "%s of %s" % (topic, kind)
            batch = keyed([(b"one more", b"1")], int(time.time() * 1000), 0, (-1, -1, -1))
            assert connection.produce(topic, batch) == (0, cleaned.ends[topic] + 1)
    broker.stop()
    return "the same records, and one more"
