"""Owns the differences that stay, each with its reason. An entry that no answer needs any more fails the run."""

import re

OWN_WORDS = "the general sentence for an error code is in each program's own words"
JAVA_WORDS = "the sentence is what Java's runtime says about the text; Klamm says what is expected"

# (script, step, line with its sign, reason), all regular expressions but the last.
ENTRIES = [
    (".*", ".*", r"\+ broker .*: log\.dir\.full\.percent = '100' .*", "Klamm's own key, which tests/compat sets"),
    ("describe|edges", ".*", r"- .*: 42 'This most likely occurs because of a request being malformed.*", OWN_WORDS),
    ("describe|edges", ".*", r"\+ .*: 42 'The request is malformed or contradicts itself\.'", OWN_WORDS),
    ("topics", "same topic twice, whole", r"- TimeoutError",
     "Kafka never answers an AlterConfigs that names a resource twice; Klamm refuses it as IncrementalAlterConfigs does"),
    ("topics", "same topic twice, whole", r"\+ .*", "as above"),
    ("file", "broker", r"[-+] .*unstable\.api\.versions\.enable = .*", "Kafka has no words about its internal keys"),
    ("brokers", ".*connections overrides (wrong|not a number).*", r"[-+] .*: 42 .*", JAVA_WORDS),
    ("brokers|alterations", ".*(reporter that is not there|metric.reporters).*", r"[-+] .*: 42 '.*metric\.reporters.*'",
     "Klamm says which class, Kafka which of its own classes looked for it"),
    ("alterations", ".* (controller.listener.names|process.roles)", r"[-+] .*",
     "Kafka stumbles over lists that have no default (UNKNOWN_SERVER_ERROR); Klamm says that the key is fixed"),
    ("alterations|values", "broker (listeners|listener.security.protocol.map)", r"[-+] .*: 42 .*",
     "Klamm says how a listener is written, and where its own limits are"),
    ("values", "(broker|cluster) metric.reporters", r"[-+] .*: 42 .*", "Klamm says which class cannot be loaded"),
    ("values", "(broker|cluster) max.connections.per.ip.overrides", r"[-+] .*: 42 .*", JAVA_WORDS),
    ("values", "broker log.cleaner.threads", r"[-+] '0': .*: 42 .*", "Kafka divides by zero; Klamm says what is wrong"),
    ("brokers", "broker: listeners.*", r"[-+] .*: 42 .*(controller.listener.names|The controller's listeners).*",
     "Kafka refuses to lose the controller's listener; Klamm also refuses to move it"),
    ("metrics", "match (lookahead.*|plain, only checked)", r"[-+] .*(: 0 None|: 40 'Illegal.*|match = .*)",
     "expressions run in time linear to their input here, so that there is no look-around"),
]

USED = set()


def reason(script, step, sign, line):
    """Why this line may differ; None when it may not."""
    for index, (in_script, in_step, pattern, why) in enumerate(ENTRIES):
        if re.fullmatch(in_script, script) and re.fullmatch(in_step, step) and re.fullmatch(pattern, sign + " " + line):
            USED.add(index)
            return why
    return None


def unused():
    """Entries that explained nothing in this run."""
    return [entry[2] for index, entry in enumerate(ENTRIES) if index not in USED]
