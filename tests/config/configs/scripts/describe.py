"""Every kind of resource as it is after the first start."""

from ..wire import BROKER, CLIENT_METRICS, GROUP, LOGGER, TOPIC

SETTINGS = {}


def steps(_broker):
    yield "create", lambda c: c.create("plain")
    yield "create with configs", lambda c: c.create("own", {
        "retention.ms": "3000", "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.250",
        "internal.segment.bytes": "4194304"})
    yield "topic", lambda c: c.settled((TOPIC, "plain"))
    yield "topic with configs", lambda c: c.settled((TOPIC, "own"))
    yield "broker", lambda c: c.describe((BROKER, "1"))
    yield "cluster default", lambda c: c.describe((BROKER, ""))
    yield "group", lambda c: c.describe((GROUP, "a-group"))
    yield "client metrics", lambda c: c.describe((CLIENT_METRICS, "a-subscription"))
    yield "logger", lambda c: c.describe((LOGGER, "1", ["root"]))
    yield "no synonyms", lambda c: c.describe((TOPIC, "own"), synonyms=False)
    yield "no documentation", lambda c: c.describe((BROKER, "1"), documentation=False)
    yield "some keys", lambda c: c.describe((TOPIC, "own", ["retention.ms", "made.up", "retention.ms", "segment.bytes"]))
    yield "no keys", lambda c: c.describe((TOPIC, "own", []), (BROKER, "1", []))
    yield "internal key asked for", lambda c: c.describe((TOPIC, "plain", ["internal.segment.bytes"]),
                                                         (BROKER, "1", ["unstable.api.versions.enable"]))
    yield "several", lambda c: c.describe((TOPIC, "own", ["retention.ms"]), (BROKER, "1", ["num.partitions"]),
                                          (TOPIC, "plain", ["retention.ms"]), (TOPIC, "own", ["segment.ms"]))
    for kind, name in ((TOPIC, ""), (TOPIC, "missing"), (TOPIC, "a b"), (TOPIC, "."), (TOPIC, "x" * 250),
                       (TOPIC, "__cluster_metadata"), (TOPIC, "__consumer_offsets"), (BROKER, "7"), (BROKER, "x"),
                       (BROKER, "-1"), (BROKER, "01"), (BROKER, "+1"), (BROKER, " 1"), (BROKER, "99999999999"),
                       (LOGGER, ""), (LOGGER, "7"), (LOGGER, "x"), (GROUP, ""), (CLIENT_METRICS, ""), (0, "x"), (1, "x"),
                       (3, "x"), (64, "x"), (-1, "x")):
        yield "describe %s %r" % (kind, name[:20]), lambda c, k=kind, n=name: c.describe((k, n))
    yield "list all", lambda c: c.list_resources()
    for kind in (TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP, 0, 1, 64, -1):
        yield "list %s" % kind, lambda c, k=kind: c.list_resources(k)
    yield "list two", lambda c: c.list_resources(GROUP, TOPIC)
    yield "list same twice", lambda c: c.list_resources(TOPIC, TOPIC)
