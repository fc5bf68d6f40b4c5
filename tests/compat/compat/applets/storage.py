"""kafka-storage. Kafka 4.4's own tool, for what it writes is to start 4.4 and us; it talks to no broker."""

from . import case

ID = "Y29tcGF0Q2x1c3Rlci0tLQ"
VERSIONS = ("3.3-IV3 3.4 3.5-IV0 3.5-IV1 3.6 3.7-IV0 3.7 3.8 3.9 4.0-IV0 4.0-IV1 4.0-IV2 4.0 4.0.1.2 4.0-IV3.1 4.1-IV0 4.1 4.2-IV0 "
            "4.2-IV1 4.2 4.3 4.4-IV0 4.4-IV1 4.4 4.5 4 4.0-IV9 3.0 x").split()
LEVELS = ("metadata.version=6 metadata.version=7 metadata.version=33 metadata.version=34 metadata.version=99999 kraft.version=0 "
          "kraft.version=2 transaction.version=2 transaction.version=3 group.version=-1 group.version=1 "
          "eligible.leader.replicas.version=0 eligible.leader.replicas.version=1 share.version=2 share.version=3 streams.version=1 "
          "x=1 x group.version=x").split()
SCRAM = "SCRAM-SHA-256=[name=alice,"
BASE = {
    "process.roles": "broker,controller", "node.id": "1", "controller.listener.names": "CONTROLLER",
    "listeners": "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
    "controller.quorum.bootstrap.servers": "127.0.0.1:9093",
}


def node(directories, **changes):
    """A file of properties for directories below the case's own."""
    values = dict(BASE, **{"log.dirs": ",".join("@T/" + name for name in directories)})
    values.update({key.replace("_", "."): value for key, value in changes.items()})
    return {"p": "".join("%s=%s\n" % item for item in values.items() if item[1] is not None)}


def form(directories, arguments, rows=None, changes=None, **how):
    line = "kafka-storage format -c @T/p -t %s %s" % (ID, arguments)
    return case(line, files=node(directories, **(changes or {})), rows=rows, **how)


def info(directories, **changes):
    return case("kafka-storage info -c @T/p", files=node(directories, **changes))


FIXED = {"controller_quorum_voters": "1@127.0.0.1:9093", "controller_quorum_bootstrap_servers": None}
BROKER = {"process_roles": "broker", "listeners": "PLAINTEXT://127.0.0.1:9092"}
META = "version=1\ncluster.id=%s\nnode.id=%d\n"

