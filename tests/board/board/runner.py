"""Owns one suite's run: installs it, gives it a fresh broker, ends it when its time is over, shows how far it is.

Knows nothing of what the results mean.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time

from . import features
from . import suite as suites
from .cache import CACHE, REPOSITORY, RESULTS

ADAPTERS = os.path.join(suites.ROOT, "adapters")
ADAPTER = {"klamm": os.path.join(ADAPTERS, "klamm"), "kafka": os.path.join(ADAPTERS, "apache-kafka")}

INSTALL_LIMIT_S = 3600
# Without a terminal a line about progress is printed this often.
SILENCE_S = 60


class Failed(Exception):
    """The suite could not be run; the text says why."""


def environment(**more):
    work = os.path.join(CACHE, "work")
    os.makedirs(work, exist_ok=True)
    lib = os.path.join(suites.ROOT, "lib")
    return dict(os.environ, WORK=work, BOARD=suites.ROOT, LIB=lib, REPOSITORY=REPOSITORY, PYTHONDONTWRITEBYTECODE="1",
                **more)


def install(suite, out):
    """Downloads and builds what the suite needs. One at a time, also beside another run of the board."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, suite.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        log = os.path.join(out, "install.log")
        code = watch(suite, [suite.path, "install"], environment(SUITE=suite.name, OUT=out), log, INSTALL_LIMIT_S,
                     "installing")
    if code:
        raise Failed("cannot be installed (exit %s):\n%s" % (code, tail(log)))


def run(suite, target, served, label):
    """Runs the suite once against `target` (klamm, kafka or host:port, with the features `served`); returns the folder with results.json."""
    out = os.path.join(RESULTS, ".running-%d-%s" % (os.getpid(), suite.name))
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    install(suite, out)
    adapter, broker = ADAPTER.get(target), os.path.join(out, "broker")
    more = {"SUITE": suite.name, "OUT": out, "BROKER_DIR": os.path.join(out, "brokers"), "FEATURES": " ".join(sorted(served))}
    if adapter:
        more["BROKER_CMD"] = adapter
    try:
        if not suite.starts_brokers:
            more["BOOTSTRAP"] = start(adapter, broker, suite.settings(served)) if adapter else target
        log = os.path.join(out, "output.log")
        code = watch(suite, [suite.path], environment(**more), log, suite.limit_s, label)
        if not os.path.exists(os.path.join(out, "results.json")):
            raise Failed("no results (exit %s):\n%s" % (code, tail(log)))
        if adapter and not suite.starts_brokers and not features.answers(more["BOOTSTRAP"]):
            raise Failed("the broker no longer answers; its log is in " + broker)
    finally:
        if adapter:
            stop_all(adapter, out)
    return out


def start(adapter, directory, settings):
    """A broker on an empty directory: host:port."""
    done = subprocess.run([adapter, "start", directory] + settings, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Failed(done.stderr.strip())
    return done.stdout.split()[-1]


def stop_all(adapter, out):
    """Ends every broker under `out` and removes its data; logs stay."""
    for folder, _, names in os.walk(out):
        if "pid" in names and "adapter.json" in names:
            subprocess.run([adapter, "kill9", folder], stdin=subprocess.DEVNULL)
    for folder, folders, _ in os.walk(out):
        for name in [name for name in folders if name.startswith("data-")]:
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
            folders.remove(name)


def watch(suite, command, env, log, limit_s, label):
    """Runs a command with its output in `log`, says how it gets on; returns its exit code or why it was ended."""
    began = said = time.monotonic()
    shown = ""
    with open(log, "wb") as output:
        child = subprocess.Popen(command, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                                 start_new_session=True)
    try:
        while child.poll() is None:
            time.sleep(0.1)
            took = time.monotonic() - began
            if took > limit_s:
                return "after its limit of %d s" % limit_s
            line = "%s %s, %d s: %s" % (label, suite.name, took, last_line(log))
            if sys.stdout.isatty():
                if line != shown:
                    print("\r\x1b[K" + line[:shutil.get_terminal_size().columns - 1], end="", flush=True)
                    shown = line
            elif time.monotonic() - said > SILENCE_S:
                print(line[:160], flush=True)
                said = time.monotonic()
        return child.returncode
    finally:
        if sys.stdout.isatty():
            print("\r\x1b[K", end="", flush=True)
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except OSError:
            pass
        child.wait()


def last_line(path):
    with open(path, "rb") as handle:
        handle.seek(max(0, os.path.getsize(path) - 2000))
        lines = handle.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def tail(path, size=1500):
    with open(path, errors="replace") as handle:
        return handle.read()[-size:]
