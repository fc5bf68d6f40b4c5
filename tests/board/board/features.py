"""Owns how the board learns what a broker can do: ApiVersions, and which API keys make a feature.

The words here are those of `needs` in suites/ and not-yet.tsv.
"""

import socket
import struct

# A feature is there when the broker serves all of these API keys; one without keys (None) cannot be seen from outside, and
# its lines in not-yet.tsv go when their tests pass.
FEATURES = {
    "transactions": (24, 25, 26, 28),
    "consumer-groups": (68, 69),
    "share-groups": (76, 77, 78, 79),
    "streams-groups": (88, 89),
    "security": (17, 29, 30, 31, 36),
    "quotas": (48, 49),
    "scram": (50, 51),
    "telemetry": (71, 72),
    "reassignment": (45, 46),
    "elections": (43,),
    "log-dirs": (34, 35),
    "feature-updates": (57,),
    "quorum-changes": (80, 81),
}

API_VERSIONS = 18


def receive(connection, size):
    got = b""
    while len(got) < size:
        more = connection.recv(size - len(got))
        if not more:
            raise OSError("connection closed")
        got += more
    return got


def served_keys(bootstrap):
    """API keys that ApiVersions (version 0, which every broker answers) names; raises OSError."""
    host, port = bootstrap.split(",")[0].rsplit(":", 1)
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.settimeout(5)
        body = struct.pack(">hhih", API_VERSIONS, 0, 7, 5) + b"board"
        connection.sendall(struct.pack(">i", len(body)) + body)
        answer = receive(connection, struct.unpack(">i", receive(connection, 4))[0])
    count = struct.unpack(">i", answer[6:10])[0]
    return {struct.unpack(">h", answer[10 + 6 * at:12 + 6 * at])[0] for at in range(count)}


def features(bootstrap):
    """Names of the features that the broker has."""
    keys = served_keys(bootstrap)
    return {name for name, needed in FEATURES.items() if needed and keys.issuperset(needed)}


def answers(bootstrap):
    """Does a broker answer there?"""
    try:
        return bool(served_keys(bootstrap))
    except (OSError, struct.error):
        return False
