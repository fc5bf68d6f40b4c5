"""What no proper client sends. After each attack a good client must be served, by the same process."""

import random
import socket
import struct
import time

from .. import wire

TOPIC = "hostile"
CORRUPT_MESSAGE, UNKNOWN_TOPIC, INVALID_TOPIC, UNSUPPORTED_VERSION = 2, 3, 17, 35
UNKNOWN, OFFSET_OUT_OF_RANGE, INVALID_RECORD, INVALID_REQUEST = -1, 1, 87, 42
UNSUPPORTED_COMPRESSION = 76
# Memory that the whole suite may leave behind.
GROWTH_BYTES = 200 << 20
TOO_MUCH_FOR_KAFKA = {"attack_promised_megabytes": "Apache Kafka allocates what is promised and runs out of heap"}


def run(context):
    broker = context.start_broker("hostile")
    wire.create_topic(broker.bootstrap, TOPIC)
    good_client(broker)
    before = broker.resident_bytes()
    attacks = Attacks(broker.bootstrap, random.Random(context.seed))
    for name in sorted(n for n in dir(attacks) if n.startswith("attack_")):
        title = "hostile/" + name[len("attack_"):]

        def attack(action=getattr(attacks, name)):
            note = action()
            good_client(broker)
            return note

        if context.kind == "kafka" and name in TOO_MUCH_FOR_KAFKA:
            context.report.skip(title, TOO_MUCH_FOR_KAFKA[name])
        elif context.wanted(title):
            context.report.check(title, attack)
    attacks.release()
    if context.kind == "klamm":
        context.report.check("hostile/memory", lambda: memory(broker, before))
        context.report.check("hostile/stop", broker.stop)
    broker.stop_if_running()


def good_client(broker):
    """Produces one record and reads it back."""
    value = b"good %d" % time.monotonic_ns()
    with wire.Connection(broker.bootstrap, 10) as connection:
        error, keys = connection.api_versions()
        assert error == 0 and wire.PRODUCE in keys, "ApiVersions: %d" % error
        error, offset = connection.produce(TOPIC, wire.batch([value]))
        assert error == 0, "good client: produce answered %d" % error
        error, high, data = connection.fetch(TOPIC, offset)
        assert error == 0 and high == offset + 1 and value in data, "good client: fetch answered %d, %d" % (error, high)
    assert broker.alive(), "the broker is gone"


def memory(broker, before):
    growth = broker.resident_bytes() - before
    assert growth < GROWTH_BYTES, "resident memory grew by %d MiB" % (growth >> 20)
    return "%+d MiB" % (growth >> 20)


