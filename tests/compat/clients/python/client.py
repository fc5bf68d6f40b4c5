"""confluent-kafka as a member of a group, its smoke cases, and the two producers that suites use.

See ../../compat/clients.py for `member` and `smoke`. Besides:
  load  BOOTSTRAP TOPIC CSV KEY     one record per row: value a JSON object, key the KEY column ("NA" is null)
  write BOOTSTRAP TOPIC NAME        writes numbered records until SIGTERM; a line `partition TAB offset TAB number` for
                                    each acknowledged one; NAME `idempotent` or `plain` is the kind of producer
  numbers BOOTSTRAP TOPIC CODEC N   N records with the codec, by an idempotent producer
  read  BOOTSTRAP TOPIC             the whole topic: `partition TAB offset TAB key TAB value` per record
"""

import csv
import json
import random
import signal
import sys
import time
import uuid

import confluent_kafka as ck
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)

stopping = False


def stop(_signal, _frame):
    global stopping
    stopping = True


def consumer(bootstrap, group, **conf):
    return ck.Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                        "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, **conf})


def member(bootstrap, topic, group):
    reader = consumer(bootstrap, group)
    reader.subscribe([topic])
    out = sys.stdout.buffer
    while not stopping:
        lines = []
        for message in reader.consume(500, 0.2):
            if message.error():
                continue
            key = message.key()
            lines.append(b"%d\t%d\t%d\t%s\t%s\n" % (message.partition(), message.offset(), -1 if key is None else len(key),
                                                    key or b"", message.value() or b""))
        if lines:
            out.write(b"".join(lines))
            out.flush()
            try:
                reader.commit(asynchronous=False)
            except ck.KafkaException as reason:  # the group is rebalancing: the records come again
                print("commit:", reason, file=sys.stderr)
    reader.close()


def value_of(text):
    if text == "NA":
        return None
    try:
        return int(text)
    except ValueError:
        return text


def load(bootstrap, topic, path, key_column):
    producer = ck.Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "acks": "all", "enable.idempotence": True,
                            "compression.type": "lz4", "queue.buffering.max.messages": 500_000})
    failed = []

    def delivered(error, _message):
        if error:
            failed.append(error)

    with open(path, newline="") as handle:
        for row in csv.DictReader(handle):
            key = row[key_column]
            value = json.dumps({name: value_of(text) for name, text in row.items()}, separators=(",", ":"))
            while True:
                try:
                    producer.produce(topic, value, key=None if key == "NA" else key, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
    left = producer.flush(60)
    if left or failed:
        sys.exit("%d records not delivered, %d failed: %s" % (left, len(failed), failed[:1]))


def write(bootstrap, topic, kind):
    conf = {"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 2, "delivery.timeout.ms": 120_000,
            "reconnect.backoff.max.ms": 500, "retry.backoff.max.ms": 200, "queue.buffering.max.messages": 5000,
            "enable.idempotence": kind == "idempotent"}
    producer = ck.Producer(conf)
    acknowledged = []

    def delivered(error, message):
        if error:
            print("not delivered:", error, file=sys.stderr)
        else:
            number = message.value().split(b" ", 1)[0]
            acknowledged.append(b"%d\t%d\t%s\n" % (message.partition(), message.offset(), number))

    number, out, padding = 0, sys.stdout.buffer, b"x" * 180
    while not stopping:
        try:
            producer.produce(topic, b"%d %s" % (number, padding), key=kind, partition=number % 3, on_delivery=delivered)
            number += 1
        except BufferError:
            producer.poll(0.05)
        producer.poll(0)
        if number % 100 == 0:
            time.sleep(0.005)
        if acknowledged:
            out.write(b"".join(acknowledged))
            out.flush()
            acknowledged.clear()
    left = producer.flush(60)
    out.write(b"".join(acknowledged))
    out.flush()
    if left:
        print("%d records are still not delivered" % left, file=sys.stderr, flush=True)
        sys.exit(1)


def numbers(bootstrap, topic, codec, count):
    failed = []
    producer = ck.Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 5,
                            "compression.type": codec, "batch.size": 16384})
    chance = random.Random(7)
    for number in range(int(count)):
        value = b"%d %s" % (number, chance.randbytes(120).hex().encode())
        producer.produce(topic, value, key=b"k%d" % (number % 50), on_delivery=lambda e, _m: e and failed.append(e))
        producer.poll(0)
    if producer.flush(60) or failed:
        sys.exit("not delivered: %s" % failed[:1])


