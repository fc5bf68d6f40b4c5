"""Owns what a suite says of itself: the `#:` lines at the head of its executable in suites/.

Knows neither results nor brokers.
"""

import hashlib
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(ROOT, "suites")

# Every key that a `#:` line may have, and what it means; README.md says the same to people.
KEYS = {
    "what": "one line: the client and what its suite is",
    "version": "pinned version",
    "from": "registry that it comes from",
    "broker": "key=value settings of its broker (FEATURE?key=value: only if the broker has it); `own`: it starts brokers "
              "itself through BROKER_CMD",
    "needs": "features without which the suite is not run at all (words of features.py)",
    "files": "other files of tests/board that decide its results (a change makes old results void)",
    "limit_s": "seconds after which the whole suite is ended",
    "fast": "yes: belongs to the short board that ./test runs",
    "order": "place in the run, ascending",
}

# Lines of the head that say where a suite stands in the run, not what it does.
LISTED = re.compile(r"(?:#|//):\s+(?:what|from|limit_s|fast|order)\s")


class Suite:
    """One executable in suites/ and its head."""

    def __init__(self, path):
        self.name = os.path.basename(path)
        self.path = path
        self.head = {}
        with open(path) as handle:
            for line in handle:
                found = re.match(r"(?:#|//):\s+(\w+)\s+(.*\S)", line)
                if found:
                    if found[1] not in KEYS:
                        raise SystemExit("%s: no key %s; there are %s" % (path, found[1], ", ".join(KEYS)))
                    self.head[found[1]] = found[2]
        for key in ("what", "version", "from"):
            if key not in self.head:
                raise SystemExit("%s: a line `#: %s …` is missing" % (path, key))

    @property
    def what(self):
        return self.head["what"]

    @property
    def version(self):
        return self.head["version"]

    @property
    def starts_brokers(self):
        return self.head.get("broker") == "own"

    def settings(self, served):
        """Arguments for the adapter's `start` of a broker with the features `served`."""
        words = []
        for word in self.head.get("broker", "").split():
            feature, mark, setting = word.partition("?")
            if not mark:
                words.append(word)
            elif feature in served:
                words.append(setting)
        return words

    @property
    def needs(self):
        return self.head.get("needs", "").split()

    @property
    def limit_s(self):
        return int(self.head.get("limit_s", "900"))

    @property
    def is_fast(self):
        return self.head.get("fast") == "yes"

    def digest(self):
        """Changes when the suite's results may change through a change of its own files."""
        digest = hashlib.sha256()
        with open(self.path) as handle:
            digest.update("".join(line for line in handle if not LISTED.match(line)).encode())
        for name in self.head.get("files", "").split():
            for path in _files(os.path.join(ROOT, name)):
                with open(path, "rb") as handle:
                    digest.update(handle.read())
        return digest.hexdigest()[:12]


def _files(path):
    """The file, or all files of the folder, in a fixed order."""
    if not os.path.isdir(path):
        return [path]
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)


def all_suites():
    """Every suite, in the order of the run."""
    suites = [Suite(os.path.join(FOLDER, name)) for name in sorted(os.listdir(FOLDER)) if not name.startswith(".")]
    return sorted(suites, key=lambda suite: (int(suite.head.get("order", "50")), suite.name))
