"""Owns the cache directory of the board: where downloads and builds lie, and results by suite and broker.

A result is a folder `results/SUITE/BROKER/N/` with results.json (written by the suite) and run.json (written here).
It counts only when both are there, so a broken-off run leaves nothing behind.
"""

import hashlib
import json
import os
import shutil
import sys

from . import suite as suites

REPOSITORY = os.path.dirname(os.path.dirname(suites.ROOT))
CACHE = os.path.join(os.environ.get("KLAMM_TEST_CACHE") or os.path.expanduser("~/.cache/klamm-tests"), "board")
RESULTS = os.path.join(CACHE, "results")

# Brokers (binaries of Klamm, mostly) whose results are kept for a suite.
BROKERS_KEPT = 6


def compat_toolchain():
    """tests/compat's installer, which has Kafka's jars and our binary."""
    folder = os.path.join(REPOSITORY, "tests", "compat")
    if folder not in sys.path:
        sys.path.append(folder)
    from compat import toolchain
    return toolchain


def file_digest(path):
    with open(path, "rb") as handle:
        return hashlib.sha256(handle.read()).hexdigest()[:12]


def results_folder(suite, broker_key):
    """Where the runs of `suite` against one broker are."""
    return os.path.join(RESULTS, suite.name, "%s-%s" % (broker_key, suite.digest()))


def runs(folder):
    """The whole runs in a results folder, oldest first: (results, run)."""
    found = []
    for name in sorted((n for n in _names(folder) if n.isdigit()), key=int):
        try:
            with open(os.path.join(folder, name, "results.json")) as results, \
                    open(os.path.join(folder, name, "run.json")) as run:
                found.append((json.load(results), json.load(run)))
        except (OSError, ValueError):
            continue
    return found


def keep(out, folder, run):
    """Makes the finished run in `out` the newest of `folder`."""
    with open(os.path.join(out, "run.json"), "w") as handle:
        json.dump(run, handle)
    os.makedirs(folder, exist_ok=True)
    number = 1 + max([int(name) for name in _names(folder) if name.isdigit()], default=0)
    os.rename(out, os.path.join(folder, str(number)))
    forget_old(os.path.dirname(folder))


def forget(folder):
    shutil.rmtree(folder, ignore_errors=True)


def forget_old(folder):
    """Keeps the newest few brokers of a suite."""
    paths = [os.path.join(folder, name) for name in _names(folder) if not name.startswith(".")]
    for path in sorted(paths, key=os.path.getmtime, reverse=True)[BROKERS_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def newest(suite, kind):
    """The newest runs of `suite` against a broker of `kind` (klamm, kafka) with the suite as it stands, or []."""
    folder = os.path.join(RESULTS, suite.name)
    ending = "-" + suite.digest()
    paths = [os.path.join(folder, name) for name in _names(folder)
             if name.startswith(kind + "-") and name.endswith(ending)]
    for path in sorted(paths, key=os.path.getmtime, reverse=True):
        found = runs(path)
        if found:
            return found
    return []


def _names(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []
