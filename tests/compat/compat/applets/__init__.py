"""What Kafka's tools and ours are both asked to do: one module per tool, each with its CASES.

A case is a command line. `@B` stands for `--bootstrap-server` and the broker, `P` at the start of a word for a prefix
that keeps the two runs apart, `@T` for a directory. Cases of a module run in order, first all by one side, then all by
the other, each in its own prefix.
"""


class Case:
    """One command line, and how its output is compared."""

    def __init__(self, line, stdin="", rows=None, help_text=False, files=None, until=None):
        self.line = line
        self.stdin = stdin
        # "any": the order of the lines is that of a hash table; "tokens": that of the words too.
        self.rows = rows
        # The text of --help is our own; only the options in it count.
        self.help_text = help_text
        # Files to be written before the run: name to content.
        self.files = files or {}
        # A pattern that the output comes to match: a broker may be behind its controller for a moment.
        self.until = until


def case(line, **how):
    return Case(line, **how)
