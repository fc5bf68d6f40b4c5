"""Changes of one broker and of the cluster's defaults, what they do to topics, and whether they outlive a restart."""

from ..wire import APPEND, BROKER, DELETE, SET, SUBTRACT, TOPIC

SETTINGS = {"log_retention_hours": "24", "message_max_bytes": "1000000"}
KEYS = ["log.retention.ms", "log.retention.hours", "log.retention.minutes", "message.max.bytes", "log.cleaner.threads",
        "max.connections", "max.connections.per.ip", "min.insync.replicas", "ssl.keystore.password", "log.roll.ms",
        "leader.replication.throttled.rate", "num.io.threads", "background.threads", "compression.type",
        "log.cleanup.policy", "ssl.enabled.protocols", "metric.reporters", "log.flush.interval.ms",
        "listener.name.plaintext.max.connections", "made.up", "max.connection.creation.rate", "unclean.leader.election.enable",
        "cordoned.log.dirs"]
# What each target has when nothing is changed: with ELR on, the cluster's minimum can only be replaced.
REST = {"1": {}, "": {"min.insync.replicas": "1"}}


def shown(c):
    """What the broker, the cluster and a topic have of these keys now."""
    return c.settled((BROKER, "1", KEYS), (BROKER, ""), (TOPIC, "t", ["retention.ms", "max.message.bytes", "segment.ms",
                                                                      "min.insync.replicas", "compression.type"]))


def rest(c, target):
    answer = c.alter((BROKER, target, REST[target]))
    shown(c)
    return answer


