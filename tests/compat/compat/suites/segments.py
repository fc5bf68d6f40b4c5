"""klamm segment on directories of Apache Kafka's: whole ones are called whole, one flipped bit is named, and both brokers
serve what a repair left.

`--broker` is not looked at: both brokers take part. Never looks into the tool's own tests of formats and crashes.
"""

import glob
import json
import os
import subprocess

from .. import brokers, clients, toolchain, wire

CLIENT = os.path.join(clients.CLIENTS, "python", "client.py")
RECORDS = 12_000


def run(context):
    if not context.wanted("segments"):
        return
    directory = os.path.join(context.directory, "segments")
    kafka, klamm = brokers.ApacheKafka(directory), brokers.Klamm(directory)
    kafka.heap = "256m"
    context.brokers += [kafka, klamm]
    check = context.report.check
    check("segments/fill", lambda: fill(kafka))
    check("segments/kafka's-are-whole", lambda: whole(kafka.data))
    check("segments/one-bit", lambda: flip(kafka.data))
    check("segments/repair", lambda: repair(kafka.data))
    klamm.bootstrap = kafka.bootstrap
    for turn, broker in enumerate((kafka, klamm, kafka)):
        check("segments/served-by-%s-%d" % (broker.name, turn), lambda b=broker, t=turn: served(b, t))
        check("segments/still-whole-%d" % turn, lambda: whole(kafka.data))


def segment(*arguments):
    """Exit code and JSON of `klamm segment`."""
    done = subprocess.run([toolchain.klamm(), "segment", *arguments, "-o", "json"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def whole(data):
    """Nothing is wrong with any file; gives the count of records."""
    code, (found,) = segment("verify", data)
    wrong = [finding for log in found["logs"] for finding in log["damages"] + log["findings"]
             if finding.get("level") != "note"]
    assert code == 0 and not wrong and found["clean"], "exit code %d, %s" % (code, wrong[:5])
    segments = [part for log in found["logs"] for part in log["segments"]]
    return "%d segments, %d records" % (len(segments), sum(part["records"] for part in segments))


def fill(kafka):
    """A topic of several segments, and one of a batch in each codec."""
    kafka.start()
    wire.create_topic(kafka.bootstrap, "t", 1, {"segment.bytes": 1_048_576})
    produce(kafka, "t", "none", RECORDS)
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        produce(kafka, "codecs", codec, 200)
    kafka.stop()
    return "%d records" % RECORDS


def produce(broker, topic, codec, count):
    done = subprocess.run([toolchain.python(), CLIENT, "numbers", broker.bootstrap, topic, codec, str(count)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-400:]


def offsets(broker):
    done = subprocess.run([toolchain.python(), CLIENT, "read", broker.bootstrap, "t"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-400:]
    return [int(line.split("\t")[1]) for line in done.stdout.splitlines()]


def flip(data):
    """One bit in the middle of a sealed segment."""
    path = sorted(glob.glob(os.path.join(data, "t-0", "*.log")))[0]
    with open(path, "r+b") as handle:
        at = os.path.getsize(path) // 2
        handle.seek(at)
        byte = handle.read(1)[0]
        handle.seek(at)
        handle.write(bytes([byte ^ 8]))
    code, (found,) = segment("verify", os.path.join(data, "t-0"))
    damages = found["logs"][0]["damages"]
    assert code == 1 and len(damages) == 1, (code, damages)
    assert damages[0]["file"] == path and damages[0]["from"] <= at < damages[0]["to"], (at, damages)
    return json.dumps(damages[0])


def repair(data):
    path = os.path.join(data, "t-0")
    code, said = segment("repair", path)
    assert code == 1 and "--accept-data-loss" in said, (code, said)
    code, said = segment("repair", path, "--accept-data-loss", "--yes")
    assert code == 0, said
    return whole(data)


def lost(data):
    with open(os.path.join(data, "klamm-data-loss.jsonl")) as handle:
        loss = json.loads(handle.read())
    return range(loss["first_offset"], loss["end_offset"])


def served(broker, turn):
    """Everything but the lost offsets, and new records go behind the old ones."""
    broker.restart()
    gone, end = lost(broker.data), RECORDS + 100 * turn
    assert offsets(broker) == [offset for offset in range(end) if offset not in gone], "not everything else is there"
    produce(broker, "t", "none", 100)
    assert offsets(broker)[-1] == end + 99
    broker.stop()
    return "%d records without %d..%d" % (end - len(gone), gone.start, gone.stop)
