"""Owns what results mean: held against the reference (what Apache Kafka does) and against the list of what is not yet.

A test counts against a broker only if it passes on Kafka every time. A test that ran there and not here is as bad as one
that fails.
"""

import json
import os
import re

from . import suite as suites
from .features import FEATURES

REFERENCE = os.path.join(suites.ROOT, "reference")
NOT_YET = os.path.join(suites.ROOT, "not-yet.tsv")


class NotYet:
    """One line of not-yet.tsv."""

    def __init__(self, line):
        fields = line.rstrip("\n").split("\t")
        if len(fields) != 4 or fields[2] not in FEATURES:
            raise SystemExit("%s: not `suite TAB test TAB needs TAB reason`, or an unknown feature: %s" % (NOT_YET, line))
        self.suite, self.test, self.needs, self.reason = fields

    def covers(self, suite, test):
        return bool(_glob(self.suite, suite) and _glob(self.test, test))

    def __str__(self):
        return "%s / %s" % (self.suite, self.test)


def _glob(pattern, text):
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.S)


def not_yet():
    with open(NOT_YET) as handle:
        return [NotYet(line) for line in handle if line.strip() and not line.startswith("#")]


def reference_path(suite):
    return os.path.join(REFERENCE, suite.name + ".json")


def reference(suite):
    """What Kafka does with the suite: {"ran", "tests": {name: {"status", …}}}; None if it was never measured."""
    try:
        with open(reference_path(suite)) as handle:
            return json.load(handle)
    except OSError:
        return None


class Verdict:
    """What a suite's runs against one broker come to."""

    def __init__(self, suite, runs, kafka, lines, served, is_part=False):
        """`runs`: results of all runs; `kafka`: the reference; `served`: features that the broker has.

        Of a part of the suite only the tests that are in the results count.
        """
        lines = [line for line in lines if line.needs not in served]
        tests = merge([results["tests"] for results, _ in runs])
        self.suite = suite
        self.tests = tests
        if is_part:
            kafka = {"tests": {name: test for name, test in kafka["tests"].items() if name in tests}}
        self.kafka_ran = count(kafka["tests"], lambda status: status != "skip")
        self.ran = min(count(results["tests"], lambda status: status != "skip") for results, _ in runs)
        must = [name for name, test in kafka["tests"].items() if test["status"] == "pass" and not test.get("flaky")]
        self.kafka_passed = len(must)
        self.passed = 0
        # Tests that Kafka passes and this broker does not: {name: note}, and those with an excuse: {name: line}.
        self.red, self.excused = {}, {}
        # Tests that are listed as not yet and pass: {name: line}.
        self.listed_but_passes = {}
        for name in sorted(must):
            found = tests.get(name, {"status": "not run", "note": ""})
            line = next((line for line in lines if line.covers(suite.name, name)), None)
            if found["status"] == "pass":
                self.passed += 1
                if line:
                    self.listed_but_passes[name] = line
            elif line:
                self.excused[name] = line
            else:
                self.red[name] = "%s %s" % (found["status"], found.get("note", ""))
        # What is listed may be left out, also where Kafka itself fails.
        listed = [name for name, test in kafka["tests"].items()
                  if test["status"] != "skip" and any(line.covers(suite.name, name) for line in lines)]
        not_run = sum(tests.get(name, {"status": "skip"})["status"] == "skip" for name in listed)
        # Fewer tests than recorded is red even when every name is accounted for (names may change with each run).
        self.too_few = self.ran + not_run < self.kafka_ran

    @property
    def is_green(self):
        return not self.red and not self.too_few


def count(tests, which):
    return sum(which(test["status"]) for test in tests.values())


def merge(runs):
    """One result per test over several runs: the worst one, so that green means green every time."""
    rank = ("pass", "skip", "not run", "fail")
    merged = {}
    for name in sorted(set().union(*runs)):
        found = [tests.get(name, {"status": "not run", "note": "in one of the runs"}) for tests in runs]
        merged[name] = max(found, key=lambda test: rank.index(test["status"]) if test["status"] in rank else 3)
    return merged


def obsolete(lines, verdicts, served):
    """Lines of not-yet.tsv that excuse nothing any more, with the reason why."""
    found = []
    for line in lines:
        if line.needs in served:
            found.append((line, "the broker serves " + line.needs))
            continue
        seen = [verdict for verdict in verdicts if _glob(line.suite, verdict.suite.name)]
        listed = any(line in verdict.excused.values() for verdict in seen)
        passes = any(line in verdict.listed_but_passes.values() for verdict in seen)
        if passes and not listed:
            found.append((line, "all its tests pass"))
    return found


def write_reference(suite, runs, is_part=False):
    """Records runs against Kafka: pass = in every run, flaky = in some; reasons given by people stay.

    A run of a part of the suite replaces only its own tests.
    """
    old = (reference(suite) or {"tests": {}})["tests"]
    tests = dict(old) if is_part else {}
    for name in sorted(set().union(*(results["tests"] for results, _ in runs))):
        found = [results["tests"][name] for results, _ in runs if name in results["tests"]]
        ran = [test for test in found if test["status"] != "skip"] or found
        good = [test for test in ran if test["status"] == "pass"]
        bad = [test for test in ran if test["status"] == "fail"]
        entry = {"status": (good or ran)[-1]["status"]}
        if (good and bad) or len(found) < len(runs) or (old.get(name, {}).get("flaky") and good):
            entry["flaky"] = True
        note = (bad or ran)[-1].get("note", "")
        if note and (bad or entry["status"] == "skip"):
            entry["note"] = note
        if old.get(name, {}).get("reason") and (bad or entry.get("flaky")):
            entry["reason"] = old[name]["reason"]
        tests[name] = entry
    write(suite, tests)


def write(suite, tests):
    """The file of facts; one test per line, so that a change reads as one."""
    ran = count(tests, lambda status: status != "skip")
    passed = count(tests, lambda status: status == "pass")
    head = {"suite": suite.name, "version": suite.version, "broker": "Apache Kafka 4.4.0", "ran": ran, "passed": passed}
    with open(reference_path(suite), "w") as handle:
        handle.write(json.dumps(head)[:-1] + ',\n "tests": {\n')
        handle.write(",\n".join("  %s: %s" % (json.dumps(n), json.dumps(t)) for n, t in sorted(tests.items())))
        handle.write("\n }}\n")
