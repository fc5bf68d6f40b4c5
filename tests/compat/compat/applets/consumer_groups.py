"""kafka-consumer-groups."""

import time

from .. import wire
from . import case

# Members stay for a minute without a sign of life; the connections need not.
T0 = 1_700_000_000_000


def prepare(bootstrap, prefix):
    a, b = prefix + "-a", prefix + "-b"
    wire.create_topic(bootstrap, a, 3)
    wire.create_topic(bootstrap, b, 1)
    with wire.Connection(bootstrap) as connection:
        for index in range(10):
            connection.produce(a, wire.batch([b"v"], timestamp=T0 + index * 1000))
            connection.produce(a, wire.batch([b"v"], timestamp=T0 + index * 1000), partition=1)
        connection.produce(b, wire.batch([b"v"]))
        connection.find_coordinator(prefix)
        for group, offsets in (("empty", {0: 3, 1: 4}), ("other", {0: 1}), ("spare", {2: 0}), ("busy", {0: 2, 2: 0})):
            for partition, offset in offsets.items():
                commit(connection, prefix + "-" + group, a, offset, partition)
        connection.join_group(prefix + "-busy", [a], [0, 1])
        connection.join_group(prefix + "-static", [a, b], [0], instance="instance-1")


def commit(connection, group, topic, offset, partition):
    """Commits as soon as there is a coordinator."""
    deadline = time.monotonic() + 20
    while True:
        error = connection.commit_offset(group, topic, offset, partition)
        if error not in wire.COORDINATOR_ERRORS or time.monotonic() > deadline:
            assert error == 0, "OffsetCommit answered error %d" % error
            return
        time.sleep(0.05)


GROUPS = "kafka-consumer-groups @B "
RESET = GROUPS + "--reset-offsets "
PLAN = {"plan.csv": "P-a,0,7\nP-a,1,99\n"}
PLANS = {"plans.csv": "P-empty,P-a,0,6\nP-other,P-a,0,5\n"}

