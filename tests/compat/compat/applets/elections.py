"""kafka-leader-election. With one node every leader is the right one."""

from .. import wire
from . import case


def prepare(bootstrap, prefix):
    wire.create_topic(bootstrap, prefix + "-led", 3)


RUN = "kafka-leader-election @B --election-type preferred "
FILE = RUN + "--path-to-json-file @T/led.json"


def file(content):
    return {"led.json": '{"partitions": %s}' % content if content.startswith("[{") else content}


CASES = [
    case("kafka-leader-election", help_text=True),
    case("kafka-leader-election --help", help_text=True),
    case("kafka-leader-election --nonsense"),
    case("kafka-leader-election --topic P-led"),
    case("kafka-leader-election --election-type preferred --all-topic-partitions"),
    case("kafka-leader-election @B"),
    case("kafka-leader-election @B --election-type x --all-topic-partitions"),
    case(RUN),
    case(RUN + "--topic P-led"),
    case(RUN + "--partition 0"),
    case(RUN + "--topic P-led --partition x"),
    case(RUN + "--all-topic-partitions --topic P-led --partition 0"),
    case(RUN + "--all-topic-partitions"),
    case("kafka-leader-election @B --election-type UNCLEAN --all-topic-partitions"),
    case(RUN + "--topic P-led --partition 0"),
    case(RUN + "--topic P-led --partition 9"),
    case(RUN + "--topic P-nothing --partition 0"),
    case("kafka-leader-election @B --election-type unclean --topic P-led --partition 1"),
    case(RUN + "--topic P-led --partition 0 --admin.config @T/client.properties", files={"client.properties": "client.id=x\n"}),
    case(RUN + "--topic P-led --partition 0 --command-config @T/client.properties", files={"client.properties": "client.id=x\n"}),
    case(RUN + "--topic P-led --partition 0 --command-config @T/client.properties --admin.config @T/client.properties",
         files={"client.properties": ""}, help_text=True),
    case(FILE, files=file('[{"topic": "P-led", "partition": 0}, {"topic": "P-led", "partition": 2}]'), rows="tokens"),
    case(FILE, files=file('[{"topic": "P-led", "partition": 0}, {"topic": "P-led", "partition": 9}, '
                          '{"topic": "P-nothing", "partition": 2}]'), rows="any"),
    case(FILE, files=file('[{"topic": "P-led", "partition": 0}, {"topic": "P-led", "partition": 0}]')),
    case(FILE, files=file('{"partitions": []}')),
    case(FILE, files=file("{}")),
    case(FILE, files=file("[]")),
    case(FILE, files=file("no json")),
    case(FILE, files=file('[{"topic": "P-led"}]')),
    case(FILE, files=file('[{"partition": 1}]')),
    case(FILE, files=file('[{"topic": 1, "partition": 0}]')),
    case(FILE, files=file('[{"topic": "P-led", "partition": "a"}]')),
    case(FILE, files=file('{"partitions": {}}')),
    case(RUN + "--path-to-json-file @T/none.json"),
]
