"""Levels of loggers. Only `root` has the same name in both brokers."""

from ..wire import APPEND, DELETE, LOGGER, SET, SUBTRACT

SETTINGS = {}


def shown(c):
    return c.settled((LOGGER, "1", ["root"]))


def steps(broker):
    changes = [
        ("debug", [("root", SET, "DEBUG")]),
        ("info", [("root", SET, "INFO")]),
        ("lower case", [("root", SET, "info")]),
        ("off", [("root", SET, "OFF")]),
        ("all", [("root", SET, "ALL")]),
        ("fatal", [("root", SET, "FATAL")]),
        ("trace", [("root", SET, "TRACE")]),
        ("warn", [("root", SET, "WARN")]),
        ("error", [("root", SET, "ERROR")]),
        ("wrong level", [("root", SET, "LOUD")]),
        ("empty level", [("root", SET, "")]),
        ("null level", [("root", SET, None)]),
        ("spaces", [("root", SET, " INFO ")]),
        ("delete", [("root", DELETE, None)]),
        ("append", [("root", APPEND, "INFO")]),
        ("subtract", [("root", SUBTRACT, "INFO")]),
        ("operation 8", [("root", 8, "INFO")]),
        ("unknown logger", [("no.such.logger", SET, "INFO")]),
        ("unknown logger deleted", [("no.such.logger", DELETE, None)]),
        ("unknown logger, wrong level", [("no.such.logger", SET, "LOUD")]),
        ("unknown beside known", [("root", SET, "INFO"), ("no.such.logger", SET, "INFO")]),
        ("twice", [("root", SET, "INFO"), ("root", SET, "WARN")]),
        ("empty name", [("", SET, "INFO")]),
        ("nothing", []),
    ]
    for name, change in changes:
        yield name + ", only checked", lambda c, x=change: c.incremental((LOGGER, "1", x), validate=True) + shown(c)
        yield name, lambda c, x=change: c.incremental((LOGGER, "1", x)) + shown(c)
    for name in ("", "2", "x", "01"):
        yield "name %r" % name, lambda c, n=name: c.incremental((LOGGER, n, [("root", SET, "INFO")]))
    yield "whole", lambda c: c.alter((LOGGER, "1", {"root": "INFO"})) + shown(c)
    yield "whole, nothing", lambda c: c.alter((LOGGER, "1", {}))
    yield "back", lambda c: c.incremental((LOGGER, "1", [("root", SET, "WARN")])) + shown(c)
