"""librdkafka_each.py TESTS OUT: runs librdkafka's test-runner once per test number, several at a time.

A time-out or an assertion ends the whole test-runner, hence one process each. Tests that only use the client's own mock
cluster, or no cluster, are left out. Environment: BOOTSTRAP, PROTOCOL (classic or consumer), FLAGS, ONLY (numbers).
"""

import concurrent.futures
import os
import re
import subprocess
import sys
import time

import report

TESTS, OUT = map(os.path.abspath, sys.argv[1:3])
PROTOCOL, BOOTSTRAP = os.environ["PROTOCOL"], os.environ["BOOTSTRAP"]
PROCESSES = 3
# 0113 takes five minutes on an idle machine.
LIMIT_S = 900
# The suite's own limits are made for an idle machine.
TIMEOUT_MULTIPLIER = 2
# The broker that the suite is told to expect: it knows none newer.
KAFKA_VERSION = "4.2.0"
# These go first, so that the end is not one process alone.
SLOW = ["0113", "0139", "0150", "0174", "0173", "0176", "0102", "0184", "0185", "0177", "0075", "0026", "0091", "0094",
        "0137", "0018", "0122", "0103"]
# Tests that only run into their limits where the broker lacks a feature: a part of their names.
NEEDS = {"share-groups": "share_consumer", "transactions": "transactions|consumer_txn|0061_consumer_lag|0129_fetch_aborted|0137_barrier_batch|0055_producer_lat"}
# Such names are of tests without a broker.
LOCAL = re.compile(r"_(mock|local)$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m|\x1b\(B")


def names():
    """{test number: names} of test.c's table; numbers from 8000 on are tools."""
    with open(os.path.join(TESTS, "test.c")) as handle:
        table = handle.read().partition("struct test tests[] =")[2].partition("{NULL}")[0]
    only = [number for number in os.environ.get("ONLY", "").split(",") if number]
    found = {}
    for name in re.findall(r"_TEST\((\w+),", table):
        number = name.split("_")[0]
        if int(number) < 8000 and (not only or number in only) and not LOCAL.search(name):
            found.setdefault(number, []).append(name)
    return dict(sorted(found.items(), key=lambda item: SLOW.index(item[0]) if item[0] in SLOW else len(SLOW)))


def lacking(tests):
    """The feature that all these tests need and the broker lacks, if there is one."""
    features = os.environ.get("FEATURES")
    for feature, pattern in NEEDS.items():
        if features is not None and feature not in features.split() and all(re.search(pattern, test) for test in tests):
            return feature
    return None


def configuration():
    path = os.path.join(OUT, "test.conf")
    with open(path, "w") as handle:
        handle.write("metadata.broker.list=%s\ntest.topic.random=true\ntest.timeout.multiplier=%d\n"
                     % (BOOTSTRAP, TIMEOUT_MULTIPLIER))
    return path


def run(number):
    """One process; returns {test name: result}."""
    env = dict(os.environ, TESTS=number, RDKAFKA_TEST_CONF=CONFIGURATION, LD_LIBRARY_PATH="../src:../src-cpp",
               TEST_KAFKA_VERSION=KAFKA_VERSION, TEST_CONSUMER_GROUP_PROTOCOL=PROTOCOL, BROKERS=BOOTSTRAP)
    log, began = os.path.join(OUT, "%s.log" % number), time.monotonic()
    with open(log, "w") as output:
        child = subprocess.Popen(["./test-runner", "-p1"] + os.environ["FLAGS"].split(), cwd=TESTS, env=env,
                                 stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            code = child.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            code = "time limit of %d s" % LIMIT_S
    with open(log, errors="replace") as handle:
        return read(number, COLOUR.sub("", handle.read()), code, round(time.monotonic() - began, 1))


def read(number, text, code, secs):
    """Results in the summary table of one process; without a table the process died in a test."""
    why = " / ".join(dict.fromkeys(re.findall(r'### Test "[^\n]*\n([^\n]*)', text)))[:300]
    local = set(re.findall(r"\|\s+(\d{4}\w*)\s+\|\s+SKIPPED[^\n]*negative test flags", text))
    skips = re.findall(r"TEST[^\n]*[Ss]kipp?ing?[^\n]*|\bSKIP[A-Z]*[^\n]*", text)
    results = {}
    for name, state, took in re.findall(r"\|\s+(\d{4}\w*)\s+\|\s+([A-Z]+)\s+\|\s+([\d.]+)s", text):
        if not name.startswith(number) or name in local or LOCAL.search(name):
            continue
        status = {"PASSED": "pass", "SKIPPED": "skip"}.get(state, "fail")
        note = (why or "exit %s" % code) if status == "fail" else ""
        if status == "skip" and skips:
            note = re.sub(r"^.*?\|\s*", "", skips[-1])[:160]
        results["%s/%s" % (PROTOCOL, name)] = {"status": status, "secs": float(took), "note": note}
    if results or local:
        return results
    names = re.findall(r'### Test "(%s_\w+)' % number, text) or sorted(set(re.findall(r"\b(%s_\w+):? " % number, text)))
    if not names or (code == 0 and "0 test(s)" in text):
        return {}
    result = {"status": "fail", "secs": secs, "note": why or "exit %s, no summary" % code}
    return {"%s/%s" % (PROTOCOL, names[0]): result}


CONFIGURATION = configuration()


def main():
    wanted, results = names(), {}
    for number, tests in list(wanted.items()):
        feature = lacking(tests)
        if feature:
            results.update({"%s/%s" % (PROTOCOL, test): {"status": "skip", "secs": 0, "note": "the broker lacks " + feature}
                            for test in tests})
            del wanted[number]
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        for at, done in enumerate(concurrent.futures.as_completed([pool.submit(run, number) for number in wanted])):
            found = done.result()
            results.update(found)
            for name, result in found.items():
                print("%d/%d %s %s %s" % (at + 1, len(wanted), name, result["status"], result["note"]), flush=True)
    return report.write(results)


sys.exit(main())
