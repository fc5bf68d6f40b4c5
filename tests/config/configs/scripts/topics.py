"""Changes of topics: the whole configuration, single keys, lists, wrong ones, several at once."""

from ..wire import APPEND, BROKER, DELETE, SET, SUBTRACT, TOPIC

SETTINGS = {}
SHOWN = ["retention.ms", "cleanup.policy", "segment.ms", "min.insync.replicas", "leader.replication.throttled.replicas",
         "follower.replication.throttled.replicas", "max.message.bytes", "compression.type"]


def shown(c, name="t"):
    return c.settled((TOPIC, name, SHOWN))


def steps(_broker):
    yield "create", lambda c: c.create("t", {"retention.ms": "5000"}) + c.create("u")
    changes = [
        ("set one", [("segment.ms", SET, "777")]),
        ("set two", [("segment.ms", SET, "778"), ("retention.ms", SET, "5001")]),
        ("set same value", [("segment.ms", SET, "778")]),
        ("set with spaces", [("segment.ms", SET, "  779 ")]),
        ("delete", [("segment.ms", DELETE, None)]),
        ("delete with value", [("segment.ms", DELETE, "5")]),
        ("delete what is not set", [("flush.ms", DELETE, None)]),
        ("delete unknown", [("made.up", DELETE, None)]),
        ("set unknown", [("made.up", SET, "1")]),
        ("set broker key", [("log.retention.ms", SET, "1")]),
        ("set unknown beside known", [("segment.ms", SET, "5"), ("made.up", SET, "1")]),
        ("set empty name", [("", SET, "1")]),
        ("set null", [("segment.ms", SET, None)]),
        ("append null", [("cleanup.policy", APPEND, None)]),
        ("two nulls", [("segment.ms", SET, None), ("retention.ms", SET, None)]),
        ("same key twice", [("segment.ms", SET, "5"), ("segment.ms", SET, "6")]),
        ("set and delete", [("segment.ms", SET, "5"), ("segment.ms", DELETE, None)]),
        ("nothing", []),
        ("operation 4", [("segment.ms", 4, "5")]),
        ("operation -1", [("segment.ms", -1, "5")]),
        ("operation 9 null", [("segment.ms", 9, None)]),
        ("append to list", [("cleanup.policy", APPEND, "compact")]),
        ("append again", [("cleanup.policy", APPEND, "compact")]),
        ("append two", [("cleanup.policy", APPEND, "compact,delete")]),
        ("append with spaces", [("cleanup.policy", APPEND, " compact")]),
        ("append wrong", [("cleanup.policy", APPEND, "squash")]),
        ("append empty", [("cleanup.policy", APPEND, "")]),
        ("subtract one", [("cleanup.policy", SUBTRACT, "delete")]),
        ("subtract absent", [("cleanup.policy", SUBTRACT, "delete")]),
        ("subtract last", [("cleanup.policy", SUBTRACT, "compact")]),
        ("subtract empty", [("cleanup.policy", SUBTRACT, "")]),
        ("delete policy", [("cleanup.policy", DELETE, None)]),
        ("append to number", [("segment.ms", APPEND, "5")]),
        ("subtract from number", [("segment.ms", SUBTRACT, "5")]),
        ("append to text", [("compression.type", APPEND, "lz4")]),
        ("append to unknown", [("made.up", APPEND, "x")]),
        ("subtract from unknown", [("made.up", SUBTRACT, "x")]),
        ("throttle append", [("leader.replication.throttled.replicas", APPEND, "0:1")]),
        ("throttle append more", [("leader.replication.throttled.replicas", APPEND, "1:1,0:1")]),
        ("throttle subtract", [("leader.replication.throttled.replicas", SUBTRACT, "0:1")]),
        ("throttle all", [("follower.replication.throttled.replicas", SET, "*")]),
        ("throttle append to all", [("follower.replication.throttled.replicas", APPEND, "0:1")]),
        ("throttle wrong", [("follower.replication.throttled.replicas", SET, "0:1,x")]),
        ("throttle delete", [("follower.replication.throttled.replicas", DELETE, None),
                             ("leader.replication.throttled.replicas", DELETE, None)]),
        ("conflict of lags", [("min.compaction.lag.ms", SET, "10"), ("max.compaction.lag.ms", SET, "5")]),
        ("remote storage", [("remote.storage.enable", SET, "true")]),
        ("remote copy", [("remote.log.copy.disable", SET, "true")]),
        ("remote delete", [("remote.log.delete.on.disable", SET, "true")]),
        ("local retention above", [("local.retention.ms", SET, "99999999999999")]),
        ("local bytes above", [("retention.bytes", SET, "1000"), ("local.retention.bytes", SET, "2000")]),
        ("min isr above replicas", [("min.insync.replicas", SET, "9")]),
        ("long value", [("leader.replication.throttled.replicas", SET, ",".join("%d:1" % n for n in range(5000)))]),
        ("too long value", [("leader.replication.throttled.replicas", SET, ",".join("%d:1" % n for n in range(7000)))]),
        ("clean", [(key, DELETE, None) for key in SHOWN]),
    ]
    for name, change in changes:
        yield name + ", only checked", lambda c, x=change: c.incremental((TOPIC, "t", x), validate=True) + shown(c)
        yield name, lambda c, x=change: c.incremental((TOPIC, "t", x)) + shown(c)
    wholes = [
        ("whole", {"retention.ms": "1", "cleanup.policy": "compact"}),
        ("whole, other keys", {"segment.ms": "9"}),
        ("whole, null", {"segment.ms": None}),
        ("whole, unknown", {"made.up": "1"}),
        ("whole, wrong", {"segment.ms": "x"}),
        ("whole, same key twice", [("segment.ms", "1"), ("segment.ms", "2")]),
        ("whole, nothing", {}),
        ("whole, min isr", {"min.insync.replicas": "2"}),
        ("whole, nothing again", {}),
    ]
    for name, change in wholes:
        yield name + ", only checked", lambda c, x=change: c.alter((TOPIC, "t", x), validate=True) + shown(c)
        yield name, lambda c, x=change: c.alter((TOPIC, "t", x)) + shown(c)
    for name in ("", "missing", "a b", ".", "x" * 250, "__cluster_metadata"):
        yield "incremental %r" % name[:20], lambda c, n=name: c.incremental((TOPIC, n, [("segment.ms", SET, "5")]))
        yield "whole %r" % name[:20], lambda c, n=name: c.alter((TOPIC, n, {"segment.ms": "5"}))
        yield "wrong %r" % name[:20], lambda c, n=name: c.incremental((TOPIC, n, [("made.up", SET, "5")]))
        yield "empty %r" % name[:20], lambda c, n=name: c.incremental((TOPIC, n, []))
    one = [("segment.ms", SET, "5")]
    yield "one good, one bad", lambda c: c.incremental((TOPIC, "t", one), (TOPIC, "missing", one)) + shown(c)
    yield "two topics", lambda c: c.incremental((TOPIC, "t", one), (TOPIC, "u", one)) + shown(c) + shown(c, "u")
    yield "same topic twice", lambda c: c.incremental((TOPIC, "t", one), (TOPIC, "t", [("flush.ms", SET, "5")])) + shown(c)
    yield "same topic twice and another", lambda c: c.incremental(
        (TOPIC, "t", one), (TOPIC, "t", one), (TOPIC, "u", [("segment.ms", SET, "6")])) + shown(c) + shown(c, "u")
    yield "same topic twice, whole", lambda c: c.alter((TOPIC, "t", {}), (TOPIC, "t", {"segment.ms": "5"})) + shown(c)
    yield "topic and broker", lambda c: c.incremental(
        (TOPIC, "t", [("segment.ms", SET, "8")]), (BROKER, "1", [("log.cleaner.threads", SET, "2")])) + shown(c)
    yield "no resources", lambda c: c.incremental()
    yield "no resources, whole", lambda c: c.alter()