def steps(broker):
    yield "create", lambda c: c.create("t")
    changes = [
        ("message size", [("message.max.bytes", SET, "2000000")]),
        ("retention", [("log.retention.ms", SET, "123456")]),
        ("retention of nothing", [("log.retention.ms", SET, "0")]),
        ("retention for ever", [("log.retention.ms", SET, "-1")]),
        ("retention hours", [("log.retention.hours", SET, "5")]),
        ("delete retention hours", [("log.retention.hours", DELETE, None)]),
        ("delete retention", [("log.retention.ms", DELETE, None)]),
        ("roll", [("log.roll.ms", SET, "1000000")]),
        ("min isr", [("min.insync.replicas", SET, "1")]),
        ("min isr deleted", [("min.insync.replicas", DELETE, None)]),
        ("static key", [("num.partitions", SET, "5")]),
        ("static keys", [("num.partitions", SET, "5"), ("auto.create.topics.enable", SET, "false")]),
        ("static key deleted", [("num.partitions", DELETE, None)]),
        ("static beside dynamic", [("num.partitions", SET, "5"), ("log.cleaner.threads", SET, "2")]),
        ("unknown", [("made.up", SET, "5")]),
        ("unknown deleted", [("made.up", DELETE, None)]),
        ("unknown beside dynamic", [("made.up", SET, "5"), ("background.threads", SET, "9")]),
        ("topic key", [("retention.ms", SET, "5")]),
        ("wrong number", [("message.max.bytes", SET, "many")]),
        ("wrong range", [("message.max.bytes", SET, "-5")]),
        ("null", [("message.max.bytes", SET, None)]),
        ("twice", [("message.max.bytes", SET, "1"), ("message.max.bytes", SET, "2")]),
        ("empty name", [("", SET, "2")]),
        ("nothing", []),
        ("operation 7", [("message.max.bytes", 7, "1")]),
        ("threads halved", [("num.io.threads", SET, "4")]),
        ("threads too few", [("num.io.threads", SET, "1")]),
        ("threads too many", [("num.io.threads", SET, "100")]),
        ("threads zero", [("num.io.threads", SET, "0")]),
        ("network threads", [("num.network.threads", SET, "4")]),
        ("network threads too many", [("num.network.threads", SET, "7")]),
        ("background threads", [("background.threads", SET, "12")]),
        ("recovery threads", [("num.recovery.threads.per.data.dir", SET, "4")]),
        ("recovery threads too many", [("num.recovery.threads.per.data.dir", SET, "5")]),
        ("replica fetchers", [("num.replica.fetchers", SET, "2")]),
        ("cleaner threads", [("log.cleaner.threads", SET, "2")]),
        ("cleaner threads too many", [("log.cleaner.threads", SET, "10")]),
        ("cleaner buffer", [("log.cleaner.dedupe.buffer.size", SET, "20000000")]),
        ("cleaner buffer too small", [("log.cleaner.dedupe.buffer.size", SET, "1000")]),
        ("connections", [("max.connections", SET, "500")]),
        ("connections per ip", [("max.connections.per.ip", SET, "400")]),
        ("connections overrides", [("max.connections.per.ip.overrides", SET, "127.0.0.1:300")]),
        ("connections overrides wrong", [("max.connections.per.ip.overrides", SET, "127.0.0.1")]),
        ("connections overrides not a number", [("max.connections.per.ip.overrides", SET, "127.0.0.1:x")]),
        ("connections overrides of nobody", [("max.connections.per.ip.overrides", SET, "no.such.host.invalid:3")]),
        ("creation rate", [("max.connection.creation.rate", SET, "5000")]),
        ("of one listener", [("listener.name.plaintext.max.connections", SET, "300")]),
        ("rate of one listener", [("listener.name.plaintext.max.connection.creation.rate", SET, "3000")]),
        ("of one listener, wrong", [("listener.name.plaintext.max.connections", SET, "x")]),
        ("of no listener", [("listener.name.nowhere.max.connections", SET, "300")]),
        ("of one listener, unknown", [("listener.name.plaintext.made.up", SET, "300")]),
        ("of one listener, static", [("listener.name.plaintext.num.partitions", SET, "300")]),
        ("of one listener, not for one", [("listener.name.plaintext.log.cleaner.threads", SET, "2")]),
        ("password", [("ssl.keystore.password", SET, "secret")]),
        ("password of one listener", [("listener.name.plaintext.ssl.keystore.password", SET, "secret")]),
        ("keystore that is not there", [("listener.name.plaintext.ssl.keystore.location", SET, "/nowhere")]),
        ("truststore that is not there", [("ssl.truststore.location", SET, "/nowhere")]),
        ("jaas", [("listener.name.plaintext.plain.sasl.jaas.config", SET, "x y z;")]),
        ("jaas global", [("sasl.jaas.config", SET, "x y z;")]),
        ("throttle", [("leader.replication.throttled.rate", SET, "1000")]),
        ("throttle negative", [("leader.replication.throttled.rate", SET, "-1")]),
        ("throttle wrong", [("follower.replication.throttled.rate", SET, "x")]),
        ("mover throttle", [("replica.alter.log.dirs.io.max.bytes.per.second", SET, "1000")]),
        ("compression", [("compression.type", SET, "zstd")]),
        ("compression wrong", [("compression.type", SET, "best")]),
        ("policy append", [("log.cleanup.policy", APPEND, "compact")]),
        ("policy subtract", [("log.cleanup.policy", SUBTRACT, "delete")]),
        ("policy delete", [("log.cleanup.policy", DELETE, None)]),
        ("append to number", [("message.max.bytes", APPEND, "1")]),
        ("append to unknown", [("made.up", APPEND, "1")]),
        ("protocols append", [("ssl.enabled.protocols", APPEND, "TLSv1.1")]),
        ("reporters", [("metric.reporters", SET, "")]),
        ("reporter that is not there", [("metric.reporters", SET, "no.such.Class")]),
        ("lags conflict", [("log.cleaner.min.compaction.lag.ms", SET, "10"), ("log.cleaner.max.compaction.lag.ms", SET, "5")]),
        ("local retention above", [("log.local.retention.bytes", SET, "99"), ("log.retention.bytes", SET, "9")]),
        ("listeners", [("listeners", SET, "PLAINTEXT://127.0.0.1:1")]),
        ("advertised", [("advertised.listeners", SET, "PLAINTEXT://127.0.0.1:1")]),
        ("protocol map", [("listener.security.protocol.map", SET, "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,X:PLAINTEXT")]),
        ("cordoned", [("cordoned.log.dirs", SET, "*")]),
        ("cordoned nothing", [("cordoned.log.dirs", SET, "")]),
        ("cordoned elsewhere", [("cordoned.log.dirs", SET, "/nowhere")]),
        ("cordoned deleted", [("cordoned.log.dirs", DELETE, None)]),
        ("unclean", [("unclean.leader.election.enable", SET, "true")]),
        ("node id", [("node.id", SET, "2")]),
        ("broker id", [("broker.id", SET, "1")]),
        ("log dirs", [("log.dirs", SET, "/x")]),
        ("internal key", [("unstable.api.versions.enable", SET, "true")]),
        ("producer ids", [("producer.id.expiration.ms", SET, "80000000")]),
        ("consumer groups", [("group.consumer.assignment.interval.ms", SET, "2000")]),
        ("consumer groups too much", [("group.consumer.assignment.interval.ms", SET, "20000")]),
        ("remote threads", [("remote.log.reader.threads", SET, "12")]),
        ("remote threads too many", [("remote.log.reader.threads", SET, "50")]),
        ("remote cache", [("remote.log.index.file.cache.total.size.bytes", SET, "5")]),
        ("verification", [("transaction.partition.verification.enable", SET, "false")]),
        ("config providers", [("config.providers", SET, "file")]),
        ("cluster quota", [("cluster.x", SET, "file")]),
    ]
    for target in ("1", ""):
        label = "broker" if target else "cluster"
        for name, change in changes:
            yield "%s: %s, only checked" % (label, name), lambda c, x=change, t=target: (
                c.incremental((BROKER, t, x), validate=True))
            yield "%s: %s" % (label, name), lambda c, x=change, t=target: (
                c.incremental((BROKER, t, x)) + shown(c) + rest(c, t))
    yield "kept", lambda c: c.incremental(
        (BROKER, "1", [("message.max.bytes", SET, "1234567"), ("ssl.keystore.password", SET, "secret")]),
        (BROKER, "", [("log.retention.ms", SET, "99999"), ("message.max.bytes", SET, "7654321")]))
    yield "restart", lambda _: restart(broker)
    yield "after the restart", shown
    wholes = [
        ("whole", {"message.max.bytes": "3000000"}),
        ("whole, static", {"num.partitions": "7"}),
        ("whole, unknown", {"made.up": "7"}),
        ("whole, null", {"message.max.bytes": None}),
        ("whole, wrong", {"message.max.bytes": "x"}),
        ("whole, nothing", {}),
    ]
    for target in ("1", ""):
        for name, change in wholes:
            yield "%s: %s, only checked" % (target or "cluster", name), lambda c, x=change, t=target: (
                c.alter((BROKER, t, x), validate=True))
            yield "%s: %s" % (target or "cluster", name), lambda c, x=change, t=target: c.alter((BROKER, t, x)) + shown(c)
    for name in ("2", "x", "-1", "01", "+1", " 1", "1 ", "99999999999"):
        yield "name %r" % name, lambda c, n=name: c.incremental((BROKER, n, [("message.max.bytes", SET, "5")]))
        yield "name %r, whole" % name, lambda c, n=name: c.alter((BROKER, n, {"message.max.bytes": "5"}))
        yield "name %r, nothing" % name, lambda c, n=name: c.incremental((BROKER, n, []))
    yield "broker and cluster", lambda c: c.incremental((BROKER, "1", [("message.max.bytes", SET, "11")]),
                                                        (BROKER, "", [("message.max.bytes", SET, "12")])) + shown(c)


def restart(broker):
    broker.stop()
    broker.restart()
    return []
