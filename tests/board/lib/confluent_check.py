"""Cases of ours for confluent-kafka, the Python client on librdkafka."""

import time
from check import BOOTSTRAP, case, main, topic
import confluent_kafka as ck
from confluent_kafka import Consumer, Producer, TopicPartition, ConsumerGroupTopicPartitions, OFFSET_BEGINNING
from confluent_kafka.admin import (AdminClient, NewTopic, NewPartitions, ConfigResource, ResourceType, AlterConfigOpType, ConfigEntry,
                                   OffsetSpec)
A = AdminClient({"bootstrap.servers": BOOTSTRAP})


def mk(name, parts=3, **conf):
    t = topic(name)
    A.create_topics([NewTopic(t, parts, 1, config=conf)])[t].result(20)
    return t


def fill(t, n, part=None, **conf):
    bad = []
    p = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 5, **conf})
    for i in range(n):
        kw = {} if part is None else {"partition": part}
        p.produce(t, b"v%d" % i, key=b"k%d" % (i % 17), headers=[("n", b"%d" % i)], on_delivery=lambda e, m: e and bad.append(e), **kw)
        p.poll(0)
    assert p.flush(30) == 0 and not bad, bad[:3]


def read(t, n, limit=40, **conf):
    c = Consumer({"bootstrap.servers": BOOTSTRAP, "auto.offset.reset": "earliest", "group.id": t + "-g", "enable.auto.commit": False, **conf})
    c.subscribe([t])
    out, end = [], time.time() + limit
    while len(out) < n and time.time() < end:
        m = c.poll(0.5)
        if m is None:
            continue
        assert not m.error(), m.error()
        out.append(m)
    end = time.time() + 1.5
    while time.time() < end:          # nothing may come after
        m = c.poll(0.3)
        assert m is None or m.error(), "more than %d messages" % n
    return c, out


def roundtrip(proto, **pconf):
    t = mk("rt-" + proto + "-" + str(len(pconf)) + pconf.get("compression.type", ""))
    fill(t, 2000, **pconf)
    extra = {"group.protocol": proto} if proto == "consumer" else {"partition.assignment.strategy": "range"}
    c, ms = read(t, 2000, **extra)
    assert sorted(int(m.value()[1:]) for m in ms) == list(range(2000))
    assert all(m.headers() == [("n", m.value()[1:])] for m in ms)
    last = {}
    for m in ms:
        assert m.offset() == last.get(m.partition(), -1) + 1, "gap or disorder"
        last[m.partition()] = m.offset()
    c.commit(asynchronous=False)
    got = {p.partition: p.offset for p in c.committed([TopicPartition(t, i) for i in range(3)], 10)}
    assert got == {p: o + 1 for p, o in last.items()}, (got, last)
    c.close()


@case()
def metadata():
    md = A.list_topics(timeout=15)
    assert len(md.brokers) >= 1 and md.cluster_id


@case()
def describe_cluster():
    r = A.describe_cluster().result(15)
    assert r.nodes and r.controller is not None


@case(90)
def roundtrip_classic():
    roundtrip("classic")


@case(90, needs="consumer-groups")
def roundtrip_consumer_protocol():
    roundtrip("consumer")


for codec in ("gzip", "snappy", "lz4", "zstd"):
    def f(codec=codec):
        roundtrip("classic", **{"compression.type": codec})
    f.__name__ = "compression_" + codec
    case(90)(f)


@case()
def idempotent_producer():
    roundtrip("classic", **{"enable.idempotence": True, "acks": "all"})


@case()
def acks_0():
    t = mk("acks0", 1)
    fill(t, 500, acks="0")
    c, ms = read(t, 500)
    assert len(ms) == 500
    c.close()


@case()
def acks_1():
    t = mk("acks1", 1)
    fill(t, 500, acks="1")
    c, ms = read(t, 500)
    assert len(ms) == 500
    c.close()


@case(needs="transactions")
def transactions_commit_abort():
    t = mk("txn", 1)
    p = Producer({"bootstrap.servers": BOOTSTRAP, "transactional.id": t})
    p.init_transactions(30)
    for i in range(6):
        p.begin_transaction()
        for j in range(10):
            p.produce(t, b"%d-%d" % (i, j))
        p.flush(20)
        (p.commit_transaction if i % 2 == 0 else p.abort_transaction)(30)
    c, ms = read(t, 30, **{"isolation.level": "read_committed"})
    assert [m.value() for m in ms] == [b"%d-%d" % (i, j) for i in (0, 2, 4) for j in range(10)]
    c.close()
    c, ms = read(t, 60, **{"isolation.level": "read_uncommitted", "group.id": t + "-u"})
    assert len(ms) == 60
    c.close()


