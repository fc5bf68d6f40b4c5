"""Configurations of groups (KIP-848, KIP-932, KIP-1071)."""

from ..wire import APPEND, BROKER, DELETE, GROUP, SET, SUBTRACT

SETTINGS = {}


def shown(c, name="g"):
    return [line for line in c.settled((GROUP, name)) if "source=8" in line or ": 0 " in line]


def steps(_broker):
    changes = [
        ("one", [("consumer.session.timeout.ms", SET, "50000")]),
        ("two", [("consumer.session.timeout.ms", SET, "51000"), ("share.isolation.level", SET, "read_committed")]),
        ("too small", [("consumer.session.timeout.ms", SET, "5")]),
        ("too large", [("consumer.session.timeout.ms", SET, "500000")]),
        ("heartbeat above session", [("consumer.session.timeout.ms", SET, "45000"), ("consumer.heartbeat.interval.ms", SET, "15001")]),
        ("heartbeat", [("consumer.heartbeat.interval.ms", SET, "6000")]),
        ("not a number", [("consumer.heartbeat.interval.ms", SET, "x")]),
        ("unknown", [("made.up", SET, "x")]),
        ("unknown beside known", [("made.up", SET, "x"), ("consumer.heartbeat.interval.ms", SET, "7000")]),
        ("broker key", [("group.consumer.session.timeout.ms", SET, "50000")]),
        ("null", [("consumer.heartbeat.interval.ms", SET, None)]),
        ("twice", [("consumer.heartbeat.interval.ms", SET, "7000"), ("consumer.heartbeat.interval.ms", SET, "7001")]),
        ("delete", [("consumer.heartbeat.interval.ms", DELETE, None)]),
        ("delete unset", [("share.session.timeout.ms", DELETE, None)]),
        ("delete unknown", [("made.up", DELETE, None)]),
        ("reset", [("share.auto.offset.reset", SET, "earliest")]),
        ("reset by duration", [("share.auto.offset.reset", SET, "by_duration:PT1H")]),
        ("reset by duration, upper", [("share.auto.offset.reset", SET, "BY_DURATION:PT1H")]),
        ("reset by bad duration", [("share.auto.offset.reset", SET, "by_duration:-PT1H")]),
        ("reset none", [("share.auto.offset.reset", SET, "none")]),
        ("isolation", [("share.isolation.level", SET, "READ_COMMITTED")]),
        ("lock duration", [("share.record.lock.duration.ms", SET, "20000")]),
        ("lock duration small", [("share.record.lock.duration.ms", SET, "1000")]),
        ("lock duration smaller", [("share.record.lock.duration.ms", SET, "10")]),
        ("deliveries", [("share.delivery.count.limit", SET, "11")]),
        ("deliveries few", [("share.delivery.count.limit", SET, "1")]),
        ("locks", [("share.partition.max.record.locks", SET, "50")]),
        ("locks many", [("share.partition.max.record.locks", SET, "5000")]),
        ("renew", [("share.renew.acknowledge.enable", SET, "maybe")]),
        ("standby", [("streams.num.standby.replicas", SET, "1")]),
        ("standby many", [("streams.num.standby.replicas", SET, "5")]),
        ("standby negative", [("streams.num.standby.replicas", SET, "-5")]),
        ("warmup many", [("streams.num.warmup.replicas", SET, "50")]),
        ("assignor", [("streams.assignor.name", SET, "sticky")]),
        ("assignor unknown", [("streams.assignor.name", SET, "best")]),
        ("assignor empty", [("streams.assignor.name", SET, "")]),
        ("tags", [("streams.rack.aware.assignment.tags", SET, "a,b")]),
        ("tags twice", [("streams.rack.aware.assignment.tags", SET, "a,a")]),
        ("tags append", [("streams.rack.aware.assignment.tags", APPEND, "c")]),
        ("tags subtract", [("streams.rack.aware.assignment.tags", SUBTRACT, "a")]),
        ("tags many", [("streams.rack.aware.assignment.tags", SET, "a,b,c,d,e,f,g")]),
        ("tags empty item", [("streams.rack.aware.assignment.tags", SET, "a,,b")]),
        ("append to number", [("consumer.session.timeout.ms", APPEND, "5")]),
        ("append to unknown", [("made.up", APPEND, "5")]),
        ("recovery lag", [("streams.acceptable.recovery.lag", SET, "5")]),
        ("offset interval", [("streams.task.offset.interval.ms", SET, "5")]),
        ("delay", [("streams.initial.rebalance.delay.ms", SET, "-5")]),
        ("dead letters", [("errors.deadletterqueue.topic.name", SET, "dlq.x")]),
        ("dead letters elsewhere", [("errors.deadletterqueue.topic.name", SET, "x")]),
        ("dead letters hidden", [("errors.deadletterqueue.topic.name", SET, "__x")]),
        ("dead letters bad name", [("errors.deadletterqueue.topic.name", SET, "dlq.a b")]),
        ("dead letters empty", [("errors.deadletterqueue.topic.name", SET, "")]),
        ("assignment interval", [("consumer.assignment.interval.ms", SET, "16000")]),
        ("offload", [("consumer.assignor.offload.enable", SET, "false")]),
    ]
    for name, change in changes:
        yield name + ", only checked", lambda c, x=change: c.incremental((GROUP, "g", x), validate=True) + shown(c)
        yield name, lambda c, x=change: c.incremental((GROUP, "g", x)) + shown(c)
    yield "list", lambda c: c.list_resources(GROUP)
    yield "empty name", lambda c: c.incremental((GROUP, "", [("consumer.session.timeout.ms", SET, "50000")]))
    yield "empty name, nothing", lambda c: c.incremental((GROUP, "", []))
    yield "empty name, whole", lambda c: c.alter((GROUP, "", {"consumer.session.timeout.ms": "50000"}))
    yield "whole", lambda c: c.alter((GROUP, "g", {"consumer.session.timeout.ms": "52000"})) + shown(c)
    yield "whole, unknown", lambda c: c.alter((GROUP, "g", {"made.up": "52000"})) + shown(c)
    yield "whole, wrong", lambda c: c.alter((GROUP, "g", {"consumer.session.timeout.ms": "x"})) + shown(c)
    yield "broker's defaults", lambda c: c.incremental(
        (BROKER, "", [("group.consumer.assignment.interval.ms", SET, "3000"), ("group.share.assignment.interval.ms", SET, "4000")])
    ) + c.settled((GROUP, "g"))
    yield "whole, nothing", lambda c: c.alter((GROUP, "g", {})) + shown(c)
    yield "list again", lambda c: c.list_resources(GROUP)
