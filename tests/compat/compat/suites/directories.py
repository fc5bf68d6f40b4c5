"""Several log directories: what AlterReplicaLogDirs and DescribeLogDirs answer, how a partition moves, and what is said of a
directory that cannot be used at a start.

What is expected is what Apache Kafka 4.4.0 does (`--broker kafka`). Which partition goes to which directory is no
promise, so the checks begin with a move.
"""

import os
import shutil
import struct
import time

from .. import wire
from .kill9 import wants_process

ALTER_REPLICA_LOG_DIRS, DESCRIBE_LOG_DIRS, INCREMENTAL_ALTER_CONFIGS, DELETE_TOPICS = 34, 35, 44, 20
NONE, UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE, NOT_LEADER = 0, 3, 5, 6
REPLICA_NOT_AVAILABLE, INVALID_TOPIC, STORAGE_ERROR, LOG_DIR_NOT_FOUND = 9, 17, 56, 57
PACE = "replica.alter.log.dirs.io.max.bytes.per.second"
WAIT_SECONDS = 30


def run(context):
    if not wants_process(context, "directories"):
        return
    broker = context.start_broker("directories", directories=2, auto_create_topics_enable="false",
                                  log_segment_delete_delay_ms=1000)
    for part in (refusals, wishes, described, moves, called_off, deleted, unusable_at_a_start):
        context.report.check("directories/" + part.__name__.replace("_", "-"), lambda p=part: p(broker))
    broker.stop_if_running()


def refusals(broker):
    """The codes of moves that are refused, in Kafka's order of checks."""
    here, there = broker.log_dirs(2)
    wire.create_topic(broker.bootstrap, "t", 2)
    with connect(broker) as connection:
        for path in ("/nope", "", there + "/", os.path.basename(there), here + "/../" + os.path.basename(there)):
            is_code(LOG_DIR_NOT_FOUND, alter(connection, path, "t", 0), path)
        for topic in ("nope", "a b", "", "x" * 213, "__cluster_metadata", "__consumer_offsets", "."):
            is_code(UNKNOWN_TOPIC, alter(connection, there, topic, 0), topic)
        for topic in ("x" * 214, "x" * 249, "x" * 250):
            is_code(INVALID_TOPIC, alter(connection, there, topic, 0), topic)
            is_code(INVALID_TOPIC, alter(connection, "/nope", topic, 0), topic)
        is_code(LOG_DIR_NOT_FOUND, alter(connection, "/nope", "nope", 0), "both")
        is_code(UNKNOWN_TOPIC, alter(connection, there, "t", 9), "index 9")
        is_code(UNKNOWN_TOPIC, alter(connection, there, "t", -1), "index -1")
        assert alter_all(connection, []) == alter_all(connection, [(there, [])]) == {}
        # Of a partition that is named under several directories the last counts.
        answer = alter_all(connection, [("/nope", [("t", [0])]), (home(connection, "t", 0), [("t", [0, 0])])])
        assert answer == {("t", 0): NONE}, answer


def wishes(broker):
    """A directory that is asked for before there is a partition is where it is made."""
    here, _there = broker.log_dirs(2)
    with connect(broker) as connection:
        for index in range(3):
            is_code(UNKNOWN_TOPIC, alter(connection, here, "wished", index), index)
        wire.create_topic(broker.bootstrap, "wished", 3)
        assert [home(connection, "wished", index) for index in range(3)] == [here] * 3


def described(broker):
    """Only what was asked for is named."""
    with connect(broker) as connection:
        held = [set(logs) for _, _, logs in describe(connection, [("wished", [0, 9]), ("nope", [0]), ("wished", [2])])]
        assert held == [{("wished", 0, False), ("wished", 2, False)}, set()] or held == [{("wished", 2, False)}, set()], held
        assert [logs for _, _, logs in describe(connection, [])] == [{}, {}]


