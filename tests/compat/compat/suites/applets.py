"""Kafka's own command-line tools and klamm's applets of the same names say and do the same, case by case.

Both sides talk to the same broker (with `--broker kafka` that is Kafka: then it is our applets that are foreign). Kafka's
tools run in one JVM. Exit code, standard output and standard error are compared after what cannot be equal was taken
out: prefixes of names, ids, times, stack traces, and the wording of help texts. With `--keep DIR`, `DIR/applets.txt` has what Kafka's
tools said, to be compared between brokers.
"""

import difflib
import json
import os
import re
import shlex
import subprocess
import time

from .. import toolchain
from ..applets import (cluster, configs, console, consumer_groups, delete_records, elections, features, get_offsets, storage,
                       topics)

TOOLS = {
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
}
MODULES = {"topics": topics, "get-offsets": get_offsets, "delete-records": delete_records, "cluster": cluster,
           "consumer-groups": consumer_groups, "configs": configs, "console": console,
           "storage": storage, "elections": elections, "features": features}
# Equally long, so that columns are equally wide.
PREFIXES = {"tools": "zappa", "applets": "zeppo"}
SECONDS = 60
KAFKA_TOOLS_VERSION = "4.3.1"
KAFKA_VERSION = "4.4.0"
WAIT_SECONDS = 10


def run(context):
    wanted = [name for name in MODULES if context.wanted("applets/" + name)]
    broker = context.start_broker("applets")
    # kafka-storage is part of the broker, so that it is the broker's version that counts.
    for names, driver in ((set(wanted) - {"storage"}, toolchain.kafka_tool_driver),
                          (set(wanted) & {"storage"}, toolchain.kafka_broker_tool_driver)):
        if not names:
            continue
        tools = Tools(driver())
        try:
            for name in (name for name in wanted if name in names):
                context.report.check("applets/" + name, lambda n=name: compare(context, broker, tools, MODULES[n]))
        finally:
            tools.end()


def compare(context, broker, tools, module):
    """Runs the cases of a module on both sides; raises with the differences."""
    cases = module.CASES
    sides = []
    for side, runner in (("tools", tools), ("applets", Applets(toolchain.klamm()))):
        directory = os.path.join(context.directory, "applets-" + side)
        os.makedirs(directory, exist_ok=True)
        if hasattr(module, "prepare"):
            module.prepare(broker.bootstrap, PREFIXES[side])
        sides.append((runner, Words(PREFIXES[side], broker.bootstrap, directory)))
    differences = []
    for case in cases:
        theirs, ours = (words.shown(case, result(runner, words.arguments(case), case)) for runner, words in sides)
        if theirs != ours:
            lines = difflib.unified_diff(theirs, ours, "Kafka's tool", "klamm", lineterm="", n=1)
            differences.append(case.line + "\n" + "\n".join("    " + line for line in lines))
        with open(os.path.join(context.directory, "applets.txt"), "a") as handle:
            handle.write("\n".join(["$ " + case.line] + theirs) + "\n")
    assert not differences, "%d of %d cases differ\n%s" % (len(differences), len(cases), "\n".join(differences))
    return "%d cases alike" % len(cases)


