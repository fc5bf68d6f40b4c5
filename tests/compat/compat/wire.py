"""Owns a small Kafka client on raw sockets, written without any library.

It speaks only old, plain versions of a few requests. The suites use it to create topics, to check that a broker still
serves others, and to send what no proper client would send. Never used to measure.
"""

import socket
import struct

PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = 0, 1, 2, 3, 8, 9, 10
JOIN_GROUP, SYNC_GROUP = 11, 14
API_VERSIONS, CREATE_TOPICS = 18, 19
COORDINATOR_ERRORS = (14, 15, 16)


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def varint(value):
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value & ~0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def string(text):
    if text is None:
        return struct.pack(">h", -1)
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def record(delta, value, key=None):
    """One record of a batch, with no headers."""
    body = b"\0" + varint(0) + varint(delta)
    body += varint(-1) if key is None else varint(len(key)) + key
    body += varint(-1) if value is None else varint(len(value)) + value
    body += varint(0)
    return varint(len(body)) + body


def batch(values, timestamp=1_700_000_000_000, magic=2, count=None, length=None, crc=None, last_delta=None,
          attributes=0):
    """A record batch of format 2. The named fields can be set to lies."""
    records = b"".join(record(index, value) for index, value in enumerate(values))
    count = len(values) if count is None else count
    last_delta = len(values) - 1 if last_delta is None else last_delta
    tail = struct.pack(">hiqqqhii", attributes, last_delta, timestamp, timestamp, -1, -1, -1, count) + records
    crc = crc32c(tail) if crc is None else crc
    rest = struct.pack(">ibI", -1, magic, crc) + tail
    return struct.pack(">qi", 0, len(rest) if length is None else length) + rest


class Closed(Exception):
    """The broker closed the connection."""


