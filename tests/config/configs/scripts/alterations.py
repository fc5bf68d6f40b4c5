"""Every key of topics, brokers, groups and subscriptions taken through every operation, only checked."""

from ..wire import APPEND, BROKER, CLIENT_METRICS, DELETE, GROUP, SUBTRACT, TOPIC

SETTINGS = {}


def steps(broker):
    from ..wire import Connection

    yield "create", lambda c: c.create("t")
    with Connection(broker.bootstrap, 30) as connection:
        for kind, name, label in ((TOPIC, "t", "topic"), (BROKER, "1", "broker"), (BROKER, "", "cluster"), (GROUP, "g", "group"),
                                  (CLIENT_METRICS, "m", "metrics")):
            for key in keys(connection, kind, name):
                yield "%s %s" % (label, key), lambda c, k=kind, n=name, x=key: operations(c, k, n, x)


def keys(connection, kind, name, marked=""):
    """Names of all keys that the broker shows and marks so."""
    lines = [line for line in connection.describe((kind, name or "1"))[1:] if marked in line]
    return [line.split(": ", 1)[1].split(" = ", 1)[0] for line in lines]


def operations(connection, kind, name, key):
    lines = []
    for label, operation, value in (("delete", DELETE, None), ("append", APPEND, "1"), ("subtract", SUBTRACT, "1")):
        answer = connection.incremental((kind, name, [(key, operation, value)]), validate=True)
        lines.append("%s: %s" % (label, " ".join(answer)))
    return lines