def read(bootstrap, topic):
    reader = consumer(bootstrap, "unused", **{"enable.partition.eof": True})
    partitions = sorted(reader.list_topics(topic, 15).topics[topic].partitions)
    reader.assign([ck.TopicPartition(topic, partition, ck.OFFSET_BEGINNING) for partition in partitions])
    at_end, out = set(), sys.stdout.buffer
    while len(at_end) < len(partitions) and not stopping:
        for message in reader.consume(2000, 1.0):
            if message.error():
                if message.error().code() == ck.KafkaError._PARTITION_EOF:
                    at_end.add(message.partition())
                continue
            out.write(b"%d\t%d\t%s\t%s\n" % (message.partition(), message.offset(), message.key() or b"",
                                             message.value() or b""))
    out.flush()
    reader.close()


class Smoke:
    """Small cases of every kind of request that the client has."""

    def __init__(self, bootstrap, prefix):
        self.bootstrap, self.prefix = bootstrap, prefix
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def topic(self, name, partitions=2, **config):
        topic = "%s-%s-%s" % (self.prefix, name, uuid.uuid4().hex[:6])
        config = {key.replace("_", "."): value for key, value in config.items()}
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(20)
        return topic

    def fill(self, topic, count, timestamp=None, **conf):
        """Record i: key null for every fifth, value null for every seventh, two headers."""
        bad = []
        producer = ck.Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5, "acks": "all", **conf})
        for i in range(count):
            more = {} if timestamp is None else {"timestamp": timestamp + i * 1000}
            producer.produce(topic, None if i % 7 == 0 else b"v%d" % i, key=None if i % 5 == 0 else b"k%d" % i,
                             partition=i % 2 if timestamp is None else 0, headers=[("n", b"%d" % i), ("none", None)],
                             on_delivery=lambda error, _m: error and bad.append(error), **more)
            producer.poll(0)
        assert producer.flush(30) == 0 and not bad, bad[:2]

    def take(self, reader, count, seconds=25):
        got, end = [], time.time() + seconds
        while len(got) < count and time.time() < end:
            got += [m for m in reader.consume(500, 0.3) if not m.error()]
        assert len(got) == count, "%d of %d records" % (len(got), count)
        return got

    def roundtrip(self, codec, **conf):
        topic = self.topic("rt-" + codec)
        self.fill(topic, 1000, **{"compression.type": codec, **conf})
        reader = consumer(self.bootstrap, topic)
        reader.subscribe([topic])
        seen, last = set(), {}
        for m in self.take(reader, 1000):
            i = int(m.headers()[0][1])
            seen.add(i)
            assert m.headers()[1] == ("none", None)
            assert m.key() == (None if i % 5 == 0 else b"k%d" % i) and m.value() == (None if i % 7 == 0 else b"v%d" % i)
            assert m.offset() == last.get(m.partition(), -1) + 1, "gap or disorder"
            last[m.partition()] = m.offset()
        assert seen == set(range(1000))
        reader.commit(asynchronous=False)
        stored = reader.committed([ck.TopicPartition(topic, p) for p in last], 10)
        assert {p.partition: p.offset for p in stored} == {p: o + 1 for p, o in last.items()}
        reader.close()

    def case_metadata(self):
        cluster = self.admin.list_topics(timeout=15)
        assert cluster.brokers and cluster.cluster_id

    def case_none(self):
        self.roundtrip("none")

    def case_gzip(self):
        self.roundtrip("gzip")

    def case_snappy(self):
        self.roundtrip("snappy")

    def case_lz4(self):
        self.roundtrip("lz4")

    def case_zstd(self):
        self.roundtrip("zstd")

    def case_idempotent(self):
        self.roundtrip("lz4", **{"enable.idempotence": True})

    def case_acks_0_and_1(self):
        for acks in ("0", "1"):
            topic = self.topic("acks" + acks)
            self.fill(topic, 300, acks=acks)
            reader = consumer(self.bootstrap, topic)
            reader.subscribe([topic])
            self.take(reader, 300)
            reader.close()

    def case_offsets_by_timestamp(self):
        topic = self.topic("time", 1)
        self.fill(topic, 10, timestamp=1_700_000_000_000)
        partition = ck.TopicPartition(topic, 0)

        def ask(spec):
            return list(self.admin.list_offsets({partition: spec}).values())[0].result(15).offset

        assert ask(OffsetSpec.for_timestamp(1_700_000_003_500)) == 4
        assert ask(OffsetSpec.for_timestamp(1_700_000_009_001)) == -1
        assert (ask(OffsetSpec.earliest()), ask(OffsetSpec.latest()), ask(OffsetSpec.max_timestamp())) == (0, 10, 9)

    def case_configs(self):
        topic = self.topic("conf", 1, retention_ms="1234567")
        resource = ConfigResource(ResourceType.TOPIC, topic)

        def get(name):
            return list(self.admin.describe_configs([resource]).values())[0].result(15)[name].value

        assert get("retention.ms") == "1234567" and get("cleanup.policy") == "delete"
        change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[
            ConfigEntry("max.message.bytes", "2000", incremental_operation=AlterConfigOpType.SET),
            ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE)])
        list(self.admin.incremental_alter_configs([change]).values())[0].result(15)
        end = time.time() + 5
        while get("max.message.bytes") != "2000" and time.time() < end:
            time.sleep(0.05)
        assert get("max.message.bytes") == "2000" and get("retention.ms") != "1234567"
        errors = []
        producer = ck.Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(topic, b"x" * 5000, on_delivery=lambda error, _m: errors.append(error))
        producer.flush(15)
        assert errors[0] is not None and errors[0].code() == ck.KafkaError.MSG_SIZE_TOO_LARGE, errors

    def case_topics(self):
        topic = self.topic("topic", 2)
        self.admin.create_partitions([NewPartitions(topic, 5)])[topic].result(15)
        end = time.time() + 10
        while len(self.admin.list_topics(timeout=10).topics[topic].partitions) != 5 and time.time() < end:
            time.sleep(0.05)
        assert len(self.admin.list_topics(timeout=10).topics[topic].partitions) == 5
        try:
            self.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(15)
            raise AssertionError("a topic was created twice")
        except ck.KafkaException as reason:
            assert reason.args[0].code() == ck.KafkaError.TOPIC_ALREADY_EXISTS
        self.admin.delete_topics([topic])[topic].result(15)
        end = time.time() + 10
        while topic in self.admin.list_topics(timeout=10).topics and time.time() < end:
            time.sleep(0.05)
        assert topic not in self.admin.list_topics(timeout=10).topics

    def case_delete_records(self):
        topic = self.topic("cut", 1)
        self.fill(topic, 20, timestamp=1_700_000_000_000)
        partition = ck.TopicPartition(topic, 0, 12)
        assert list(self.admin.delete_records([partition]).values())[0].result(15).low_watermark == 12
        reader = consumer(self.bootstrap, topic)
        assert reader.get_watermark_offsets(ck.TopicPartition(topic, 0), timeout=10) == (12, 20)
        reader.close()

    def case_groups(self):
        topic = self.topic("group", 2)
        self.fill(topic, 100)
        reader = consumer(self.bootstrap, topic)
        reader.subscribe([topic])
        self.take(reader, 100)
        reader.commit(asynchronous=False)
        described = list(self.admin.describe_consumer_groups([topic]).values())[0].result(15)
        assert described.state == ck.ConsumerGroupState.STABLE and len(described.members) == 1, described.state
        assert topic in [g.group_id for g in self.admin.list_consumer_groups().result(15).valid]
        reader.close()
        self.fill(topic, 10)
        reader = consumer(self.bootstrap, topic)
        reader.subscribe([topic])
        self.take(reader, 10)
        reader.close()
        list(self.admin.delete_consumer_groups([topic]).values())[0].result(15)
        assert topic not in [g.group_id for g in self.admin.list_consumer_groups().result(15).valid]

    def case_cooperative_group(self):
        topic = self.topic("coop", 4)
        conf = {"partition.assignment.strategy": "cooperative-sticky"}
        readers = [consumer(self.bootstrap, topic, **conf) for _ in range(2)]
        for reader in readers:
            reader.subscribe([topic])
        end = time.time() + 30
        while time.time() < end:
            for reader in readers:
                reader.poll(0.1)
            if [len(reader.assignment()) for reader in readers] == [2, 2]:
                break
        parts = sorted(p.partition for reader in readers for p in reader.assignment())
        assert parts == [0, 1, 2, 3], parts
        for reader in readers:
            reader.close()

    def run(self):
        only = sys.argv[4:]
        for name in sorted(n for n in dir(self) if n.startswith("case_")):
            if only and name[5:] not in only:
                continue
            try:
                getattr(self, name)()
                print("pass", name[5:], flush=True)
            except Exception as reason:
                text = " ".join(("%s: %s" % (type(reason).__name__, reason)).split())
                print("fail", name[5:], text, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    if sys.argv[1] == "smoke":
        Smoke(*sys.argv[2:4]).run()
    else:
        {"member": member, "load": load, "write": write, "numbers": numbers,
         "read": read}[sys.argv[1]](*sys.argv[2:])
