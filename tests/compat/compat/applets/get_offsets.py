"""kafka-get-offsets."""

from .. import wire
from . import case


def prepare(bootstrap, prefix):
    wire.create_topic(bootstrap, prefix + "-a", 3)
    wire.create_topic(bootstrap, prefix + "-b", 1)
    with wire.Connection(bootstrap) as connection:
        connection.produce(prefix + "-a", wire.batch([b"1", b"2", b"3"], timestamp=1_700_000_000_000))
        connection.produce(prefix + "-a", wire.batch([b"4"], timestamp=1_700_000_001_000))
        connection.produce(prefix + "-b", wire.batch([b"1"]))


CASES = [
    case("kafka-get-offsets", help_text=True),
    case("kafka-get-offsets --help", help_text=True),
    case("kafka-get-offsets --topic P-a", help_text=True),
    case("kafka-get-offsets @B --nonsense"),
    case("kafka-get-offsets --bootstrap-server nonsense --topic P-a", help_text=True),
    case("kafka-get-offsets @B --topic P-a"),
    case("kafka-get-offsets @B --topic 'P-.*'"),
    case("kafka-get-offsets @B --topic P-nothing"),
    case("kafka-get-offsets @B --topic P-a --partitions 0,2"),
    case("kafka-get-offsets @B --topic P-a --partitions 9"),
    case("kafka-get-offsets @B --topic P-a --partitions one"),
    case("kafka-get-offsets @B --topic P-a --time earliest"),
    case("kafka-get-offsets @B --topic P-a --time -2"),
    case("kafka-get-offsets @B --topic P-a --time -1"),
    case("kafka-get-offsets @B --topic P-a --time latest"),
    case("kafka-get-offsets @B --topic P-a --time -3"),
    case("kafka-get-offsets @B --topic P-a --time max-timestamp"),
    case("kafka-get-offsets @B --topic P-a --time earliest-local"),
    case("kafka-get-offsets @B --topic P-a --time latest-tiered"),
    case("kafka-get-offsets @B --topic P-a --time 1700000000500"),
    case("kafka-get-offsets @B --topic P-a --time 1700000009000"),
    case("kafka-get-offsets @B --topic P-a --time 0"),
    case("kafka-get-offsets @B --topic P-a --time noon"),
    case("kafka-get-offsets @B --topic-partitions P-a:0,P-b"),
    case("kafka-get-offsets @B --topic-partitions P-a:1-"),
    case("kafka-get-offsets @B --topic-partitions P-a:-2"),
    case("kafka-get-offsets @B --topic-partitions P-a:0-2"),
    case("kafka-get-offsets @B --topic-partitions P-a:x"),
    case("kafka-get-offsets @B --topic-partitions P-a --topic P-b"),
    case("kafka-get-offsets @B --topic-partitions P-.*:0 --exclude-internal-topics"),
]
