"""What Kafka's tools and ours are both asked to do: one module per tool, each with its CASES.

A case is a command line. `@B` stands for `--bootstrap-server` and the broker, `P` at the start of a word for a prefix
that keeps the two sides apart, `@T` for a directory. Cases of a module run in order, each by Kafka's tool and then by
ours, so that both find the same when they look at everything. `prepare` brings about what the cases need.
"""


class Case:
    """One command line, and how its output is compared."""

    def __init__(self, line, stdin="", rows=None, help_text=False, files=None, until=None, errors=True):
        self.line = line
        self.stdin = stdin
        # "any": the order of the lines is that of a hash table; "tokens": that of the words too.
        self.rows = rows
        # The text of --help is our own; only the options in it count.
        self.help_text = help_text
        # Standard error is not compared where Kafka's tool shows the insides of a library.
        self.errors = errors
        # Files to be written before the run: name to content.
        self.files = files or {}
        # A pattern that the output comes to match: a broker may be behind its controller for a moment.
        self.until = until


def case(line, **how):
    return Case(line, **how)
