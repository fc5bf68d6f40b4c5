"""Owns how our Python client scripts run: `@case(limit)` functions in order, each in a thread of its own under its limit.

Writes results.json at the end. Knows no client.
"""

import os
import threading
import time
import traceback
import uuid

import report

BOOTSTRAP, RUN, CASES = os.environ["BOOTSTRAP"], uuid.uuid4().hex[:8], []


def topic(name):
    """A topic name that no other run has."""
    return "board-%s-%s-%s" % (os.environ["SUITE"], name, RUN)


def case(limit=60, needs=None):
    """Registers a function as a test with a limit in seconds, skipped where the broker lacks the feature `needs`."""
    def register(function):
        CASES.append((function.__name__, function, limit, needs))
        return function
    return register


def main():
    results, only = {}, os.environ.get("ONLY", "").split()
    features = os.environ.get("FEATURES")
    for name, function, limit, needs in CASES:
        if only and name not in only:
            continue
        if needs and features is not None and needs not in features.split():
            results[name] = {"status": "skip", "secs": 0, "note": "the broker lacks " + needs}
        else:
            results[name] = run(function, limit)
        print(name, results[name]["status"], results[name]["secs"], flush=True)
    code = report.write(results)
    os._exit(code)  # threads that are over their limit would hold the interpreter


def run(function, limit):
    outcome = {}

    def body():
        try:
            function()
            outcome["status"] = "pass"
        except BaseException:  # whatever it is, it is the test's result
            outcome["note"] = traceback.format_exc()[-300:]

    began = time.monotonic()
    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(limit)
    passed = outcome.get("status") == "pass"
    note = "" if passed else outcome.get("note", "time limit of %d s" % limit)
    return {"status": "pass" if passed else "fail", "secs": round(time.monotonic() - began, 2),
            "note": report.short(note)}
