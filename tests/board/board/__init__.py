"""The compatibility board: foreign suites and clients against a broker, and the page that says what passed."""