def result(runner, words, case):
    """Exit code and output, once they are what the case waits for."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = runner.run(words, case.stdin)
        if not case.until or re.search(case.until, found[1]) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


class Words:
    """Turns a case into arguments for one side, and that side's output into what can be compared."""

    def __init__(self, prefix, bootstrap, directory):
        self.prefix = prefix
        self.bootstrap = bootstrap
        self.directory = directory

    def arguments(self, case):
        for name, content in case.files.items():
            path = os.path.join(self.directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as handle:
                handle.write(self.placed(content))
        words = []
        for word in shlex.split(case.line):
            words += ["--bootstrap-server", self.bootstrap] if word == "@B" else [self.placed(word)]
        return words

    def placed(self, text):
        text = text.replace("@T", self.directory).replace("@A", self.bootstrap)
        return re.sub(r"\bP(?=[-./*])", self.prefix, text)

    def shown(self, case, result):
        code, out, err = result
        out, err = self.neutral(out), without_stack(self.neutral(err)) if case.errors else ""
        lines = ["exit %d" % code]
        for name, text in (("out", out), ("err", err)):
            if case.help_text:
                text = without_help(text)
            rows = text.splitlines()
            if name == "err":
                # What was said on standard output and once more with a stack trace.
                rows = [row for row in rows if not row or row not in out]
            if case.rows in ("any", "tokens"):
                if case.rows == "tokens":
                    rows = [" ".join(sorted(re.split(r"[\s,()]+", row))) for row in rows]
                rows.sort()
            lines += ["%s: %s" % (name, row) for row in rows]
        return lines

    def neutral(self, text):
        text = text.replace(self.directory, "@T")
        for prefix in PREFIXES.values():
            text = text.replace(prefix, "P")
        text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<member>", text)
        text = re.sub(r"(?<=directory.id=)[\w-]{22}", "<id>", text)
        text = re.sub(r"\A[\w-]{22}\n\Z", "<id>\n", text)
        text = re.sub(r"(?<=TopicId: )[\w-]{22}", "<id>", text)
        text = re.sub(r"(?<=Time:)\d{13}", "<ms>", text)
        # Kafka's consumer says this through its logger, and the JVM that runs the tools here has none.
        text = re.sub(r"ERROR Error processing message, terminating consumer process: .*\n", "", text)
        # Advice to use the newer group protocol, which our consumer does not have so far.
        text = re.sub(r"The consumer rebalance protocol \(KIP-848\).*\n", "", text)
        text = re.sub(r"(?<=Detected group ids: ).*", lambda m: str(sorted(m.group().split(", "))), text)
        # A tool of 4.3 does not know the name of 4.4's metadata version.
        text = re.sub(r"UNKNOWN 33   |4\.4-IV2      ", "<latest>     ", text)
        text = re.sub(r"(?<=Epoch: )\d+", "<epoch>", text)
        # Kafka's tools are a version older than the broker may be: what they could use is not what we could.
        text = re.sub(r" \[usable: \d+\]", " [usable]", text)
        text = re.sub(r",?\n\t\w+\(9[3-9]\): .*", "", text)
        text = text.replace("%s\n" % KAFKA_TOOLS_VERSION, "<version>\n").replace("%s\n" % KAFKA_VERSION, "<version>\n")
        text = re.sub(r"(?<=Valid states are: ).*", lambda m: str(sorted(m.group().split(", "))), text)
        text = re.sub(r"(?<=Valid types are: ).*", lambda m: str(sorted(m.group().split(", "))), text)
        text = re.sub(r"(?<=of these options: ).*", lambda m: str(sorted(m.group().split(", "))), text)
        text = re.sub(r"(?<=following options: ).*", lambda m: str(sorted(m.group().split(", "))), text)
        # A set of options, in an order that changes from run to run.
        text = re.sub(r"\[(\[[\w-]+\](?:, \[[\w-]+\])+)\]", lambda m: str(sorted(m.group(1).split(", "))), text)
        return text


def without_stack(text):
    """What an exception says, once, without its class and stack."""
    rows = []
    for row in text.split("\n"):
        if re.match(r"\s+at |\s+\.\.\. \d+ more|Caused by: |\s+Suppressed: ", row):
            continue
        row = re.sub(r'^(Exception in thread "main" )?([a-z]\w*\.)+[A-Z][\w$]*(Exception|Error|Failure): ', "", row)
        if not (rows and row and rows[-1] and (rows[-1].endswith(row) or row.endswith(": " + rows[-1]))):
            rows.append(row)
    return re.sub(r"\n+\Z", "\n", "\n".join(rows))


def without_help(text):
    """A help text without its descriptions: what stands before it, and the names of all options."""
    usage = re.match(r"usage: (kafka-[\w-]+)", text)
    if usage:
        # Of a usage only the commands count, and what is wrong, wherever the lines are broken.
        commands = re.search(r"\{[\w,-]+\}", text)
        error = re.search(r": +error: (.*)", text, re.DOTALL)
        return "%s %s %s\n" % (usage.group(), commands.group() if commands else "",
                               " ".join(error.group(1).split()) if error else "")
    head, found, table = text.partition("Option  ")
    names = sorted(set(re.findall(r"^(?:\* )?--([\w-]+)", table, re.MULTILINE)))
    return head + (" ".join(names) + "\n" if found else "")


class Tools:
    """Kafka's tools in one JVM."""

    def __init__(self, class_path):
        self.child = subprocess.Popen(
            ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", class_path,
             "ToolDriver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            encoding="utf-8")

    def run(self, words, stdin):
        request = {"main": TOOLS[words[0]], "args": words[1:], "stdin": stdin}
        self.child.stdin.write(json.dumps(request) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        assert line, "the JVM ended during " + " ".join(words)
        answer = json.loads(line)
        return answer["code"], answer["out"], answer["err"]

    def end(self):
        self.child.stdin.close()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()


class Applets:
    """Our applets, each a process."""

    def __init__(self, binary):
        self.binary = binary

    def run(self, words, stdin):
        done = subprocess.run([self.binary] + words, input=stdin.encode(), capture_output=True, timeout=SECONDS)
        return done.returncode, done.stdout.decode(), done.stderr.decode()
