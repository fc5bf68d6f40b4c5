"""Every key of topics, brokers, groups and subscriptions set to values right and wrong, only checked."""

from ..wire import BROKER, CLIENT_METRICS, GROUP, SET, TOPIC, Connection
from .alterations import keys

SETTINGS = {}
VALUES = ["", " ", "-3", "-2", "-1", "0", "1", "2", "3", "5", " 7 ", "9", "10", "17", "18", "22", "23", "100", "2000",
          "60000", "1000000", "2147483639", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808",
          "0.5", "1.0", "1e2", "0x10", "1_000", "true", "TRUE", "yes", "word", "Word", "a,b", "a,a", "a,,b", ",", "*", "0:1",
          "0:1,*", "a:b", "http://x:1", "none", "compact", "lz4", "GZIP", "CreateTime", "earliest", "PLAINTEXT", "\u00fc"]


def steps(broker):
    yield "create", lambda c: c.create("t")
    with Connection(broker.bootstrap, 30) as connection:
        for kind, name, label in ((TOPIC, "t", "topic"), (BROKER, "1", "broker"), (GROUP, "g", "group"),
                                  (CLIENT_METRICS, "m", "metrics")):
            for key in keys(connection, kind, name, "read-only=0"):
                yield "%s %s" % (label, key), lambda c, k=kind, n=name, x=key: tried(c, k, n, x, VALUES)
        for key in keys(connection, BROKER, ""):
            yield "cluster %s" % key, lambda c, x=key: tried(c, BROKER, "", x, ["word"])


def tried(connection, kind, name, key, values):
    return ["%r: %s" % (value, " ".join(connection.incremental((kind, name, [(key, SET, value)]), validate=True)))
            for value in values]
