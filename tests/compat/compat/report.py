"""Owns what the run tells a person: one line per check and the closing count."""

import sys
import time
import traceback


class Report:
    """Counts checks. A check that failed keeps its reason for the summary."""

    def __init__(self):
        self.passed = 0
        self.skipped = 0
        self.failures = []

    def ok(self, name, note="", seconds=None):
        self.passed += 1
        self._line("ok  ", name, note, seconds)

    def fail(self, name, why, seconds=None):
        self.failures.append((name, why))
        self._line("FAIL", name, why, seconds)

    def skip(self, name, why):
        self.skipped += 1
        self._line("skip", name, why, None)

    def check(self, name, action):
        """Runs `action`; what it returns is shown as a note, what it raises is the failure. True if it passed."""
        began = time.monotonic()
        try:
            note = action()
        except Exception as reason:  # the suite goes on with the next check
            why = "%s: %s" % (type(reason).__name__, reason) if not isinstance(reason, AssertionError) else str(reason)
            if not isinstance(reason, (AssertionError, OSError)):
                traceback.print_exc(file=sys.stderr)
            self.fail(name, why or "assertion", time.monotonic() - began)
            return False
        self.ok(name, note or "", time.monotonic() - began)
        return True

    def check_suite(self, name, action):
        """Runs a whole suite, which reports its own checks; only its break-down is a failure of its own."""
        print("\n== %s" % name, flush=True)
        began = time.monotonic()
        try:
            action()
        except Exception as reason:  # the run goes on with the next suite
            if not isinstance(reason, AssertionError):
                traceback.print_exc(file=sys.stderr)
            self.fail(name, "suite broke off: %s" % reason, time.monotonic() - began)

    def close(self):
        """Prints the summary; returns the exit code."""
        if self.failures:
            print("\nfailed:")
            for name, why in self.failures:
                print("  %s: %s" % (name, why.splitlines()[0] if why else ""))
        tail = ", %d skipped" % self.skipped if self.skipped else ""
        print("%d passed, %d failed%s" % (self.passed, len(self.failures), tail), flush=True)
        return 1 if self.failures else 0

    @staticmethod
    def _line(mark, name, note, seconds):
        took = "" if seconds is None else "%5.1f s" % seconds
        print("%s %-44s %8s  %s" % (mark, name, took, note), flush=True)
