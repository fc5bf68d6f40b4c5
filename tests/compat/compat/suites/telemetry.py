"""Java clients push their metrics (KIP-714), and the broker's page shows them.

Only for Klamm: Apache Kafka hands what clients push to a Java plugin, of which it brings none.
"""

import re
import subprocess
import time
import urllib.request

from .. import brokers, toolchain, wire

SECONDS = 60
VALUE = re.compile(r'(\w+)\{(.*)\} (\S+)')
LABEL = re.compile(r'(\w+)="([^"]*)"')


def run(context):
    if context.kind != "klamm":
        context.report.skip("telemetry", "needs Klamm's page of metrics")
        return
    page = "127.0.0.1:%d" % brokers.free_port()
    broker = context.start_broker("telemetry", metrics_http_listener=page)
    context.report.check("telemetry/java", lambda: pushed(broker, page))
    broker.stop_if_running()


def pushed(broker, page):
    wire.create_topic(broker.bootstrap, "told", 1)
    child = subprocess.Popen(
        ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", toolchain.java(),
         "Telemetry", broker.bootstrap, "told"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        ids = dict(child.stdout.readline().split()[1:] for _ in range(2))
        assert set(ids) == {"producer", "consumer"} and "null" not in ids.values(), ids
        # Both tell of themselves while they work, and each only what it was asked for.
        names = {kind: until(lambda k=kind: told(page, ids[k], "telemetry-" + k), "what the %s tells" % kind) for kind in ids}
        for kind, values in names.items():
            strange = [name for name, _topic in values if not name.startswith("org_apache_kafka_%s_" % kind)]
            assert not strange, "%s was not asked for %s" % (kind, strange)
        child.stdin.write("end\n")
        child.stdin.flush()
        last = child.communicate(timeout=SECONDS)[0].split()
        assert last[:1] == ["closed"], last
        sent = float(last[1])
    finally:
        child.kill()
        child.wait()
    # The last push comes with the close and has everything.
    producer = told(page, ids["producer"], "telemetry-producer")
    assert producer["org_apache_kafka_producer_record_send_total", None] == sent, (producer, sent)
    assert producer["org_apache_kafka_producer_topic_record_send_total", "told"] == sent, (producer, sent)
    consumer = told(page, ids["consumer"], "telemetry-consumer")
    consumed = consumer["org_apache_kafka_consumer_fetch_manager_records_consumed_total", "told"]
    assert 0 < consumed <= sent, (consumed, sent)
    assert "kafka_server_client_metrics_instance_count 0\n" in read(page), "both have taken their leave"
    return "%d values of a producer, %d of a consumer" % (len(producer), len(consumer))


def read(page):
    with urllib.request.urlopen("http://%s/metrics" % page, timeout=SECONDS) as answer:
        return answer.read().decode()


def told(page, instance, client):
    """{(metric, topic): value} of one client."""
    values = {}
    for name, labels, value in VALUE.findall(read(page)):
        labels = dict(LABEL.findall(labels))
        if labels.get("client_instance_id") == instance:
            assert labels["client_id"] == client, labels
            values[name, labels.get("topic")] = float(value)
    return values


def until(look, what):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("%s does not come" % what)
