"""Cases of ours for aiokafka, a Python client with a protocol stack of its own."""

import asyncio, time
from check import BOOTSTRAP, case, main, topic
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, NewPartitions
from aiokafka.errors import ProducerFenced, TopicAlreadyExistsError


def acase(limit=60, needs=None):
    def deco(f):
        def g():
            asyncio.run(asyncio.wait_for(f(), limit))
        g.__name__ = f.__name__
        return case(limit + 5, needs)(g)
    return deco


async def mk(name, parts=3):
    t = topic(name)
    a = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await a.start()
    await a.create_topics([NewTopic(t, parts, 1)])
    await a.close()
    await asyncio.sleep(0.3)
    return t


async def read(t, n, limit=30, **conf):
    c = AIOKafkaConsumer(t, bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", **conf)
    await c.start()
    out, end = [], time.time() + limit
    while len(out) < n and time.time() < end:
        for ms in (await c.getmany(timeout_ms=500)).values():
            out += ms
    for ms in (await c.getmany(timeout_ms=1000)).values():
        out += ms
    return c, out


async def fill(t, n, **conf):
    p = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, **conf)
    await p.start()
    fs = [await p.send(t, b"v%d" % i, key=b"k%d" % (i % 13), headers=[("n", b"%d" % i)]) for i in range(n)]
    await asyncio.gather(*fs)
    await p.stop()


async def roundtrip(name, **conf):
    t = await mk(name)
    await fill(t, 1000, **conf)
    c, ms = await read(t, 1000)
    assert sorted(int(m.value[1:]) for m in ms) == list(range(1000)), len(ms)
    assert all(m.headers == (("n", m.value[1:]),) for m in ms)
    await c.stop()


for codec in (None, "gzip", "snappy", "lz4", "zstd"):
    async def f(codec=codec):
        await roundtrip("codec-%s" % codec, compression_type=codec)
    f.__name__ = "roundtrip_%s" % (codec or "plain")
    acase()(f)


@acase()
async def idempotent():
    await roundtrip("idem", enable_idempotence=True)


@acase()
async def acks_0():
    await roundtrip("acks0", acks=0)


@acase()
async def group_commit_resume():
    t = await mk("grp", 2)
    await fill(t, 100)
    c, ms = await read(t, 100, group_id=t + "-g", enable_auto_commit=False)
    assert len(ms) == 100
    await c.commit()
    await c.stop()
    await fill(t, 10)
    c, ms = await read(t, 10, group_id=t + "-g")
    assert len(ms) == 10, len(ms)
    await c.stop()


@acase(90)
async def group_two_members():
    t = await mk("two", 4)
    a = AIOKafkaConsumer(t, bootstrap_servers=BOOTSTRAP, group_id=t, session_timeout_ms=6000, heartbeat_interval_ms=500)
    b = AIOKafkaConsumer(t, bootstrap_servers=BOOTSTRAP, group_id=t, session_timeout_ms=6000, heartbeat_interval_ms=500)
    await a.start()
    await b.start()
    for _ in range(200):
        await asyncio.gather(a.getmany(timeout_ms=100), b.getmany(timeout_ms=100))
        if len(a.assignment()) == len(b.assignment()) == 2:
            break
    assert {x.partition for x in a.assignment() | b.assignment()} == {0, 1, 2, 3} and len(a.assignment()) == 2
    await b.stop()
    for _ in range(200):
        await a.getmany(timeout_ms=100)
        if len(a.assignment()) == 4:
            break
    assert len(a.assignment()) == 4
    await a.stop()


@acase(needs="transactions")
async def transactions():
    t = await mk("txn", 1)
    p = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=t)
    await p.start()
    for i in range(6):
        await p.begin_transaction()
        for j in range(5):
            await p.send_and_wait(t, b"%d-%d" % (i, j))
        await (p.commit_transaction() if i % 2 == 0 else p.abort_transaction())
    c, ms = await read(t, 15, isolation_level="read_committed")
    assert [m.value for m in ms] == [b"%d-%d" % (i, j) for i in (0, 2, 4) for j in range(5)]
    await c.stop()
    c, ms = await read(t, 30)
    assert len(ms) == 30
    await c.stop()
    await p.stop()


@acase(needs="transactions")
async def transaction_offsets_and_fencing():
    t = await mk("fence", 1)
    p1 = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=t)
    await p1.start()
    async with p1.transaction():
        await p1.send_and_wait(t, b"a")
        await p1.send_offsets_to_transaction({TopicPartition(t, 0): 7}, t + "-g")
    c = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=t + "-g")
    await c.start()
    assert await c.committed(TopicPartition(t, 0)) == 7
    await c.stop()
    p2 = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=t)
    await p2.start()
    try:
        async with p1.transaction():
            await p1.send_and_wait(t, b"b")
    except ProducerFenced:
        pass
    else:
        raise AssertionError("not fenced")
    await p2.stop()


@acase()
async def offsets_for_times():
    t = await mk("times", 1)
    p = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP)
    await p.start()
    for i in range(20):
        await p.send_and_wait(t, b"x", timestamp_ms=1700000000000 + i * 1000)
    await p.stop()
    c = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP)
    await c.start()
    tp = TopicPartition(t, 0)
    assert (await c.offsets_for_times({tp: 1700000004500}))[tp].offset == 5
    assert (await c.end_offsets([tp]))[tp] == 20 and (await c.beginning_offsets([tp]))[tp] == 0
    await c.stop()


@acase()
async def admin():
    t = await mk("adm", 2)
    a = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await a.start()
    r = await a.create_topics([NewTopic(t, 1, 1)])
    assert r.topic_errors[0][1] == TopicAlreadyExistsError.errno, r
    await a.create_partitions({t: NewPartitions(4)})
    await asyncio.sleep(0.5)
    d = await a.describe_topics([t])
    assert len(d[0]["partitions"]) == 4
    await a.delete_topics([t])
    await asyncio.sleep(0.5)
    assert t not in await a.list_topics()
    await a.close()


main()
