"""Owns `--serve`: one broker for someone else's test, for as long as that test holds our standard input open.

Never runs a suite.
"""

import json
import os
import shutil
import sys
import tempfile

from . import brokers


def run(kind, settings, heap, keep):
    """Starts a broker, prints one JSON line (bootstrap, pid, log), waits for the end of input, ends the broker."""
    directory = keep or tempfile.mkdtemp(prefix="klamm-serve-")
    broker = brokers.broker(kind, os.path.abspath(directory))
    broker.heap = heap
    try:
        broker.start(**dict(setting.split("=", 1) for setting in settings))
        print(json.dumps({"bootstrap": broker.bootstrap, "pid": broker.pid(), "log": broker.log}), flush=True)
        sys.stdin.read()
    finally:
        broker.stop_if_running()
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)
    return 0