@case(90, needs="transactions")
def transactions_consume_process_produce():
    a, b = mk("eos-in", 2), mk("eos-out", 2)
    fill(a, 300)
    p = Producer({"bootstrap.servers": BOOTSTRAP, "transactional.id": b})
    p.init_transactions(30)
    c = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": b + "-g", "auto.offset.reset": "earliest", "enable.auto.commit": False, "isolation.level": "read_committed"})
    c.subscribe([a])
    n, rounds, end = 0, 0, time.time() + 50
    while n < 300 and time.time() < end:
        ms = c.consume(50, 1.0)
        if not ms:
            continue
        p.begin_transaction()
        for m in ms:
            p.produce(b, m.value())
        p.send_offsets_to_transaction(c.position(c.assignment()), c.consumer_group_metadata(), 20)
        rounds += 1
        if rounds == 2:
            p.abort_transaction(20)
            for tp in c.committed(c.assignment(), 10):
                c.seek(TopicPartition(a, tp.partition, tp.offset if tp.offset >= 0 else OFFSET_BEGINNING))
            continue
        p.commit_transaction(20)
        n += len(ms)
    c.close()
    c2, out = read(b, 300, **{"isolation.level": "read_committed"})
    assert sorted(int(m.value()[1:]) for m in out) == list(range(300))
    c2.close()


@case(needs="transactions")
def transactional_fencing():
    t = mk("fence", 1)
    conf = {"bootstrap.servers": BOOTSTRAP, "transactional.id": t}
    p1 = Producer(conf)
    p1.init_transactions(20)
    p1.begin_transaction()
    p1.produce(t, b"a")
    p1.flush(10)
    p2 = Producer(conf)
    p2.init_transactions(20)
    try:
        p1.produce(t, b"b")
        p1.commit_transaction(20)
    except ck.KafkaException as e:
        assert e.args[0].fatal() or e.args[0].code() in (ck.KafkaError._FENCED, ck.KafkaError.INVALID_PRODUCER_EPOCH), e
    else:
        raise AssertionError("old producer was not fenced")
    p2.begin_transaction()
    p2.produce(t, b"c")
    p2.commit_transaction(20)
    c, ms = read(t, 1, **{"isolation.level": "read_committed"})
    assert [m.value() for m in ms] == [b"c"]
    c.close()


@case()
def offsets_for_times_and_watermarks():
    t = mk("times", 1)
    p = Producer({"bootstrap.servers": BOOTSTRAP})
    for i in range(100):
        p.produce(t, b"x", timestamp=1700000000000 + i * 1000)
    assert p.flush(20) == 0
    c = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": t})
    assert c.get_watermark_offsets(TopicPartition(t, 0), 10) == (0, 100)
    assert c.offsets_for_times([TopicPartition(t, 0, 1700000000000 + 41500)], 10)[0].offset == 42
    r = A.list_offsets({TopicPartition(t, 0): OffsetSpec.max_timestamp()})
    assert list(r.values())[0].result(10).offset == 99
    c.close()


@case()
def admin_topics_partitions_configs():
    t = mk("adm", 2, **{"retention.ms": "1234567"})
    A.create_partitions([NewPartitions(t, 5)])[t].result(15)
    time.sleep(0.5)
    assert len(A.list_topics(t, 10).topics[t].partitions) == 5
    r = ConfigResource(ResourceType.TOPIC, t)
    assert A.describe_configs([r])[r].result(10)["retention.ms"].value == "1234567"
    A.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, t, incremental_configs=[
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND)])])[r].result(10)
    time.sleep(0.5)
    assert set(A.describe_configs([r])[r].result(10)["cleanup.policy"].value.split(",")) == {"compact", "delete"}
    try:
        A.create_topics([NewTopic(t, 1, 1)])[t].result(10)
    except ck.KafkaException as e:
        assert e.args[0].code() == ck.KafkaError.TOPIC_ALREADY_EXISTS
    else:
        raise AssertionError("topic created twice")
    A.delete_topics([t])[t].result(15)


