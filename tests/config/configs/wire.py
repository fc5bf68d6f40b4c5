"""Owns the four requests about configurations in their newest versions, on raw sockets, and CreateTopics beside them.

Answers come back as lines of text that say everything the protocol says, ready to be compared. Judges nothing.
"""

import struct
import time

from compat import wire

DESCRIBE, ALTER, INCREMENTAL, LIST, DELETE_TOPICS = 32, 33, 44, 74, 20
TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3
KINDS = {TOPIC: "topic", BROKER: "broker", LOGGER: "logger", CLIENT_METRICS: "client-metrics", GROUP: "group"}


def uvarint(value):
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value):
    """A compact nullable string."""
    if value is None:
        return b"\0"
    data = value.encode()
    return uvarint(len(data) + 1) + data


def array(items):
    """A compact array of encoded elements; None is the null array."""
    return b"\0" if items is None else uvarint(len(items) + 1) + b"".join(items)


class Reader:
    """Walks through one answer in a flexible version."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value = struct.unpack_from(">" + form, self.data, self.at)[0]
        self.at += struct.calcsize(">" + form)
        return value

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def text(self):
        size = self.uvarint() - 1
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def array(self, element):
        return [element() for _ in range(max(self.uvarint() - 1, 0))]

    def tags(self):
        for _ in range(self.uvarint()):
            self.uvarint()
            self.at += self.uvarint()


class Connection(wire.Connection):
    """The requests, in flexible versions. Each answers with the lines that say what came back."""

    def flexible(self, key, version, body):
        self.correlation += 1
        head = struct.pack(">hhi", key, version, self.correlation) + wire.string("configs") + b"\0"
        frame = head + body + b"\0"
        self.send_raw(struct.pack(">i", len(frame)) + frame)
        reader = Reader(self.receive())
        reader.tags()
        return reader

    def describe(self, *resources, synonyms=True, documentation=True):
        """DescribeConfigs version 4; a resource is (kind, name) or (kind, name, keys)."""
        items = []
        for kind, name, *keys in resources:
            keys = array([text(key) for key in keys[0]]) if keys else array(None)
            items.append(struct.pack(">b", kind) + text(name) + keys + b"\0")
        reader = self.flexible(DESCRIBE, 4, array(items) + struct.pack(">bb", synonyms, documentation))
        reader.number("i")
        lines = []

        def synonym():
            line = "%s=%s:%d" % (reader.text(), reader.text(), reader.number("b"))
            reader.tags()
            return line

        def config(found):
            line = "%s = %r" % (reader.text(), reader.text())
            line += " read-only=%d source=%d sensitive=%d" % tuple(reader.number("b") for _ in range(3))
            others = reader.array(synonym)
            line += " type=%d" % reader.number("b")
            documented = reader.text()
            line += " doc=%s" % ("null" if documented is None else "empty" if documented == "" else "text")
            reader.tags()
            found.append(line + " [%s]" % " ".join(others))

        def result():
            error, message = reader.number("h"), reader.text()
            found, kind = [], reader.number("b")
            name = reader.text()
            lines.append("%s %r: %d %r" % (KINDS.get(kind, kind), name, error, message))
            reader.array(lambda: config(found))
            reader.tags()
            # The order of entries says nothing in Kafka: it is that of a hash table.
            lines.extend("%s %r: %s" % (KINDS.get(kind, kind), name, line) for line in sorted(found))

        reader.array(result)
        return lines

    def settled(self, *resources):
        """As `describe`, once it answers the same for a while: Kafka answers a change before it is in force everywhere."""
        same, before = 0, None
        for _ in range(200):
            now = self.describe(*resources)
            same = same + 1 if now == before else 0
            if same == 3:
                return now
            before = now
            time.sleep(0.03)
        raise AssertionError("the configuration does not come to rest")

    def answers(self, reader):
        reader.number("i")

        def result():
            error, message, kind, name = reader.number("h"), reader.text(), reader.number("b"), reader.text()
            reader.tags()
            return "%s %r: %d %r" % (KINDS.get(kind, kind), name, error, message)

        return reader.array(result)

    def alter(self, *resources, validate=False):
        """AlterConfigs version 2; a resource is (kind, name, {key: value}) or with a list of pairs."""
        items = []
        for kind, name, configs in resources:
            pairs = configs.items() if isinstance(configs, dict) else configs
            configs = [text(key) + text(value) + b"\0" for key, value in pairs]
            items.append(struct.pack(">b", kind) + text(name) + array(configs) + b"\0")
        return self.answers(self.flexible(ALTER, 2, array(items) + struct.pack(">b", validate)))

    def incremental(self, *resources, validate=False):
        """IncrementalAlterConfigs version 1; a resource is (kind, name, [(key, operation, value), ...])."""
        items = []
        for kind, name, configs in resources:
            configs = [text(key) + struct.pack(">b", operation) + text(value) + b"\0" for key, operation, value in configs]
            items.append(struct.pack(">b", kind) + text(name) + array(configs) + b"\0")
        return self.answers(self.flexible(INCREMENTAL, 1, array(items) + struct.pack(">b", validate)))

    def list_resources(self, *kinds):
        """ListConfigResources version 1."""
        reader = self.flexible(LIST, 1, array([struct.pack(">b", kind) for kind in kinds]))
        reader.number("i")
        error = reader.number("h")

        def resource():
            name, kind = reader.text(), reader.number("b")
            reader.tags()
            return "%s %r" % (KINDS.get(kind, kind), name)

        return ["error %d" % error] + sorted(reader.array(resource))

    def create(self, name, configs=(), validate=False, partitions=1):
        """CreateTopics version 7 for one topic: its error, its message, and the configs in the answer."""
        pairs = configs.items() if isinstance(configs, dict) else configs
        items = array([text(key) + text(value) + b"\0" for key, value in pairs])
        topic = text(name) + struct.pack(">ih", partitions, 1) + array([]) + items + b"\0"
        reader = self.flexible(19, 7, array([topic]) + struct.pack(">ib", 30_000, validate))
        reader.number("i")

        def config():
            line = "%s = %r read-only=%d source=%d sensitive=%d" % (
                reader.text(), reader.text(), reader.number("b"), reader.number("b"), reader.number("b"))
            reader.tags()
            return line

        def result():
            reader.text()
            reader.at += 16
            error, message = reader.number("h"), reader.text()
            counts = (reader.number("i"), reader.number("h"))
            configs = reader.array(config)
            reader.tags()
            head = "%r: %d %r partitions=%d replicas=%d" % ((name, error, message) + counts)
            return [head] + ["%r: %s" % (name, line) for line in sorted(configs)]

        return [line for lines in reader.array(result) for line in lines]
