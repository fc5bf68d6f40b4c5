"""Owns the list of foreign clients and how each is called.

Every client understands the same two commands:
  member BOOTSTRAP TOPIC GROUP   consumes in a group until SIGTERM; a line `partition TAB offset TAB key length TAB key
                                 TAB value` per record (key length -1: null), written out before its offset is committed
  smoke  BOOTSTRAP PREFIX        runs its own small cases; a line `pass NAME` or `fail NAME why` for each
"""

import os

from . import toolchain

NAMES = ("kcat", "java", "confluent", "franz-go", "kafkajs")
CLIENTS = os.path.join(toolchain.ROOT, "clients")


def command(name):
    """(argument vector, environment) in front of `member …` or `smoke …`; installs the client when needed."""
    if name == "kcat":
        toolchain.kcat()
        return [os.path.join(CLIENTS, "kcat", "client")], {}
    if name == "java":
        return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp",
                toolchain.java(), "Client"], {}
    if name == "confluent":
        return [toolchain.python(), os.path.join(CLIENTS, "python", "client.py")], {}
    if name == "franz-go":
        return [toolchain.go()], {}
    if name == "kafkajs":
        folder = toolchain.node()
        return ["node", os.path.join(CLIENTS, "node", "client.js")], {
            "NODE_PATH": os.path.join(folder, "node_modules"), "KAFKAJS_NO_PARTITIONER_WARNING": "1"}
    raise KeyError(name)
