"""Each client's own small cases: every codec, headers, nulls, offsets by time, admin requests, groups."""

import os
import subprocess
import time

from .. import clients

SECONDS = 90


def run(context):
    broker = context.start_broker("smoke")
    for name in clients.NAMES:
        if context.wanted("smoke/" + name):
            run_client(context, broker, name)
    broker.stop_if_running()


def run_client(context, broker, name):
    """One process; every line that it prints becomes a check."""
    command, more = clients.command(name)
    began = time.monotonic()
    try:
        done = subprocess.run(command + ["smoke", broker.bootstrap, "smoke-" + name], env=dict(os.environ, **more),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
        output, errors, code = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace")
        errors, code = "no end within %d s" % SECONDS, 1
    count = 0
    for line in output.splitlines():
        mark, _, rest = line.partition(" ")
        case, _, why = rest.partition(" ")
        if mark == "pass":
            context.report.ok("smoke/%s/%s" % (name, case))
        elif mark == "fail":
            context.report.fail("smoke/%s/%s" % (name, case), why)
        else:
            continue
        count += 1
    took = time.monotonic() - began
    if code or not count:
        context.report.fail("smoke/%s" % name, "client ended with %d: %s" % (code, errors[-500:]), took)
    elif not broker.alive():
        context.report.fail("smoke/%s" % name, "the broker is gone", took)
    else:
        context.report.ok("smoke/%s" % name, "%d cases, broker is up" % count, took)
