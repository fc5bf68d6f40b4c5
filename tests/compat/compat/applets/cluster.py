"""kafka-cluster, kafka-log-dirs and kafka-broker-api-versions."""

from .. import wire
from . import case


def prepare(bootstrap, prefix):
    wire.create_topic(bootstrap, prefix + "-dirs", 2)


CASES = [
    case("kafka-cluster cluster-id @B"),
    case("kafka-cluster cluster-id @B --config @T/client.properties", files={"client.properties": "client.id=x\n"}),
    case("kafka-cluster cluster-id @B --config @T/client.properties --command-config @T/client.properties"),
    case("kafka-cluster cluster-id @B --command-config @T/none.properties"),
    case("kafka-cluster list-endpoints @B"),
    case("kafka-cluster list-endpoints @B --include-fenced-brokers"),
    case("kafka-log-dirs", help_text=True),
    case("kafka-log-dirs @B", help_text=True),
    case("kafka-log-dirs @B --describe --topic-list P-dirs"),
    case("kafka-log-dirs @B --describe --topic-list P-dirs,P-nothing --broker-list 1"),
    case("kafka-log-dirs @B --describe --topic-list P-nothing"),
    case("kafka-log-dirs @B --describe --broker-list 1,7"),
    case("kafka-log-dirs @B --describe --broker-list one"),
    case("kafka-broker-api-versions", help_text=True),
    case("kafka-broker-api-versions --command-config @T/client.properties", help_text=True),
    case("kafka-broker-api-versions @B"),
    case("kafka-broker-api-versions --version --bootstrap-server x:1"),
]
