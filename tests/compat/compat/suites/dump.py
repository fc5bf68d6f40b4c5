"""Kafka's own DumpLogSegments and formatters read the broker's files and internal topics without complaint."""

import glob
import os
import re
import subprocess
import time

from .. import clients, toolchain, wire
from .kill9 import wants_process

DUMP = "org.apache.kafka.tools.DumpLogSegments"
CONSOLE = "org.apache.kafka.tools.consumer.ConsoleConsumer"
FORMATTERS = "org.apache.kafka.tools.consumer."
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
COMPLAINTS = re.compile(r"exception|mismatch|corrupt|isvalid: false|not match|non-?sequential|failed|could not|error|found \d+ invalid"
                        r"|unsupported|unknown", re.IGNORECASE)
# Each codec's topic gets this many records, enough for several segments of 1 MiB.
RECORDS = 12_000


def run(context):
    if not wants_process(context, "dump"):
        return
    broker = context.start_broker("dump")
    tools = Tools()
    context.report.check("dump/produce", lambda: produce(broker))
    for formatter in ("OffsetsMessageFormatter", "GroupMetadataMessageFormatter"):
        context.report.check("dump/" + formatter, lambda f=formatter: tools.consumer_offsets(broker, f))
    # Once more after a kill -9, so that files written by recovery are read too.
    broker.kill9()
    broker.restart()
    context.report.check("dump/stop", broker.stop)
    for codec in CODECS:
        context.report.check("dump/segments-" + codec, lambda c=codec: tools.segments(broker, c))
    context.report.check("dump/indexes", lambda: tools.indexes(broker))
    context.report.check("dump/producer-snapshots", lambda: tools.snapshots(broker))
    context.report.check("dump/consumer-offsets", lambda: tools.offsets_segments(broker))
    context.report.check("dump/cluster-metadata", lambda: tools.cluster_metadata(broker))


def produce(broker):
    """One topic per codec by the idempotent Python client, and a group that commits."""
    client = [toolchain.python(), os.path.join(clients.CLIENTS, "python", "client.py")]
    for codec in CODECS:
        wire.create_topic(broker.bootstrap, codec, 1, {"segment.bytes": 1_048_576})
        done = subprocess.run(client + ["numbers", broker.bootstrap, codec, codec, str(RECORDS)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr[-400:]
    member = subprocess.Popen(client + ["member", broker.bootstrap, "none", "dump-group"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE)
    count, end = 0, time.monotonic() + 30
    while count < RECORDS and time.monotonic() < end:
        count += member.stdout.readline() != b""
    member.terminate()
    member.communicate(timeout=15)
    assert count == RECORDS, "the group read %d of %d" % (count, RECORDS)
    return "%d records in each codec" % RECORDS


class Tools:
    """Runs kafka-tools and reads what it prints."""

    def __init__(self):
        self.class_path = toolchain.class_path(toolchain.kafka_tools())

    def java(self, *arguments, seconds=60):
        return subprocess.run(["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", self.class_path,
                               *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)

    def dump(self, files, *options):
        """Text of DumpLogSegments; asserts that it ended well and complained of nothing."""
        assert files, "no such files"
        done = self.java(DUMP, "--files", ",".join(files), *options)
        text = done.stdout + done.stderr
        assert done.returncode == 0, "DumpLogSegments ended with %d: %s" % (done.returncode, text[-600:])
        for line in text.splitlines():
            # Payloads are ours and may hold any word; what the tool says itself does not start with "|".
            talk = line.split(" payload: ")[0]
            assert not COMPLAINTS.search(talk), "DumpLogSegments says: " + line[:400]
        return text

    def files(self, broker, topic, suffix):
        return sorted(glob.glob(os.path.join(broker.data, topic + "-*", "*" + suffix)))

    def segments(self, broker, codec):
        files = self.files(broker, codec, ".log")
        text = self.dump(files, "--deep-iteration")
        records = [line for line in text.splitlines() if line.startswith("| offset: ")]
        offsets = [int(line.split()[2]) for line in records]
        assert offsets == list(range(RECORDS)), "%d records, last %s" % (len(offsets), offsets[-1:])
        codecs = set(re.findall(r"compresscodec: (\w+)", text))
        assert codecs == {codec}, codecs
        assert codec != "none" or len(files) > 1, "only %d segment" % len(files)
        return "%d segments, %d records" % (len(files), len(records))

    def indexes(self, broker):
        files = []
        for codec in CODECS:
            files += self.files(broker, codec, ".index") + self.files(broker, codec, ".timeindex")
        text = self.dump(files)
        entries = len(re.findall(r"^offset: \d+ position: \d+", text, re.MULTILINE))
        times = len(re.findall(r"^timestamp: \d+ offset: \d+", text, re.MULTILINE))
        assert entries > 50 and times > 50, "%d offset entries, %d time entries" % (entries, times)
        sane = self.dump([f for f in files if f.endswith(".index")], "--index-sanity-check")
        assert sane.count("passed sanity check") == len([f for f in files if f.endswith(".index")]), sane[-300:]
        return "%d files, %d offset entries, %d time entries" % (len(files), entries, times)

    def snapshots(self, broker):
        files = []
        for codec in CODECS:
            files += self.files(broker, codec, ".snapshot")
        text = self.dump(files)
        producers = len(re.findall(r"^producerId: \d+", text, re.MULTILINE))
        assert producers >= len(CODECS), "%d producers in %d files" % (producers, len(files))
        assert re.search(r"lastSequence: %d\b" % (RECORDS - 1), text), text[-300:]
        return "%d files, %d producers" % (len(files), producers)

    def offsets_segments(self, broker):
        files = [f for f in self.files(broker, "__consumer_offsets", ".log") if os.path.getsize(f)]
        text = self.dump(files, "--offsets-decoder")
        assert "dump-group" in text and "\"offset\":%d" % RECORDS in text, text[-500:]
        return "%d segments" % len(files)

    def cluster_metadata(self, broker):
        files = self.files(broker, "__cluster_metadata", ".log")
        text = self.dump(files, "--cluster-metadata-decoder", "--skip-record-metadata")
        for kind in ("FEATURE_LEVEL_RECORD", "REGISTER_BROKER_RECORD", "TOPIC_RECORD", "PARTITION_RECORD", "CONFIG_RECORD"):
            assert '"type":"%s"' % kind in text, "no %s in the metadata log" % kind
        return "%d records" % text.count('"type":"')

    def consumer_offsets(self, broker, formatter):
        done = self.java(CONSOLE, "--bootstrap-server", broker.bootstrap, "--topic", "__consumer_offsets",
                         "--from-beginning", "--timeout-ms", "4000", "--formatter", FORMATTERS + formatter)
        assert "dump-group" in done.stdout, "%s: %s" % (formatter, (done.stdout + done.stderr)[-600:])
        if formatter.startswith("Offsets"):
            assert '"offset":%d' % RECORDS in done.stdout, done.stdout[-400:]
        return "%d records" % done.stdout.count("dump-group")
