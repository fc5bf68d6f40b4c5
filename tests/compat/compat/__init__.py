"""Foreign clients against one broker: the suites behind `tests/compat/run`."""