CASES = [
    case("kafka-storage", help_text=True),
    case("kafka-storage nonsense", help_text=True),
    case("kafka-storage -h", errors=False, help_text=True),
    case("kafka-storage random-uuid"),
    case("kafka-storage random-uuid x", help_text=True),
    case("kafka-storage version-mapping"),
    case("kafka-storage version-mapping -r", help_text=True),
    case("kafka-storage version-mapping --rel 4.0 -r 4.1"),
] + [case("kafka-storage version-mapping --release-version " + version) for version in VERSIONS] + [
    case("kafka-storage feature-dependencies", help_text=True),
    case("kafka-storage feature-dependencies -f group.version=1 -f share.version=1 --feature nope=1"),
    case("kafka-storage feature-dependencies -f ' group.version = 1 '"),
] + [case("kafka-storage feature-dependencies -f " + level) for level in LEVELS] + [
    case("kafka-storage info", help_text=True),
    case("kafka-storage info -c /nonexistent"),
    info(["none"]),
    info(["none", "nowhere"]),
    case("kafka-storage format -c @T/p", help_text=True, files=node(["a"])),
    case("kafka-storage format -t x --standalone", help_text=True),
    form(["a"], "--standalone --no-initial-controllers", help_text=True),
    form(["a"], "-s x", help_text=True),
    form(["a"], "--nonsense", help_text=True),
    case("kafka-storage format -c /nonexistent -t x -s"),

    form(["a"], ""),
    form(["a"], "-s --feature group.version"),
    form(["a"], "-s --feature group.version=x"),
    form(["a"], "-s --feature nope.version=1"),
    form(["a"], "-s --feature transaction.version=9"),
    form(["a"], "-s --feature metadata.version=34"),
    form(["a"], "-s --feature metadata.version=99"),
    form(["a"], "-s --feature metadata.version=20 --release-version 3.9"),
    form(["a"], "-s --feature kraft.version=0"),
    form(["a"], "-s --feature kraft.version=2"),
    form(["a"], "-s --feature eligible.leader.replicas.version=1 -r 3.9"),
    form(["a"], "-s -r 9.9"),
    form(["a"], "-s -r 4.5-IV0"),
    form(["a"], "-s", changes=FIXED),
    form(["a"], "-f kraft.version=1", changes=FIXED),
    form(["a"], "-s", changes=BROKER),
    form(["a"], "-s", changes={"node_id": None}),
] + [form(["a"], "-I '%s'" % text) for text in (
    "1@h", "x@h:1:JEXY6aqzQY-32P5TStzaFg", "1@h:x:JEXY6aqzQY-32P5TStzaFg", "1@h:1", "1@h:1:J", "", "1h:1", "1@[h:1:x",
    "1@h:70000:JEXY6aqzQY-32P5TStzaFg", "1@h:1:JEXY6aqzQY-32P5TStzaFg,1@h:2:JEXY6aqzQY-32P5TStzaFg")
] + [form(["a"], "-s -S '%s'" % text) for text in (
    "x", "SCRAM-SHA-9=[name=a,password=b]", "SCRAM-SHA-256=[password=b]", "SCRAM-SHA-256=name=a", "SCRAM-SHA-256=[]",
    SCRAM + "password=b", SCRAM + "x]", SCRAM + "iterations=10,password=x]", SCRAM + "iterations=20000,password=x]",
    SCRAM + "iterations=x,password=x]", "SCRAM-SHA-256=[name=a]", SCRAM + "saltedpassword=YCE=]", SCRAM + "password=b,y=1,x=2]",
    SCRAM + "password=b,salt=%%]", SCRAM + "salt=MTIz,saltedpassword=%%]", SCRAM + "password=]")
] + [
    form(["a"], "-s -r 3.4 -S SCRAM-SHA-256=[name=a,password=b]"),
    # Nothing of all that has left a trace.
    info(["a"]),

    form(["a", "b"], "-s", rows="any"),
    form(["a"], "-s"),
    form(["a", "b"], "-s -g"),
    form(["a", "b", "c"], "-s -g"),
    info(["a", "b", "c"]),
    info(["a", "d"]),
    form(["a"], "-s", changes={"node_id": "2"}),
    case("kafka-storage format -c @T/p -t other -s", files=node(["a"])),
    form(["n1"], "--no-initial-controllers"),
    form(["n2"], "--initial-controllers 1@127.0.0.1:9093:JEXY6aqzQY-32P5TStzaFg"),
    case("kafka-storage info -c @T/p", files=node(["n2"])),
    form(["n3"], "--initial-controllers 2@[::1]:9093:JEXY6aqzQY-32P5TStzaFg"),
    form(["n4"], "", changes=FIXED),
    form(["n5"], "-N -f kraft.version=1", changes=FIXED),
    form(["n6"], "", changes=BROKER),
    form(["n7"], "-s", changes={"process_roles": "controller", "listeners": "CONTROLLER://127.0.0.1:9093"}),
    form(["n8", "n9"], "-s", changes={"metadata_log_dir": "@T/n9"}, rows="any"),
    form(["o1"], "-s -r 3.3"),
    form(["o2"], "-s -r 4.0"),
    form(["o3"], "-s -f metadata.version=20"),
    form(["o4"], "-s -f group.version=1 -f group.version=0 -f streams.version=0"),
    form(["o5"], "-s -f share.version=1 -r 3.9"),
    form(["o6"], "-s -S 'SCRAM-SHA-256=[name=alice,password=secret,salt=\"MTIz\"]' "
                 "-S 'SCRAM-SHA-512=[name=\"alice\",iterations=8192,salt=\"MTIz\",saltedpassword=\"YCE=\"]'"),
    form(["o7"], "-s -S 'SCRAM-SHA-256=[name=a,name=,password=b,salt=MTIz,saltedpassword=YCE=,]'"),
    case("kafka-storage format -c @T/p -t '' -s", files=dict(node(["o8"]))),
    case("kafka-storage info -c @T/p", files=node(["o8"])),
    # Directories that do not go together.
    case("kafka-storage info -c @T/p", files=dict(node(["a", "e"]), **{"e/meta.properties": META % ("other", 1)})),
    form(["a", "e"], "-s -g"),
    case("kafka-storage info -c @T/p", files=dict(node(["a", "e"]), **{"e/meta.properties": META % (ID, 3)})),
    form(["a", "e"], "-s -g"),
    case("kafka-storage info -c @T/p", files=dict(node(["a", "file"]), file="")),
    form(["o9", "file"], "-s"),
]
