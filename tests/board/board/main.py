"""Owns the command line of the board: which suites run against which broker, what is kept, what is said at the end."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import cache, features, page, runner, verdict
from . import suite as suites


def arguments():
    parser = argparse.ArgumentParser(
        prog="cargo xtask board",
        description="Runs third-party suites and clients against a broker and compares with Apache Kafka 4.4.0.",
        epilog="Environment: KLAMM_BIN (default target/release/klamm), KLAMM_TEST_CACHE (default ~/.cache/klamm-tests), "
               "KAFKA_LIBS (Kafka's jars), ONLY (some tests of a suite, where it can choose; not kept). Exit code: 0 green, 1 red, 2 something could not be installed or started.")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--start", choices=("klamm", "kafka"), default="klamm",
                       help="start this broker afresh for every suite (default klamm); kafka re-measures the reference")
    where.add_argument("--broker", metavar="HOST:PORT", help="a broker that runs already; results are not kept")
    parser.add_argument("--suite", nargs="+", default=[], metavar="NAME", help="only these suites")
    parser.add_argument("--fast", action="store_true", help="only the suites of the short board")
    parser.add_argument("--again", action="store_true", help="run also what has results for this binary")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="N runs of each suite; green is green N times")
    parser.add_argument("--install-only", action="store_true", help="download and build, run nothing")
    parser.add_argument("--list", action="store_true", help="name the suites and stop")
    return parser.parse_args()


class Board:
    """One call of the command."""

    def __init__(self, asked):
        self.asked = asked
        self.target = asked.broker or asked.start
        self.suites = self.wanted()
        self.lines = verdict.not_yet()
        self.served = set()
        self.is_part = bool(os.environ.get("ONLY"))
        self.failed = {}
        self.verdicts = []

    def wanted(self):
        found = suites.all_suites()
        unknown = set(self.asked.suite) - {suite.name for suite in found}
        if unknown:
            raise SystemExit("no suite %s; there are %s" % (", ".join(sorted(unknown)),
                                                            ", ".join(suite.name for suite in found)))
        return [suite for suite in found
                if (not self.asked.suite or suite.name in self.asked.suite) and (suite.is_fast or not self.asked.fast)]

    def broker_key(self):
        """Names the broker in the cache; None for one that we did not start and know nothing of."""
        if self.asked.broker or self.is_part:
            return None
        if self.target == "kafka":
            return "kafka-4.4.0"
        return "klamm-" + cache.file_digest(cache.compat_toolchain().klamm())

    def run(self):
        if self.asked.list:
            for suite in self.suites:
                print("%-24s %s%s" % (suite.name, suite.what, " (fast)" if suite.is_fast else ""))
            return 0
        if self.asked.install_only:
            return self.install_all()
        self.key = self.broker_key()
        self.served = self.features()
        for at, suite in enumerate(self.suites):
            self.one(suite, "[%d/%d]" % (at + 1, len(self.suites)))
        return self.close()

    def install_all(self):
        for suite in self.suites:
            with tempfile.TemporaryDirectory(prefix="klamm-board-") as out:
                try:
                    runner.install(suite, out)
                    print("%s: installed" % suite.name, flush=True)
                except runner.Failed as reason:
                    self.failed[suite.name] = str(reason)
        return self.say_failed()

    def features(self):
        """What the broker under test has; Kafka has everything."""
        if self.target == "kafka":
            return set(features.FEATURES)
        if self.asked.broker:
            return features.features(self.asked.broker)
        with tempfile.TemporaryDirectory(prefix="klamm-board-") as directory:
            broker = os.path.join(directory, "broker")
            try:
                return features.features(runner.start(runner.ADAPTER["klamm"], broker, []))
            finally:
                subprocess.run([runner.ADAPTER["klamm"], "kill9", broker], check=False)

    def lacking(self, suite):
        return [need for need in suite.needs if need not in self.served]

    def one(self, suite, label):
        """Runs a suite as often as its results lack, then says what they come to."""
        lacking = self.lacking(suite)
        if lacking:
            print("%s %s: not yet, needs %s" % (label, suite.name, ", ".join(lacking)), flush=True)
            return
        if self.asked.broker and suite.starts_brokers:
            print("%s %s: left out, it starts its own brokers (--start)" % (label, suite.name), flush=True)
            return
        began = time.monotonic()
        try:
            runs, how_many = self.results(suite, label)
        except runner.Failed as reason:
            self.failed[suite.name] = str(reason)
            print("%s %s: RED, %s" % (label, suite.name, reason), flush=True)
            return
        if self.target == "kafka":
            verdict.write_reference(suite, runs, self.is_part)
        kafka = verdict.reference(suite)
        if kafka is None:
            self.failed[suite.name] = "no reference: measure it with --start kafka"
            return
        found = verdict.Verdict(suite, runs, kafka, self.lines, self.served, self.is_part)
        self.verdicts.append(found)
        took = "%.0f s" % (time.monotonic() - began) if how_many else "kept"
        self.say(found, label, took)

    def results(self, suite, label):
        """All runs of the suite that count, and how many of them were made now."""
        if self.key is None:
            out = runner.run(suite, self.target, self.served, label)
            found = os.path.join(cache.RESULTS, ".last-" + suite.name)
            shutil.rmtree(found, ignore_errors=True)
            cache.keep(out, found, {})
            return cache.runs(found)[-1:], 1
        folder = cache.results_folder(suite, self.key)
        if self.asked.again and self.target != "kafka":
            cache.forget(folder)
        have = len(cache.runs(folder))
        lack = self.asked.times if self.asked.again else max(0, self.asked.times - have)
        for _ in range(lack):
            began = time.monotonic()
            out = runner.run(suite, self.target, self.served, label)
            cache.keep(out, folder, {"version": self.version(), "seconds": round(time.monotonic() - began)})
        return cache.runs(folder), lack

    def version(self):
        if self.target == "kafka":
            return "Apache Kafka 4.4.0"
        binary = cache.compat_toolchain().klamm()
        done = subprocess.run([binary, "--version"], capture_output=True, text=True)
        return "%s (binary %s)" % (done.stdout.strip(), cache.file_digest(binary))

    def say(self, found, label, took):
        state = "green" if found.is_green else "RED"
        print("%s %s: %s, ran %d of %d, %d of %d pass, %d not yet, %d red (%s)" % (
            label, found.suite.name, state, found.ran, found.kafka_ran, found.passed, found.kafka_passed,
            len(found.excused), len(found.red), took), flush=True)
        for name, note in found.red.items():
            print("    RED %s: %s" % (name, note[:200]), flush=True)
        if found.too_few:
            print("    RED fewer tests ran than on Kafka", flush=True)
        for name, line in found.listed_but_passes.items():
            print("    listed as not yet (%s), but passes: %s" % (line, name), flush=True)

    def close(self):
        obsolete = [] if self.target == "kafka" else verdict.obsolete(self.lines, self.verdicts, self.served)
        for line, why in obsolete:
            print("not-yet.tsv: remove `%s`: %s" % (line, why))
        code = self.say_failed()
        if self.target == "klamm" and not self.asked.fast and not self.is_part:
            self.write_page()
        red = sum(not found.is_green for found in self.verdicts)
        print("board: %d suites green, %d red" % (len(self.verdicts) - red, red + len(self.failed)), flush=True)
        return code or (1 if red else 0)

    def write_page(self):
        """The page shows the newest runs of every suite; one that was never run here would be a hole in it."""
        rows, unmeasured, holes = [], [], []
        for suite in suites.all_suites():
            kafka = verdict.reference(suite)
            runs = cache.newest(suite, "klamm")
            if self.lacking(suite):
                unmeasured.append((suite, kafka, ", ".join(self.lacking(suite))))
            elif runs and kafka:
                rows.append((suite, verdict.Verdict(suite, runs, kafka, self.lines, self.served)))
            else:
                holes.append(suite.name)
        if holes:
            print("docs/board.md is not written: no results here for %s" % ", ".join(holes))
        else:
            page.write(rows, unmeasured, self.version().split(" (")[0])

    def say_failed(self):
        for name, reason in self.failed.items():
            print("%s: %s" % (name, reason), file=sys.stderr)
        return 2 if self.failed else 0


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return Board(arguments()).run()
    except (runner.Failed, cache.compat_toolchain().Missing) as reason:
        print("board: %s" % reason, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
