"""kafka-console-producer and kafka-console-consumer."""

from .. import wire
from . import case


def prepare(bootstrap, prefix):
    wire.create_topic(bootstrap, prefix + "-c", 1)
    wire.create_topic(bootstrap, prefix + "-d", 1)
    wire.create_topic(bootstrap, prefix + "-three", 3)
    wire.create_topic(bootstrap, prefix + "-time", 1, {"message.timestamp.type": "LogAppendTime"})
    with wire.Connection(bootstrap) as connection:
        connection.find_coordinator(prefix)


PRODUCE = "kafka-console-producer @B --topic P-c "
# A tool that waits for the end has time to begin on a busy machine; one that stops by itself has all of it.
CONSUME = "kafka-console-consumer @B --topic P-c --from-beginning --timeout-ms 4000 "
READ = "kafka-console-consumer @B --topic P-c --from-beginning --timeout-ms 30000 "
KEYS = "--reader-property parse.key=true "
ALL = ("--formatter-property print.key=true --formatter-property print.headers=true --formatter-property print.offset=true "
       "--formatter-property print.partition=true ")

CASES = [
    case("kafka-console-producer", help_text=True),
    case("kafka-console-producer --help", help_text=True),
    case("kafka-console-producer @B", help_text=True),
    case("kafka-console-producer --topic P-c", help_text=True),
    case("kafka-console-producer --topic P-c --bootstrap-server nonsense", help_text=True),
    case(PRODUCE + "--nonsense", help_text=True),
    case(PRODUCE + "--producer-property a=b --command-property a=b", help_text=True),
    case(PRODUCE + "--producer.config @T/p --command-config @T/p", help_text=True, files={"p": ""}),
    case(PRODUCE + "--property a=b --reader-property a=b", help_text=True),
    case(PRODUCE, stdin="first\nsecond\n"),
    case(PRODUCE + "--sync", stdin="third\r\nfourth without an end"),
    case(PRODUCE, stdin=""),
    case(PRODUCE + KEYS, stdin="k\tv\nk2\tv2\twith a tab\n"),
    case(PRODUCE + "--property parse.key=true --property key.separator=:", stdin="k3:v3\n"),
    case(PRODUCE + KEYS, stdin="no key\n", errors=False),
    case(PRODUCE + KEYS + "--reader-property ignore.error=true", stdin="no key\n"),
    case(PRODUCE + "--reader-property parse.headers=true", stdin="h:1,i:2\tvalue with headers\n"),
    case(PRODUCE + KEYS + "--reader-property parse.headers=true --reader-property null.marker=NULL",
         stdin="h:NULL\tk4\tNULL\nNULL\tNULL\tv5\n"),
    case(PRODUCE + "--reader-property headers.delimiter=,", errors=False),
    case(PRODUCE + "--reader-config @T/reader.properties", stdin="k6|v6\n",
         files={"reader.properties": "parse.key=true\nkey.separator=|\n"}),
    case(PRODUCE + "--compression-codec", stdin="gzip\n"),
    case(PRODUCE + "--compression-codec lz4 --batch-size 1000 --timeout 10 --request-required-acks 1", stdin="lz4\n"),
    case(PRODUCE + "--max-partition-memory-bytes 1000 --producer-property linger.ms=5", stdin="old options\n"),
    case(PRODUCE + "--command-config @T/producer.properties", stdin="with a file\n",
         files={"producer.properties": "acks=all\nclient.id=me\n"}),
    case(PRODUCE + "--compression-codec brotli", stdin="x\n", errors=False),
    case("kafka-console-producer @B --topic P-time", stdin="stamped\n"),
    # With keys, for records without one go to a partition that is drawn by lot.
    case("kafka-console-producer @B --topic P-three " + KEYS, stdin="".join("%d\t%d\n" % (n, n) for n in range(30))),

    case("kafka-console-consumer", help_text=True),
    case("kafka-console-consumer --help", help_text=True),
    case("kafka-console-consumer @B", help_text=True),
    case("kafka-console-consumer @B --topic a --include b", help_text=True),
    case("kafka-console-consumer --topic a", help_text=True),
    case("kafka-console-consumer @B --topic a --offset 3", help_text=True),
    case("kafka-console-consumer @B --include a --partition 3", help_text=True),
    case("kafka-console-consumer @B --topic a --partition 0 --offset 3 --from-beginning", help_text=True),
    case("kafka-console-consumer @B --topic a --partition 0 --offset three", help_text=True),
    case("kafka-console-consumer @B --topic a --partition 0 --offset -3", help_text=True),
    case("kafka-console-consumer @B --topic a --partition 0 --group g", help_text=True),
    case("kafka-console-consumer @B --topic a --group g --command-property group.id=h", help_text=True),
    case("kafka-console-consumer @B --topic a --consumer-property a=b --command-property a=b", help_text=True),
    case("kafka-console-consumer @B --topic a --property a=b --formatter-property a=b", help_text=True),
    case("kafka-console-consumer @B --topic a --formatter org.example.None", help_text=True),
    case("kafka-console-consumer @B --topic a --from-beginning --command-property auto.offset.reset=latest"),
    case(CONSUME, errors=False),
    case(CONSUME + ALL),
    case(READ + "--max-messages 3"),
    case(CONSUME + "--max-messages 0"),
    case(READ + "--property print.key=true --property key.separator=: --max-messages 8"),
    case(READ + "--formatter-property print.timestamp=true --formatter-property print.epoch=true --max-messages 2"),
    case(READ + "--formatter-property print.value=false --formatter-property print.key=true --max-messages 9"),
    case(READ + "--formatter-property null.literal=- --formatter-property line.separator=; --max-messages 12"),
    case(CONSUME + "--formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter"),
    case(READ + "--formatter-config @T/f.properties --max-messages 2",
         files={"f.properties": "print.offset=true\nkey.separator=|\n"}),
    case(READ + "--key-deserializer org.apache.kafka.common.serialization.StringDeserializer"
                   " --value-deserializer org.apache.kafka.common.serialization.StringDeserializer --max-messages 2"),
    case(READ + "--value-deserializer org.apache.kafka.common.serialization.LongDeserializer --max-messages 2",
         errors=False),
    case(READ + "--isolation-level read_committed --max-messages 2"),
    case(READ + "--consumer-property fetch.max.wait.ms=100 --consumer.config @T/c.properties --max-messages 1",
         files={"c.properties": "client.id=x\n"}),
    case("kafka-console-consumer @B --topic P-c --partition 0 --offset 4 --max-messages 2"),
    case("kafka-console-consumer @B --topic P-c --partition 0 --offset earliest --max-messages 2"),
    case("kafka-console-consumer @B --topic P-c --partition 0 --from-beginning --max-messages 2"),
    case("kafka-console-consumer @B --topic P-c --partition 0 --offset latest --timeout-ms 500", errors=False),
    case("kafka-console-consumer @B --topic P-time --from-beginning --max-messages 1"
         " --formatter-property print.timestamp=true"),
    case("kafka-console-consumer @B --topic P-three --from-beginning --max-messages 30", rows="any"),
    case("kafka-console-consumer @B --include 'P-(c|time)' --from-beginning --max-messages 5 --timeout-ms 9000"
         " --formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter"),

    # A group reads on where it stopped, commits what it printed and nothing beyond.
    case("kafka-console-consumer @B --topic P-c --group P-g --from-beginning --max-messages 3"),
    case("kafka-consumer-groups @B --describe --group P-g --verbose"),
    case("kafka-console-consumer @B --topic P-c --group P-g --max-messages 4"),
    case("kafka-consumer-groups @B --describe --group P-g"),
    case("kafka-console-consumer @B --topic P-c --group P-h --timeout-ms 1500", errors=False),
    case("kafka-consumer-groups @B --describe --group P-h"),
    case("kafka-console-consumer @B --topic P-c --command-property group.id=P-i --from-beginning --max-messages 2"
         " --command-property enable.auto.commit=false"),
    case("kafka-consumer-groups @B --describe --group P-i"),
    case("kafka-console-consumer @B --include 'P-thre+' --group P-j --from-beginning --max-messages 30", rows="any"),
    case("kafka-consumer-groups @B --describe --group P-j", rows="any"),
]
