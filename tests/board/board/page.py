"""Owns docs/board.md: how verdicts read for people. Never runs anything."""

import os

from .cache import REPOSITORY

PATH = os.path.join(REPOSITORY, "docs", "board.md")

HEAD = """# The compatibility board

Third-party suites and clients, run against Klamm and against Apache Kafka 4.4.0. Written by `cargo xtask board --start klamm`; never edited by hand.
Only a test that passes on Kafka every time is held against a broker; what Kafka does is recorded in `tests/board/reference/`, measured with the same
runner. *Ran* counts tests that were executed: fewer than on Kafka is red, unless what is missing is listed as not yet.

"""


def write(rows, kafka_only, version):
    """`rows`: (suite, verdict or None, words about the run); `kafka_only`: suites not run, with the feature lacking."""
    with open(PATH, "w") as handle:
        handle.write(render(rows, kafka_only, version))


def render(rows, kafka_only, version):
    out = [HEAD, "Klamm: %s.\n\n" % version]
    out.append("| suite | version | from | ran (Kafka) | passes on Kafka | of these on Klamm | not yet | red |\n")
    out.append("|---|---|---|---:|---:|---:|---:|---:|\n")
    totals = [0, 0, 0, 0]
    for suite, verdict in rows:
        red = len(verdict.red)
        counts = (verdict.kafka_passed, verdict.passed, len(verdict.excused), red)
        totals = [total + count for total, count in zip(totals, counts)]
        mark = "%d%s" % (red, ", too few ran" if verdict.too_few else "") if not verdict.is_green else "0"
        out.append("| %s: %s | %s | %s | %d (%d) | %d | %d | %d | %s |\n" % (
            suite.name, suite.what, suite.version, suite.head["from"], verdict.ran, verdict.kafka_ran,
            *counts[:3], mark))
    for suite, kafka, _ in kafka_only:
        ran, passed = (kafka["ran"], kafka["passed"]) if kafka else (0, 0)
        out.append("| %s: %s | %s | %s | 0 (%s) | %s | 0 | %s | 0 |\n" % (
            suite.name, suite.what, suite.version, suite.head["from"], ran or "not measured", passed, passed))
        totals[0] += passed
        totals[2] += passed
    out.append("| **all** | | | | **%d** | **%d** | **%d** | **%d** |\n" % tuple(totals))
    out.append(red_squares(rows))
    out.append(not_yet(rows, kafka_only))
    return "".join(out)


def red_squares(rows):
    out = ["\n## Passes on Kafka and not on Klamm\n\n"]
    for suite, verdict in rows:
        for name, note in verdict.red.items():
            out.append("- %s: `%s`: %s\n" % (suite.name, name, note.strip().replace("`", "'")[:160]))
    if len(out) == 1:
        out.append("Nothing but what is not yet.\n")
    return "".join(out)


def not_yet(rows, kafka_only):
    out = ["\n## Not yet\n\n| suite | tests | needs | reason |\n|---|---|---|---|\n"]
    for suite, _, lacking in kafka_only:
        out.append("| %s | all | %s | the suite is about this |\n" % (suite.name, lacking))
    for suite, verdict in rows:
        lines = {}
        for name, line in verdict.excused.items():
            lines.setdefault(line, []).append(name)
        for line, names in lines.items():
            shown = ", ".join("`%s`" % name.replace("|", "\\|") for name in names)
            out.append("| %s | %s | %s | %s |\n" % (suite.name, shown, line.needs, line.reason))
    return "".join(out)