def moves(broker):
    """A partition moves to and fro with its records, and is the same to its clients."""
    with connect(broker) as connection:
        records = [wire.batch([b"%d" % number + b"x" * 100_000]) for number in range(20)]
        for number, batch in enumerate(records):
            assert connection.produce("t", batch) == (NONE, number)
        for _ in range(2):
            source, target = places(connection, broker, "t", 0)
            size = logs_of(connection, "t", 0)[source, False][0]
            is_code(NONE, alter(connection, target, "t", 0), target)
            until(lambda: logs_of(connection, "t", 0) == {(target, False): (size, 0)}, "the move ends")
            for number in range(20):
                error, high, data = connection.fetch("t", number)
                assert (error, high) == (NONE, 20) and b"%dxxxx" % number in data, (number, error, high)
            until(lambda: not os.path.exists(os.path.join(source, "t-0")), "the source is taken away")
        assert connection.produce("t", records[0]) == (NONE, 20)
        return "%d bytes, twice" % size


def called_off(broker):
    """A move that goes on shows its copy, can be asked for again, and ends when the partition is sent where it is."""
    with connect(broker) as connection:
        pace(connection, "1")
        source, target = places(connection, broker, "t", 0)
        is_code(NONE, alter(connection, target, "t", 0), "a move")
        is_code(NONE, alter(connection, target, "t", 0), "the same again")
        logs = logs_of(connection, "t", 0)
        assert set(logs) == {(source, False), (target, True)} and logs[source, False][1] == 0, logs
        assert 0 < logs[target, True][1] <= 21, logs
        copies = [name for name in os.listdir(target) if name.startswith("t-0.") and name.endswith("-future")]
        assert len(copies) == 1, copies
        is_code(NONE, alter(connection, source, "t", 0), "called off")
        assert set(logs_of(connection, "t", 0)) == {(source, False)}


def deleted(broker):
    """A topic that is deleted while it moves leaves nothing to one of the same name."""
    with connect(broker) as connection:
        _source, target = places(connection, broker, "t", 0)
        is_code(NONE, alter(connection, target, "t", 0), "a move")
        connection.request(DELETE_TOPICS, 1, struct.pack(">i", 1) + wire.string("t") + struct.pack(">i", 10_000))
        until(lambda: logs_of(connection, "t", 0) == {}, "it is gone")
        pace(connection, "100000000")
        wire.create_topic(broker.bootstrap, "t", 2)
        assert connection.produce("t", wire.batch([b"new"])) == (NONE, 0)
        assert connection.produce("t", wire.batch([b"new"]), 1) == (NONE, 0)
        # One in each, for what comes next.
        for index, path in enumerate(broker.log_dirs(2)):
            is_code(NONE, alter(connection, path, "t", index), path)
            until(lambda i=index, p=path: set(logs_of(connection, "t", i)) == {(p, False)}, "each is in its place")


def unusable_at_a_start(broker):
    """A directory that is no directory at a start is offline alone, and its partitions are back with it."""
    here, there = broker.log_dirs(2)
    broker.stop()
    shutil.move(there, there + ".away")
    with open(there, "w"):
        pass
    broker.restart()
    with connect(broker) as connection:
        until(lambda: connection.produce("t", wire.batch([b"x"]))[0] == NONE, "the sound directory is served")
        found = [(error, path) for error, path, _ in describe(connection)]
        assert found == [(NONE, here), (STORAGE_ERROR, there)], found
        lost = (1, LEADER_NOT_AVAILABLE, -1, [1], [], [1])
        until(lambda: partitions(connection, "t") == [(0, NONE, 1, [1], [1], []), lost], "the loss is told")
        # Kafka says the one or the other, as the loss was told to the controller before or after it loaded the metadata.
        lost = (STORAGE_ERROR, NOT_LEADER)
        assert connection.produce("t", wire.batch([b"x"]), 1)[0] in lost
        # Fetch version 4 does not know the code.
        is_code(NOT_LEADER, connection.fetch("t", 0, 1)[0], "fetch")
        assert connection.list_offset("t", -1, 1)[0] in lost
        is_code(NONE, alter(connection, here, "t", 0), "where it is")
        is_code(STORAGE_ERROR, alter(connection, there, "t", 0), "to what is offline")
        assert alter(connection, here, "t", 1) in (STORAGE_ERROR, REPLICA_NOT_AVAILABLE)
        is_code(STORAGE_ERROR, alter(connection, there, "nope", 1), "nothing to what is offline")
        is_code(UNKNOWN_TOPIC, alter(connection, here, "nope", 1), "nothing")
        is_code(LOG_DIR_NOT_FOUND, alter(connection, "/nope", "t", 1), "nowhere")
        wire.create_topic(broker.bootstrap, "after", 2)
        homes = [home(connection, "after", index) for index in range(2)]
        assert homes == [here] * 2, homes
    broker.stop()
    os.remove(there)
    shutil.move(there + ".away", there)
    broker.restart()
    with connect(broker) as connection:
        until(lambda: connection.produce("t", wire.batch([b"x"]), 1) == (NONE, 1), "it is back with what it had")
        sound = [(index, NONE, 1, [1], [1], []) for index in range(2)]
        until(lambda: partitions(connection, "t") == sound, "both are led")


