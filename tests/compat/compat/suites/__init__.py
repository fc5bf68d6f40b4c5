"""One module per suite; each offers `run(context)`."""