@case()
def admin_delete_records():
    t = mk("delrec", 1)
    fill(t, 100, 0)
    tp = TopicPartition(t, 0, 40)
    assert list(A.delete_records([tp]).values())[0].result(15).low_watermark == 40
    c, ms = read(t, 60)
    assert ms[0].offset() == 40
    c.close()


@case()
def admin_groups():
    t = mk("grp", 1)
    fill(t, 10)
    c, _ = read(t, 10)
    c.commit(asynchronous=False)
    g = t + "-g"
    assert any(x.group_id == g for x in A.list_consumer_groups().result(10).valid)
    d = A.describe_consumer_groups([g])[g].result(10)
    assert d.state == ck.ConsumerGroupState.STABLE and len(d.members) == 1
    c.close()
    time.sleep(0.5)
    o = A.list_consumer_group_offsets([ConsumerGroupTopicPartitions(g)])[g].result(10)
    assert o.topic_partitions[0].offset == 10
    A.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(g, [TopicPartition(t, 0, 4)])])[g].result(10)
    o = A.list_consumer_group_offsets([ConsumerGroupTopicPartitions(g)])[g].result(10)
    assert o.topic_partitions[0].offset == 4
    A.delete_consumer_groups([g])[g].result(10)
    assert not any(x.group_id == g for x in A.list_consumer_groups().result(10).valid)


@case(90)
def rebalance_two_members_classic():
    two("classic")


@case(90, needs="consumer-groups")
def rebalance_two_members_consumer_protocol():
    two("consumer")


def two(proto):
    t = mk("two-" + proto, 4)
    conf = {"bootstrap.servers": BOOTSTRAP, "group.id": t + "-g", "auto.offset.reset": "earliest", "group.protocol": proto}
    if proto == "classic":
        conf.update({"session.timeout.ms": 6000, "heartbeat.interval.ms": 500})
    a, b = Consumer(conf), Consumer(conf)
    a.subscribe([t])
    b.subscribe([t])
    end = time.time() + 60
    while time.time() < end:
        a.poll(0.2), b.poll(0.2)
        if len(a.assignment()) == 2 and len(b.assignment()) == 2:
            break
    sa, sb = {p.partition for p in a.assignment()}, {p.partition for p in b.assignment()}
    assert sa | sb == {0, 1, 2, 3} and not sa & sb, (sa, sb)
    b.close()
    while time.time() < end and len(a.assignment()) != 4:
        a.poll(0.2)
    assert len(a.assignment()) == 4
    a.close()


@case()
def auto_create_topic():
    t = topic("auto")
    fill(t, 5)
    c, ms = read(t, 5)
    assert len(ms) == 5
    c.close()


@case()
def invalid_topic_name():
    n = "bad name/%s" % topic("x")
    try:
        A.create_topics([NewTopic(n, 1, 1)])[n].result(15)
    except ck.KafkaException as e:
        assert e.args[0].code() == ck.KafkaError.TOPIC_EXCEPTION, e
    else:
        raise AssertionError("accepted")


@case()
def message_too_large():
    t = mk("big", 1, **{"max.message.bytes": "20000"})
    bad = []
    p = Producer({"bootstrap.servers": BOOTSTRAP})
    p.produce(t, b"x" * 50000, on_delivery=lambda e, m: bad.append(e))
    p.flush(20)
    assert bad and bad[0] and bad[0].code() == ck.KafkaError.MSG_SIZE_TOO_LARGE, bad


@case(90, needs="share-groups")
def share_consumer():
    if not hasattr(ck, "ShareConsumer"):
        raise AssertionError("client has no ShareConsumer")
    t = mk("share", 2)
    g = t + "-sg"
    r = ConfigResource(ResourceType.GROUP, g, incremental_configs=[ConfigEntry("share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET)])
    A.incremental_alter_configs([r])[r].result(15)
    fill(t, 200)
    c = ck.ShareConsumer({"bootstrap.servers": BOOTSTRAP, "group.id": g})
    c.subscribe([t])
    got, end = set(), time.time() + 60
    while len(got) < 200 and time.time() < end:
        for m in c.poll(1.0) or []:
            if not m.error():
                got.add(m.value())
    c.close()
    assert len(got) == 200, len(got)


main()