CASES = [
    case("kafka-consumer-groups", help_text=True),
    case("kafka-consumer-groups --help", help_text=True),
    case("kafka-consumer-groups --list", help_text=True),
    case(GROUPS, help_text=True),
    case(GROUPS + "--list --describe --all-groups", help_text=True),
    case(GROUPS + "--nonsense"),
    case(GROUPS + "--members"),
    case(GROUPS + "--list --members --verbose"),
    case(GROUPS + "--describe", help_text=True),
    case(GROUPS + "--describe --group P-empty --members --state", help_text=True),
    case(GROUPS + "--describe --group P-empty --state Empty", help_text=True),
    case(GROUPS + "--describe --group P-empty --all-groups", help_text=True),
    case(GROUPS + "--describe --group P-empty --topic P-a", help_text=True),
    case(GROUPS + "--delete", help_text=True),
    case(GROUPS + "--delete --group P-empty --topic P-a", help_text=True),
    case(GROUPS + "--list --group P-empty", help_text=True),
    case(GROUPS + "--delete-offsets --group P-empty", help_text=True),
    case(GROUPS + "--reset-offsets", help_text=True),
    case(GROUPS + "--reset-offsets --group P-empty", help_text=True),
    case(GROUPS + "--reset-offsets --group P-empty --all-topics", help_text=True),
    case(GROUPS + "--reset-offsets --group P-empty --dry-run --execute", help_text=True),
    case(GROUPS + "--reset-offsets --group P-empty --to-latest --to-earliest --dry-run", help_text=True),
    case("kafka-consumer-groups --validate-regex a.*"),
    case("kafka-consumer-groups --validate-regex [a"),
    case("kafka-consumer-groups --validate-regex (a"),
    case("kafka-consumer-groups --validate-regex a)"),
    case("kafka-consumer-groups --validate-regex *a"),
    case("kafka-consumer-groups --bootstrap-server nonsense --list"),

    case(GROUPS + "--list", rows="any"),
    case(GROUPS + "--list --state", rows="any"),
    case(GROUPS + "--list --type", rows="any"),
    case(GROUPS + "--list --state --type", rows="any"),
    case(GROUPS + "--list --state Stable", rows="any"),
    case(GROUPS + "--list --state empty,stable --type classic", rows="any"),
    case(GROUPS + "--list --state PreparingRebalance"),
    case(GROUPS + "--list --type consumer"),
    case(GROUPS + "--list --state nonsense", help_text=True),
    case(GROUPS + "--list --type share", help_text=True),
    case(GROUPS + "--list --timeout 5000", rows="any"),
    case(GROUPS + "--list --timeout soon"),

    case(GROUPS + "--describe --group P-nothing"),
    case(GROUPS + "--describe --group P-nothing --members"),
    case(GROUPS + "--describe --group P-nothing --state"),
    case(GROUPS + "--describe --group P-empty"),
    case(GROUPS + "--describe --group P-empty --offsets --verbose"),
    case(GROUPS + "--describe --group P-empty --members"),
    case(GROUPS + "--describe --group P-empty --members --verbose"),
    case(GROUPS + "--describe --group P-empty --state"),
    case(GROUPS + "--describe --group P-empty --state --verbose"),
    case(GROUPS + "--describe --group P-busy"),
    case(GROUPS + "--describe --group P-busy --verbose"),
    case(GROUPS + "--describe --group P-busy --members"),
    case(GROUPS + "--describe --group P-busy --members --verbose"),
    case(GROUPS + "--describe --group P-busy --state"),
    case(GROUPS + "--describe --group P-busy --state --verbose"),
    case(GROUPS + "--describe --group P-static"),
    case(GROUPS + "--describe --group P-static --members"),
    case(GROUPS + "--describe --group P-static --members --verbose"),
    case(GROUPS + "--describe --group P-empty --group P-busy"),
    case(GROUPS + "--describe --group P-empty --group P-nothing"),
    case(GROUPS + "--describe --all-groups", rows="any"),
    case(GROUPS + "--describe --all-groups --members", rows="any"),
    case(GROUPS + "--describe --all-groups --state", rows="any"),

    case(RESET + "--group P-empty --topic P-a --to-earliest"),
    case(RESET + "--group P-empty --topic P-a --to-earliest --dry-run"),
    case(RESET + "--group P-empty --topic P-a --to-latest --dry-run"),
    case(RESET + "--group P-empty --topic P-a:0 --to-offset 5 --dry-run"),
    case(RESET + "--group P-empty --topic P-a:0,1 --topic P-b --to-offset 500 --dry-run"),
    case(RESET + "--group P-empty --topic P-a:0 --to-offset -5 --dry-run"),
    case(RESET + "--group P-empty --topic P-a:0 --to-offset five --dry-run"),
    case(RESET + "--group P-empty --topic P-a:9 --to-earliest --dry-run"),
    case(RESET + "--group P-empty --topic P-a:x --to-earliest --dry-run", help_text=True),
    case(RESET + "--group P-empty --topic P-a:0:1 --to-earliest --dry-run", help_text=True),
    case(RESET + "--group P-empty --topic P-nothing --to-earliest --dry-run"),
    case(RESET + "--group P-empty --topic P-nothing:0 --to-earliest --dry-run"),
    case(RESET + "--group P-empty --all-topics --shift-by 2 --dry-run"),
    case(RESET + "--group P-empty --all-topics --shift-by -100 --dry-run"),
    case(RESET + "--group P-empty --topic P-a:2 --shift-by 1 --dry-run", help_text=True),
    case(RESET + "--group P-empty --all-topics --to-current --dry-run"),
    case(RESET + "--group P-empty --topic P-a --to-current --dry-run"),
    case(RESET + "--group P-empty --topic P-a:0 --to-datetime 2023-11-14T22:13:24.500 --dry-run"),
    case(RESET + "--group P-empty --topic P-a:0 --to-datetime 2023-11-14T23:13:24.500+01:00 --dry-run"),
    case(RESET + "--group P-empty --topic P-a:0 --to-datetime 2039-01-01T00:00:00.000Z --dry-run"),
    case(RESET + "--group P-empty --topic P-a:2 --to-datetime 2023-11-14T22:13:24.500 --dry-run"),
    case(RESET + "--group P-empty --topic P-a:0 --to-datetime yesterday --dry-run"),
    case(RESET + "--group P-empty --topic P-a:0 --to-datetime 2023-11-14T22:13:24 --dry-run"),
    case(RESET + "--group P-empty --topic P-a:0 --by-duration PT1M --dry-run"),
    case(RESET + "--group P-empty --topic P-a:0 --by-duration P20000D --dry-run"),
    case(RESET + "--group P-empty --topic P-a:0 --by-duration soon --dry-run"),
    case(RESET + "--group P-empty --all-topics --to-current --dry-run --export"),
    case(RESET + "--group P-empty --group P-other --all-topics --to-current --dry-run --export"),
    case(RESET + "--group P-empty --from-file @T/plan.csv --dry-run", files=PLAN),
    case(RESET + "--group P-empty --group P-other --from-file @T/plans.csv --dry-run", files=PLANS, errors=False),
    case(RESET + "--group P-spare --from-file @T/plans.csv --dry-run", files=PLANS, errors=False),
    case(RESET + "--group P-empty --from-file @T/none.csv --dry-run"),
    case(RESET + "--group P-busy --topic P-a --to-earliest --execute"),
    case(RESET + "--group P-empty --topic P-a:0 --to-offset 9 --execute"),
    case(GROUPS + "--describe --group P-empty --verbose"),
    case(RESET + "--group P-new --topic P-a --to-earliest --execute"),
    case(GROUPS + "--describe --group P-new"),
    case(RESET + "--group P-newer --topic P-a --to-latest --dry-run"),
    case(GROUPS + "--describe --group P-newer"),
    case(RESET + "--group P-empty --from-file @T/plan.csv --execute", files=PLAN),
    case(GROUPS + "--describe --group P-empty"),
    case(RESET + "--all-groups --topic P-b --to-earliest --dry-run", rows="any"),

    case(GROUPS + "--delete-offsets --group P-nothing --topic P-a"),
    case(GROUPS + "--delete-offsets --group P-empty --topic P-nothing"),
    case(GROUPS + "--delete-offsets --group P-empty --topic P-a:0"),
    case(GROUPS + "--delete-offsets --group P-empty --topic P-a:0 --topic P-b"),
    case(GROUPS + "--delete-offsets --group P-empty --topic P-a:7"),
    case(GROUPS + "--delete-offsets --group P-empty --topic P-a:x", help_text=True),
    case(GROUPS + "--delete-offsets --group P-busy --topic P-a"),
    case(GROUPS + "--delete-offsets --group P-busy --topic P-b"),
    case(GROUPS + "--describe --group P-empty"),
    case(GROUPS + "--delete --group P-nothing"),
    case(GROUPS + "--delete --group P-busy"),
    case(GROUPS + "--delete --group P-empty --group P-busy --group P-nothing", rows="any"),
    case(GROUPS + "--delete --group P-other"),
    case(GROUPS + "--delete --group P-spare --group P-new", rows="tokens"),
    case(GROUPS + "--list", rows="any"),
]
