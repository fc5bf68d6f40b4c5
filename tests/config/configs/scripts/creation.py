"""Configurations that a topic is created with, and what the answer says of them."""

from ..wire import BROKER, SET, TOPIC

SETTINGS = {"log_retention_hours": "24"}


def steps(_broker):
    cases = [
        ("nothing", {}),
        ("one", {"retention.ms": "5"}),
        ("unknown", {"made.up": "5"}),
        ("wrong", {"retention.ms": "x"}),
        ("null", {"retention.ms": None}),
        ("two nulls", {"retention.ms": None, "segment.ms": None}),
        ("twice", [("retention.ms", "5"), ("retention.ms", "6")]),
        ("list", {"cleanup.policy": " compact , delete,compact"}),
        ("empty list", {"cleanup.policy": ""}),
        ("internal", {"internal.segment.bytes": "1000"}),
        ("double", {"min.cleanable.dirty.ratio": "0.10"}),
        ("spaces", {"retention.ms": " 7 "}),
        ("conflict", {"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"}),
        ("remote", {"remote.storage.enable": "true"}),
        ("long", {"leader.replication.throttled.replicas": ",".join("%d:1" % n for n in range(7000))}),
        ("min isr", {"min.insync.replicas": "2"}),
    ]
    for name, configs in cases:
        yield name + ", only checked", lambda c, n=name, x=configs: c.create(n.replace(" ", "-"), x, validate=True)
        yield name, lambda c, n=name, x=configs: c.create(n.replace(" ", "-"), x)
        yield name + ", shown", lambda c, n=name: c.settled((TOPIC, n.replace(" ", "-")))
    yield "defaults change", lambda c: c.incremental((BROKER, "", [("log.retention.ms", SET, "77"), ("log.cleanup.policy", SET, "compact")]))
    yield "after the change", lambda c: c.create("after", {"segment.ms": "9"}) + c.settled((TOPIC, "after"))
