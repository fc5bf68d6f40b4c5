"""kafka-delete-records."""

from .. import wire
from . import case


def prepare(bootstrap, prefix):
    wire.create_topic(bootstrap, prefix + "-records", 2)
    wire.create_topic(bootstrap, prefix + "-compacted", 1, {"cleanup.policy": "compact"})
    with wire.Connection(bootstrap) as connection:
        connection.produce(prefix + "-records", wire.batch([b"1", b"2", b"3"]))


def file(content):
    return {"offsets.json": content}


RUN = "kafka-delete-records @B --offset-json-file @T/offsets.json"
CASES = [
    case("kafka-delete-records", help_text=True),
    case("kafka-delete-records @B", help_text=True),
    case("kafka-delete-records --offset-json-file @T/offsets.json", help_text=True),
    case(RUN),
    case(RUN, files=file("no json")),
    case(RUN, files=file("{}")),
    case(RUN, files=file('{"version": 2, "partitions": []}')),
    case(RUN, files=file('{"version": 1, "partitions": []}')),
    case(RUN, files=file('{"partitions": [{"topic": "P-records", "partition": 0}]}')),
    case(RUN, files=file('{"partitions": [{"topic": "P-records", "partition": 0, "offset": 1},'
                         ' {"topic": "P-records", "partition": 0, "offset": 2}]}')),
    case(RUN, files=file('{"version": 1, "partitions": [{"topic": "P-records", "partition": 0, "offset": 1},'
                         ' {"topic": "P-records", "partition": 1, "offset": 0}]}'), rows="any"),
    case(RUN, files=file('{"partitions": [{"topic": "P-records", "partition": 0, "offset": 99}]}')),
    case(RUN, files=file('{"partitions": [{"topic": "P-records", "partition": 0, "offset": -1}]}')),
    case(RUN, files=file('{"partitions": [{"topic": "P-compacted", "partition": 0, "offset": 0}]}')),
    case("kafka-get-offsets @B --topic P-records --time earliest"),
]