# ---- what is asked ----


def connect(broker):
    return wire.Connection(broker.bootstrap, 30)


def is_code(expected, code, what):
    assert code == expected, "%s: error %d, expected %d" % (what, code, expected)


def until(condition, what):
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "not within %d s: %s" % (WAIT_SECONDS, what)
        time.sleep(0.05)


def pace(connection, bytes_per_second):
    """Bounds how fast moves of broker 1 are."""
    body = struct.pack(">ib", 1, 4) + wire.string("1") + struct.pack(">i", 1) + wire.string(PACE)
    body += b"\0" + wire.string(bytes_per_second) + b"\0"
    error = struct.unpack_from(">h", connection.request(INCREMENTAL_ALTER_CONFIGS, 0, body), 8)[0]
    assert error == NONE, "the pace was refused with error %d" % error


def topic_list(topics):
    if topics is None:
        return struct.pack(">i", -1)
    body = struct.pack(">i", len(topics))
    for name, indexes in topics:
        body += wire.string(name) + struct.pack(">i%di" % len(indexes), len(indexes), *indexes)
    return body


class Reader:
    """An answer, field by field."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values

    def string(self):
        size = max(self.take("h")[0], 0)
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def array(self, item):
        return [item() for _ in range(self.take("i")[0])]


def alter_all(connection, dirs):
    """{(topic, partition): error} of AlterReplicaLogDirs version 1."""
    body = struct.pack(">i", len(dirs)) + b"".join(wire.string(path) + topic_list(topics) for path, topics in dirs)
    answer = Reader(connection.request(ALTER_REPLICA_LOG_DIRS, 1, body))
    answer.take("i")
    topics = answer.array(lambda: (answer.string(), answer.array(lambda: answer.take("ih"))))
    return {(topic, index): error for topic, results in topics for index, error in results}


def alter(connection, path, topic, index):
    return alter_all(connection, [(path, [(topic, [index])])])[topic, index]


def describe(connection, topics=None):
    """[(error, path, {(topic, partition, is a copy): (size, lag)})] of DescribeLogDirs version 1."""
    answer = Reader(connection.request(DESCRIBE_LOG_DIRS, 1, topic_list(topics)))
    answer.take("i")

    def log_dir():
        error, path = answer.take("h")[0], answer.string()
        topics = answer.array(lambda: (answer.string(), answer.array(lambda: answer.take("iqq?"))))
        return error, path, {(topic, index, is_copy): (size, lag)
                             for topic, logs in topics for index, size, lag, is_copy in logs}

    return answer.array(log_dir)


def logs_of(connection, topic, index):
    """{(directory, is a copy): (size, lag)} of a partition."""
    return {(path, key[2]): value for _, path, logs in describe(connection, [(topic, [index])])
            for key, value in logs.items()}


def home(connection, topic, index):
    """The directory of a partition's log."""
    return next(path for path, is_copy in logs_of(connection, topic, index) if not is_copy)


def places(connection, broker, topic, index):
    """The directory of a partition's log, and the other one."""
    source = home(connection, topic, index)
    return source, next(path for path in broker.log_dirs(2) if path != source)


def partitions(connection, topic):
    """[(index, error, leader, replicas, in sync, offline)] of Metadata version 5."""
    answer = Reader(connection.request(wire.METADATA, 5, struct.pack(">i", 1) + wire.string(topic) + b"\0"))
    answer.take("i")
    answer.array(lambda: (answer.take("i"), answer.string(), answer.take("i"), answer.string()))
    answer.string()
    answer.take("i")

    def partition():
        error, index, leader = answer.take("hii")
        lists = [answer.array(lambda: answer.take("i")[0]) for _ in range(3)]
        return (index, error, leader, *lists)

    return sorted(answer.array(lambda: (answer.take("h"), answer.string(), answer.take("b"), answer.array(partition)))[0][3])