class Reader:
    """Takes an answer apart, from its first byte on."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def number(self, kind):
        found = struct.unpack_from(">" + kind, self.data, self.at)[0]
        self.at += struct.calcsize(kind)
        return found

    def text(self):
        length = self.number("h")
        if length < 0:
            return None
        self.at += length
        return self.data[self.at - length:self.at].decode()


class Connection:
    """One socket to a broker; requests are answered in order."""

    def __init__(self, bootstrap, seconds=10):
        host, port = bootstrap.split(",")[0].rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), seconds)
        self.socket.settimeout(seconds)
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def header(self, key, version):
        self.correlation += 1
        return struct.pack(">hhi", key, version, self.correlation) + string("compat")

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as reason:
            raise Closed() from reason

    def send(self, key, version, body):
        frame = self.header(key, version) + body
        self.send_raw(struct.pack(">i", len(frame)) + frame)

    def read_exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                got = self.socket.recv(count - len(data))
            except ConnectionResetError as reason:
                raise Closed() from reason
            if not got:
                raise Closed()
            data += got
        return data

    def receive(self):
        """Body of the next answer, behind its correlation id."""
        size = struct.unpack(">i", self.read_exactly(4))[0]
        frame = self.read_exactly(size)
        if struct.unpack_from(">i", frame)[0] != self.correlation:
            raise AssertionError("answer to another request")
        return frame[4:]

    def request(self, key, version, body):
        self.send(key, version, body)
        return self.receive()

    def api_versions(self):
        """(error, {key: (lowest, highest)}) by version 0."""
        answer = self.request(API_VERSIONS, 0, b"")
        error, count = struct.unpack_from(">hi", answer)
        keys = {}
        for index in range(count):
            key, low, high = struct.unpack_from(">hhh", answer, 6 + 6 * index)
            keys[key] = (low, high)
        return error, keys

    def create_topic(self, name, partitions=1, configs=None, seconds=20):
        """Error code of CreateTopics version 2 for one topic."""
        body = struct.pack(">i", 1) + string(name) + struct.pack(">ihi", partitions, 1, 0)
        items = sorted((configs or {}).items())
        body += struct.pack(">i", len(items)) + b"".join(string(k) + string(str(v)) for k, v in items)
        body += struct.pack(">ib", seconds * 1000, 0)
        answer = self.request(CREATE_TOPICS, 2, body)
        size = struct.unpack_from(">h", answer, 8)[0]
        return struct.unpack_from(">h", answer, 10 + size)[0]

    def cluster_and_topics(self):
        """The cluster's id and the names of its topics (Metadata, version 2)."""
        answer = Reader(self.request(3, 2, struct.pack(">i", -1)))
        for _ in range(answer.number("i")):
            answer.number("i"), answer.text(), answer.number("i"), answer.text()
        cluster, _ = answer.text(), answer.number("i")
        topics = []
        for _ in range(answer.number("i")):
            answer.number("h")
            topics.append(answer.text())
            answer.number("b")
            for _ in range(answer.number("i")):
                answer.number("h"), answer.number("i"), answer.number("i")
                for _ in range(2):
                    for _ in range(answer.number("i")):
                        answer.number("i")
        return cluster, topics

    def produce(self, topic, records, partition=0, acks=-1, version=3):
        """(error, base offset) of Produce version 3 for one partition."""
        body = string(None) + struct.pack(">hii", acks, 10_000, 1) + string(topic)
        body += struct.pack(">ii", 1, partition)
        body += struct.pack(">i", -1) if records is None else struct.pack(">i", len(records)) + records
        self.send(PRODUCE, version, body)
        if acks == 0:
            return 0, -1
        answer = self.receive()
        at = 4 + 2 + len(topic.encode()) + 4
        _, error, offset = struct.unpack_from(">ihq", answer, at)
        return error, offset

    def fetch(self, topic, offset, partition=0, max_bytes=1 << 20, wait_ms=500):
        """(error, high watermark, record bytes) of Fetch version 4 for one partition."""
        body = struct.pack(">iiiibi", -1, wait_ms, 1, max_bytes, 0, 1) + string(topic)
        body += struct.pack(">iiqi", 1, partition, offset, max_bytes)
        answer = self.request(FETCH, 4, body)
        at = 4 + 4 + 2 + len(topic.encode()) + 4
        _, error, high, _, aborted = struct.unpack_from(">ihqqi", answer, at)
        at += 4 + 2 + 8 + 8 + 4 + max(aborted, 0) * 16
        size = struct.unpack_from(">i", answer, at)[0]
        return error, high, answer[at + 4:at + 4 + max(size, 0)]

    def list_offset(self, topic, timestamp, partition=0):
        """(error, offset) of ListOffsets version 1."""
        body = struct.pack(">ii", -1, 1) + string(topic) + struct.pack(">iiq", 1, partition, timestamp)
        answer = self.request(LIST_OFFSETS, 1, body)
        at = 4 + 2 + len(topic.encode()) + 4
        _, error, _, offset = struct.unpack_from(">ihqq", answer, at)
        return error, offset

    def find_coordinator(self, group):
        """Error of FindCoordinator version 0; the first one makes the broker create its offsets topic."""
        return struct.unpack_from(">h", self.request(FIND_COORDINATOR, 0, string(group)))[0]

    def commit_offset(self, group, topic, offset, partition=0):
        """Error of OffsetCommit version 2 from outside of any generation."""
        body = string(group) + struct.pack(">i", -1) + string("") + struct.pack(">qi", -1, 1) + string(topic)
        body += struct.pack(">iiq", 1, partition, offset) + string("")
        answer = self.request(OFFSET_COMMIT, 2, body)
        return struct.unpack_from(">h", answer, len(answer) - 2)[0]

    def join_group(self, group, topics, partitions, instance=None, session_ms=60_000):
        """Joins as the group's only member and takes these partitions of the topics, by version 5: its member id. It stays a
        member for `session_ms`, without heartbeats."""
        subscription = struct.pack(">hi", 0, len(topics)) + b"".join(string(t) for t in topics) + struct.pack(">i", -1)
        member = ""
        while True:
            body = string(group) + struct.pack(">ii", session_ms, session_ms) + string(member) + string(instance)
            body += string("consumer") + struct.pack(">i", 1) + string("range")
            body += struct.pack(">i", len(subscription)) + subscription
            answer = self.request(JOIN_GROUP, 5, body)
            error, generation, size = struct.unpack_from(">hih", answer, 4)
            at = 12 + max(size, 0)
            for _ in range(2):  # the leader, then the member itself
                size = struct.unpack_from(">h", answer, at)[0]
                member = answer[at + 2:at + 2 + size].decode()
                at += 2 + size
            if error != 79:  # MEMBER_ID_REQUIRED: once more with the id
                break
        assert error == 0, "JoinGroup answered error %d" % error
        assignment = struct.pack(">hi", 0, len(topics))
        for topic in topics:
            assignment += string(topic) + struct.pack(">i", len(partitions))
            assignment += b"".join(struct.pack(">i", partition) for partition in partitions)
        assignment += struct.pack(">i", -1)
        body = string(group) + struct.pack(">i", generation) + string(member) + string(instance) + struct.pack(">i", 1)
        body += string(member) + struct.pack(">i", len(assignment)) + assignment
        error = struct.unpack_from(">h", self.request(SYNC_GROUP, 3, body), 4)[0]
        assert error == 0, "SyncGroup answered error %d" % error
        return member

    def committed_offset(self, group, topic, partition=0):
        """(error, offset) of OffsetFetch version 1."""
        body = string(group) + struct.pack(">i", 1) + string(topic) + struct.pack(">ii", 1, partition)
        answer = self.request(OFFSET_FETCH, 1, body)
        at = 4 + 2 + len(topic.encode()) + 4
        offset, size = struct.unpack_from(">qh", answer, at + 4)
        return struct.unpack_from(">h", answer, at + 14 + max(size, 0))[0], offset


def create_topic(bootstrap, name, partitions=1, configs=None):
    """Creates a topic and waits until its partitions have leaders, or raises."""
    with Connection(bootstrap, 30) as connection:
        error = connection.create_topic(name, partitions, configs)
        if error not in (0, 36):
            raise AssertionError("CreateTopics %s answered error %d" % (name, error))
        for _ in range(200):
            errors = {connection.list_offset(name, -1, partition)[0] for partition in range(partitions)}
            if errors == {0}:
                return
        raise AssertionError("no leader for %s: errors %s" % (name, sorted(errors)))
