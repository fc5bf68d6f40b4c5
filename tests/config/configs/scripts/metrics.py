"""Client-metrics subscriptions as resources (KIP-714)."""

from ..wire import APPEND, CLIENT_METRICS, DELETE, SET, SUBTRACT

SETTINGS = {}


def shown(c, name="m"):
    return c.settled((CLIENT_METRICS, name))


def steps(_broker):
    changes = [
        ("interval", [("interval.ms", SET, "1000")]),
        ("interval small", [("interval.ms", SET, "99")]),
        ("interval large", [("interval.ms", SET, "3600001")]),
        ("interval word", [("interval.ms", SET, "x")]),
        ("interval null", [("interval.ms", SET, None)]),
        ("metrics", [("metrics", SET, "org.apache.kafka.client.producer.,org.apache.kafka.client.consumer.")]),
        ("metrics all", [("metrics", SET, "*")]),
        ("metrics append", [("metrics", APPEND, "a.b")]),
        ("metrics subtract", [("metrics", SUBTRACT, "a.b")]),
        ("metrics empty", [("metrics", SET, "")]),
        ("metrics empty item", [("metrics", SET, "a,,b")]),
        ("match", [("match", SET, "client_software_name=.*python.*,client_id=a")]),
        ("match unknown name", [("match", SET, "client_colour=red")]),
        ("match bad expression", [("match", SET, "client_id=[")]),
        ("match no equals", [("match", SET, "client_id")]),
        ("match two equals", [("match", SET, "client_id=a=b")]),
        ("match empty expression", [("match", SET, "client_id=")]),
        ("match spaces", [("match", SET, " client_id = a ")]),
        ("match empty", [("match", SET, "")]),
        ("match instance", [("match", SET, "client_instance_id=b69cc35a-7a54-4790-aa69-cc2bd4ee4538")]),
        ("match address", [("match", SET, "client_source_address=127\\.0\\.0\\.1,client_source_port=1.*")]),
        ("match version", [("match", SET, "client_software_version=(1|2)\\.x")]),
        ("match bad groups", [("match", SET, "client_software_version=(1|2")]),
        ("match stars", [("match", SET, "client_id=**")]),
        ("match lookahead", [("match", SET, "client_id=(?!x)a")]),
        ("match plain", [("match", SET, "client_id=a")]),
        ("unknown", [("made.up", SET, "1")]),
        ("unknown delete", [("made.up", DELETE, None)]),
        ("append to interval", [("interval.ms", APPEND, "1")]),
        ("append to unknown", [("made.up", APPEND, "1")]),
        ("delete", [("match", DELETE, None)]),
        ("delete unset", [("match", DELETE, None)]),
        ("twice", [("interval.ms", SET, "1000"), ("interval.ms", SET, "2000")]),
        ("nothing", []),
    ]
    for name, change in changes:
        yield name + ", only checked", lambda c, x=change: c.incremental((CLIENT_METRICS, "m", x), validate=True) + shown(c)
        yield name, lambda c, x=change: c.incremental((CLIENT_METRICS, "m", x)) + shown(c)
    yield "list", lambda c: c.list_resources(CLIENT_METRICS)
    yield "empty name", lambda c: c.incremental((CLIENT_METRICS, "", [("interval.ms", SET, "1000")]))
    yield "empty name, unknown", lambda c: c.incremental((CLIENT_METRICS, "", [("made.up", SET, "1000")]))
    yield "long name", lambda c: c.incremental((CLIENT_METRICS, "x" * 300, [("interval.ms", SET, "1000")]))
    yield "name with spaces", lambda c: c.incremental((CLIENT_METRICS, "a b/c", [("interval.ms", SET, "1000")]))
    yield "whole", lambda c: c.alter((CLIENT_METRICS, "m", {"interval.ms": "7000"})) + shown(c)
    yield "whole, wrong", lambda c: c.alter((CLIENT_METRICS, "m", {"interval.ms": "7"})) + shown(c)
    yield "whole, unknown", lambda c: c.alter((CLIENT_METRICS, "m", {"made.up": "7"})) + shown(c)
    yield "whole, nothing", lambda c: c.alter((CLIENT_METRICS, "m", {})) + shown(c)
    yield "list again", lambda c: c.list_resources(CLIENT_METRICS)