class Attacks:
    """Each method attacks once and asserts what the attacker itself must see."""

    def __init__(self, bootstrap, chance):
        self.bootstrap = bootstrap
        self.chance = chance
        self.held = []

    def connect(self):
        return wire.Connection(self.bootstrap, 10)

    def release(self):
        for held in self.held:
            held.close()
        self.held.clear()

    def closes(self, data):
        """Sends bytes; the broker must close the connection without an answer."""
        with self.connect() as connection:
            try:
                connection.send_raw(data)
                got = connection.read_exactly(1)
            except wire.Closed:
                return "closed"
            except socket.timeout:
                raise AssertionError("the connection stays open") from None
            raise AssertionError("answered with %r…" % got)

    def frame(self, key, version, body, correlation=9):
        data = struct.pack(">hhi", key, version, correlation) + wire.string("hostile") + body
        return struct.pack(">i", len(data)) + data

    # Frames

    def attack_garbage(self):
        for _ in range(30):
            with self.connect() as connection:
                try:
                    connection.send_raw(self.chance.randbytes(self.chance.randrange(1, 5000)))
                except wire.Closed:
                    pass
        return "30 connections"

    def attack_http(self):
        return self.closes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def attack_frame_length_negative(self):
        return self.closes(struct.pack(">i", -1))

    def attack_frame_length_zero(self):
        return self.closes(struct.pack(">i", 0))

    def attack_frame_length_above_limit(self):
        return self.closes(struct.pack(">i", 104_857_601) + b"\0" * 64)

    def attack_frame_length_2_gib(self):
        return self.closes(struct.pack(">i", 0x7FFFFFFF) + b"\0" * 64)

    def attack_frame_truncated(self):
        whole = self.frame(wire.METADATA, 1, struct.pack(">i", -1))
        for cut in range(1, len(whole)):
            with self.connect() as connection:
                connection.send_raw(whole[:cut])
        return "%d cuts" % (len(whole) - 1)

    def attack_body_missing(self):
        return self.closes(self.frame(wire.PRODUCE, 3, b""))

    def attack_header_cut(self):
        return self.closes(struct.pack(">ihh", 4, wire.METADATA, 1))

    # Keys and versions

    def attack_api_key_unknown(self):
        return self.closes(self.frame(9999, 0, b""))

    def attack_api_key_negative(self):
        return self.closes(self.frame(-1, 0, b""))

    def attack_version_unknown(self):
        return self.closes(self.frame(wire.METADATA, 99, b"\0" * 32))

    def attack_version_removed(self):
        return self.closes(self.frame(wire.PRODUCE, 0, struct.pack(">hii", -1, 1000, 0)))

    def attack_api_versions_unknown(self):
        """The one request whose unknown version is answered: version 0 with the supported range."""
        with self.connect() as connection:
            body = connection.request(wire.API_VERSIONS, 99, b"\0\7client\4one\0\0\0")
            error, count = struct.unpack_from(">hi", body)
            assert error == UNSUPPORTED_VERSION, "error %d" % error
            ranges = [struct.unpack_from(">hhh", body, 6 + 6 * i) for i in range(count)]
            assert any(key == wire.API_VERSIONS and high >= 3 for key, _, high in ranges), ranges
            assert connection.api_versions()[0] == 0, "the connection is spoilt"
        return "%d keys" % count

    # Counts and strings

    def attack_array_count_negative(self):
        return self.closes(self.frame(wire.LIST_OFFSETS, 1, struct.pack(">ii", -1, -2)))

    def attack_array_count_null(self):
        """A null where the schema has none."""
        return self.closes(self.frame(wire.LIST_OFFSETS, 1, struct.pack(">ii", -1, -1)))

    def attack_array_count_huge(self):
        return self.closes(self.frame(wire.METADATA, 1, struct.pack(">i", 0x7FFFFFFF) + wire.string("x")))

    def attack_compact_array_huge(self):
        # Metadata 12: header with an empty tag section, then a count of 2^31 - 2 topics.
        data = struct.pack(">hhi", wire.METADATA, 12, 1) + wire.string("hostile") + b"\0" + b"\xff\xff\xff\xff\x07\0\0\0"
        return self.closes(struct.pack(">i", len(data)) + data)

    def attack_tag_count_huge(self):
        data = struct.pack(">hhi", wire.METADATA, 12, 1) + wire.string("hostile") + b"\xff\xff\xff\xff\x0f"
        return self.closes(struct.pack(">i", len(data)) + data)

    def attack_string_length_beyond_frame(self):
        return self.closes(self.frame(wire.METADATA, 1, struct.pack(">ih", 1, 30_000) + b"short"))

    def attack_records_length_beyond_frame(self):
        body = wire.string(None) + struct.pack(">hii", -1, 1000, 1) + wire.string(TOPIC)
        return self.closes(self.frame(wire.PRODUCE, 3, body + struct.pack(">iii", 1, 0, 1 << 30)))

    # Record batches

    def produce_answers(self, records, *codes):
        with self.connect() as connection:
            error, _ = connection.produce(TOPIC, records)
            assert error in codes, "error %d instead of %s" % (error, codes)
            return "error %d" % error

    def attack_batch_crc(self):
        return self.produce_answers(wire.batch([b"x"], crc=12345), CORRUPT_MESSAGE)

    def attack_batch_bit_flip(self):
        good = wire.batch([b"some value that is long enough"] * 3)
        for _ in range(40):
            bad = bytearray(good)
            at = self.chance.randrange(17, len(bad))
            bad[at] ^= 1 << self.chance.randrange(8)
            # A flip that turns the codec into zstd is refused for the request's version before the checksum is looked at.
            self.produce_answers(bytes(bad), CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION)
        return "40 flips"

    def attack_batch_cut(self):
        good = wire.batch([b"value"] * 3)
        for cut in (1, 11, 12, 20, 60, 61, len(good) - 1):
            self.produce_answers(good[:cut], CORRUPT_MESSAGE, INVALID_RECORD)
        return "7 cuts"

    def attack_batch_length_lies(self):
        for length in (-1, 0, 13, 0x7FFFFFFF):
            self.produce_answers(wire.batch([b"value"], length=length), CORRUPT_MESSAGE, INVALID_RECORD, UNKNOWN)
        return "4 lengths"

    def attack_batch_count_lies(self):
        for count, last in ((-1, 0), (0, 0), (5, 0), (1, 7), (0x7FFFFFFF, 0x7FFFFFFE)):
            self.produce_answers(wire.batch([b"value"], count=count, last_delta=last), CORRUPT_MESSAGE, INVALID_RECORD)
        return "5 counts"

    def attack_batch_magic_future(self):
        return self.produce_answers(wire.batch([b"value"], magic=3), CORRUPT_MESSAGE, INVALID_RECORD, 43)

    def attack_batch_two_in_one(self):
        two = wire.batch([b"a"]) + wire.batch([b"b"])
        return self.produce_answers(two, INVALID_RECORD)

    def attack_batch_control_from_client(self):
        return self.produce_answers(wire.batch([b"x"], attributes=0x20), INVALID_RECORD)

    def attack_batch_codec_unknown(self):
        return self.produce_answers(
            wire.batch([b"x"], attributes=0x07), CORRUPT_MESSAGE, INVALID_RECORD, UNSUPPORTED_COMPRESSION, UNKNOWN)

    def attack_batch_codec_garbage(self):
        """Says gzip, is not."""
        return self.produce_answers(wire.batch([b"not gzip at all"], attributes=0x01), CORRUPT_MESSAGE, INVALID_RECORD, UNKNOWN)

    def attack_batch_empty(self):
        return self.produce_answers(b"", CORRUPT_MESSAGE, INVALID_RECORD, 0)

    # Names, offsets, sizes

    def attack_topic_names(self):
        with self.connect() as connection:
            for name in ("", ".", "..", "a/b", "../../etc/passwd", "x" * 250, "sp ace", "nul\0", "\u00e9"):
                error = connection.create_topic(name)
                assert error == INVALID_TOPIC, "name %r answered %d" % (name, error)
        return "9 names refused"

    def attack_topic_configs(self):
        with self.connect() as connection:
            for key, value, want in (("retention.ms", "soon", 40), ("no.such.key", "1", 40), ("segment.bytes", "-5", 40)):
                error = connection.create_topic("bad-config", 1, {key: value})
                assert error == want, "%s=%s answered %d" % (key, value, error)
        return "3 refused"

    def attack_topic_partitions_absurd(self):
        with self.connect() as connection:
            for count, codes in ((0, (37,)), (-2, (37,)), (0x7FFFFFFF, (37, 44, 89))):
                error = connection.create_topic("absurd", count)
                assert error in codes, "%d partitions answered %d" % (count, error)
        return "3 refused"

    def attack_offsets_out_of_range(self):
        with self.connect() as connection:
            for offset in (-7, 1 << 40, (1 << 63) - 1):
                error, _, data = connection.fetch(TOPIC, offset)
                assert error == OFFSET_OUT_OF_RANGE and not data, "offset %d answered %d" % (offset, error)
            error, _, _ = connection.fetch(TOPIC, 0, max_bytes=-1)
            assert error in (0, INVALID_REQUEST, UNKNOWN), "negative size answered %d" % error
            assert connection.fetch("no-such-topic", 0)[0] == UNKNOWN_TOPIC
            assert connection.fetch(TOPIC, 0, partition=99)[0] == UNKNOWN_TOPIC
        return "refused"

    # Connections

    def attack_idle_and_half_open_connections(self):
        """300 connections: silent, with half a length, with half a frame. They stay open until the suite ends."""
        for index in range(300):
            connection = wire.Connection(self.bootstrap, 10)
            self.held.append(connection.socket)
            connection.send_raw((b"", b"\0\0", struct.pack(">i", 1000) + b"half")[index % 3])
        return "300 held"

    def attack_promised_megabytes(self):
        """20 connections that promise 100 MB each and send a few bytes: memory must follow what came."""
        for _ in range(20):
            connection = wire.Connection(self.bootstrap, 10)
            self.held.append(connection.socket)
            connection.send_raw(struct.pack(">i", 104_857_600) + struct.pack(">hhi", wire.PRODUCE, 3, 1))
        return "2 GB promised"

    def attack_never_reads(self):
        """Thousands of requests whose answers are never read."""
        connection = wire.Connection(self.bootstrap, 2)
        self.held.append(connection.socket)
        sent = 0
        request = self.frame(wire.METADATA, 1, struct.pack(">i", -1)) * 50
        try:
            for _ in range(400):
                connection.send_raw(request)
                sent += 50
        except (socket.timeout, wire.Closed):
            pass
        return "%d requests taken" % sent

    def attack_reset_while_answering(self):
        for _ in range(50):
            connection = wire.Connection(self.bootstrap, 10)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.send_raw(self.frame(wire.METADATA, 1, struct.pack(">i", -1)) * 20)
            connection.socket.close()
        return "50 resets"

    def attack_byte_by_byte(self):
        """Slow but proper: served in the end."""
        with self.connect() as connection:
            for byte in self.frame(wire.METADATA, 1, struct.pack(">i", 0), correlation=1):
                connection.send_raw(bytes([byte]))
                time.sleep(0.002)
            connection.correlation = 1
            connection.receive()
        return "answered"

    def attack_mutations(self):
        """Whole, well-framed requests with random bytes changed."""
        good = [self.frame(wire.METADATA, 1, struct.pack(">i", 1) + wire.string(TOPIC)),
                self.frame(wire.LIST_OFFSETS, 1, struct.pack(">ii", -1, 1) + wire.string(TOPIC) + struct.pack(">iiq", 1, 0, -1)),
                self.frame(wire.API_VERSIONS, 3, b"\0\7client\4one\0"),
                self.frame(11, 5, wire.string("g") + struct.pack(">ii", 6000, 6000) + wire.string("") + wire.string(None)
                           + wire.string("consumer") + struct.pack(">i", 0)),
                self.frame(8, 2, wire.string("g") + struct.pack(">i", -1) + wire.string("") + struct.pack(">qi", -1, 0))]
        for _ in range(300):
            data = bytearray(self.chance.choice(good))
            for _ in range(self.chance.randrange(1, 4)):
                data[self.chance.randrange(8, len(data))] = self.chance.randrange(256)
            with self.connect() as connection:
                try:
                    connection.send_raw(bytes(data))
                except wire.Closed:
                    pass
        return "300 requests"
