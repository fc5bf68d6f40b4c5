"""Kinds of resource that there are not, and requests that mix everything."""

from ..wire import BROKER, CLIENT_METRICS, DELETE, GROUP, LOGGER, SET, TOPIC

SETTINGS = {}


def steps(_broker):
    yield "create", lambda c: c.create("t")
    for kind in (0, 1, 3, 5, 64, 127, -1):
        yield "incremental %d" % kind, lambda c, k=kind: c.incremental((k, "t", [("a", SET, "b")]))
        yield "incremental %d checked" % kind, lambda c, k=kind: c.incremental((k, "t", [("a", SET, "b")]), validate=True)
        yield "incremental %d nothing" % kind, lambda c, k=kind: c.incremental((k, "t", []))
        yield "incremental %d null" % kind, lambda c, k=kind: c.incremental((k, "t", [("a", SET, None)]))
        yield "whole %d" % kind, lambda c, k=kind: c.alter((k, "t", {"a": "b"}))
        yield "whole %d nothing" % kind, lambda c, k=kind: c.alter((k, "t", {}))
    mixed = [(TOPIC, "t", [("segment.ms", SET, "5")]), (BROKER, "1", [("num.partitions", SET, "5")]),
             (BROKER, "", [("log.cleaner.threads", SET, "1")]), (LOGGER, "1", [("nothing", SET, "INFO")]),
             (CLIENT_METRICS, "m", [("interval.ms", SET, "500")]), (GROUP, "g", [("made.up", SET, "1")]),
             (9, "z", [("x", SET, "1")])]
    yield "everything, checked", lambda c: c.incremental(*mixed, validate=True)
    yield "everything", lambda c: c.incremental(*mixed)
    yield "everything, whole", lambda c: c.alter(*[(kind, name, {key: value for key, _, value in configs})
                                                   for kind, name, configs in mixed])
    yield "everything twice", lambda c: c.incremental(*(mixed + mixed))
    yield "describe everything", lambda c: c.describe(*[(kind, name, ["segment.ms", "num.partitions", "interval.ms"])
                                                        for kind, name, _ in mixed])
    yield "describe twice", lambda c: c.describe((TOPIC, "t", ["segment.ms"]), (TOPIC, "t", ["retention.ms"]))
    yield "describe nothing", lambda c: c.describe()
    yield "delete all", lambda c: c.incremental((TOPIC, "t", [("segment.ms", DELETE, None)]))
