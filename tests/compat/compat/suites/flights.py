"""The main job on real input: 336,776 flights in, and out again by every client as a group of three, one of them killed.

Members write what they read into pipes and wait while a pipe is full, so this side sets their pace: all three are kept
slow until each has delivered something, and the victim dies while it surely has records before it.
"""

import collections
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
import uuid

from .. import clients, toolchain, wire

TOPIC = "flights"
PARTITIONS = 6
FLIGHTS = 336_776
DISTANCE = 350_217_607
UNITED = 58_665
SECONDS = 80
# A partition may be read again from its last commit when the group changes; more often than this is not a rebalance.
REWINDS = 6


def run(context):
    path = toolchain.flights()
    # The broker's own wait for more members, so that three processes that start together meet in one generation.
    broker = context.start_broker("flights", group_initial_rebalance_delay_ms=1500)
    wire.create_topic(broker.bootstrap, TOPIC, PARTITIONS)
    if not context.report.check("flights/load", lambda: load(context, broker, path)):
        return
    flights = Flights(path)
    for name in clients.NAMES:
        if context.wanted("flights/" + name):
            context.report.check("flights/" + name, lambda name=name: Group(broker.bootstrap, name, flights).run())
    broker.stop_if_running()


def load(context, broker, path):
    """Klamm's own CLI where the broker is Klamm, else the Python client with the same records."""
    began = time.monotonic()
    if context.kind == "klamm":
        command = [toolchain.klamm(), "produce", TOPIC, "--file", path, "-f", "csv", "--key", "tailnum"]
        env = dict(os.environ, KLAMM_BOOTSTRAP=broker.bootstrap)
    else:
        command = [toolchain.python(), os.path.join(clients.CLIENTS, "python", "client.py"), "load", broker.bootstrap,
                   TOPIC, path, "tailnum"]
        env = None
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, "load ended with %d: %s" % (done.returncode, (done.stdout + done.stderr)[-800:])
    with wire.Connection(broker.bootstrap) as connection:
        ends = [connection.list_offset(TOPIC, -1, partition)[1] for partition in range(PARTITIONS)]
    assert sum(ends) == FLIGHTS, "end offsets add up to %d: %s" % (sum(ends), ends)
    return "%d records in %.1f s" % (FLIGHTS, time.monotonic() - began)


class Flights:
    """The rows of flights.csv, and the proof that what was read is them."""

    def __init__(self, path):
        with open(path, "rb") as handle:
            lines = handle.read().decode().split("\n")
        self.columns = lines[0].split(",")
        self.rows = [line for line in lines[1:] if line]
        assert len(self.rows) == FLIGHTS
        self.proven = None

    def prove(self, log):
        """`log` is {(partition, offset): (key, value)}; asserts counts, content and the order of each key.

        The content is compared with the file once. Later readers must have got the same bytes at the same offsets.
        """
        if self.proven is not None:
            differing = [at for at, record in log.items() if self.proven.get(at) != record]
            assert not differing, "%d records differ from what the first client read, such as %s" % (
                len(differing), differing[0])
            return
        tail, waiting = self.columns.index("tailnum"), collections.defaultdict(collections.deque)
        for row in self.rows:
            fields = row.split(",")
            waiting[None if fields[tail] == "NA" else fields[tail].encode()].append(fields)
        distance = united = 0
        for at in sorted(log):
            key, value = log[at]
            flight = json.loads(value)
            distance += int(flight["distance"])
            united += flight["carrier"] == "UA"
            # Keyless records go to any partition, so only keyed ones have an order.
            if key is not None:
                assert waiting[key], "more records than flights for key %s" % key
                row = waiting[key].popleft()
                assert self.same(row, flight), "at %s key %s: %s is not next, %s is" % (at, key, value, row)
        assert (distance, united) == (DISTANCE, UNITED), "distance %d, UA %d" % (distance, united)
        keyless = len(waiting[None])
        assert sum(1 for key, _ in log.values() if key is None) == keyless, "keyless records"
        self.proven = log

    def same(self, row, flight):
        return len(flight) == len(row) and all(
            flight[column] is None if text == "NA" else str(flight[column]) == text
            for column, text in zip(self.columns, row))


class Group:
    """Three processes of one client in one group."""

    def __init__(self, bootstrap, name, flights):
        self.bootstrap = bootstrap
        self.name = name
        self.flights = flights
        self.log = {}
        self.members = []
        self.victim = None
        self.victim_read = 0

    def run(self):
        group = "flights-%s-%s" % (self.name, uuid.uuid4().hex[:6])
        command, more = clients.command(self.name)
        for _ in range(3):
            talk = tempfile.TemporaryFile()  # nobody reads along, and a full pipe would stop the client
            child = subprocess.Popen(command + ["member", self.bootstrap, TOPIC, group], env=dict(os.environ, **more),
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=talk,
                                     start_new_session=True)
            os.set_blocking(child.stdout.fileno(), False)
            self.members.append(Member(child, talk))
        try:
            self.read()
            self.end()
        finally:
            for member in self.members:
                member.kill()
        self.flights.prove(self.log)
        shares = "+".join(str(member.records) for member in self.members)
        return "%d flights; read %s, killed after %d" % (len(self.log), shares, self.victim_read)

    def read(self):
        """Until every flight was seen."""
        deadline = time.monotonic() + SECONDS
        with selectors.DefaultSelector() as ready:
            for member in self.members:
                ready.register(member.child.stdout, selectors.EVENT_READ, member)
            while len(self.log) < FLIGHTS:
                assert time.monotonic() < deadline, self.story("only %d flights seen" % len(self.log))
                together = all(member.records for member in self.members)
                for key, _ in ready.select(0.2):
                    if not key.data.take(self.log, 1 << 18 if together else 1 << 14):
                        ready.unregister(key.fileobj)
                        assert key.data is self.victim, self.story("a member ended by itself")
                if not together:
                    time.sleep(0.02)
                elif self.victim is None and len(self.log) > FLIGHTS // 3:
                    self.kill_one()
        assert self.victim is not None, self.story("the members never shared the topic")

    def kill_one(self):
        self.victim = self.members[1]
        self.victim_read = self.victim.records
        self.victim.kill()

    def end(self):
        """The survivors leave in order when they are asked to."""
        for member in self.members:
            if member is not self.victim:
                member.child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 8
        left = [member for member in self.members if member is not self.victim]
        while left and time.monotonic() < deadline:
            for member in left:
                member.take(self.log, 1 << 20)
            left = [member for member in left if member.child.poll() is None]
            time.sleep(0.01)
        assert not left, self.story("%d members did not leave on SIGTERM" % len(left))
        rewinds = max(member.rewinds() for member in self.members)
        assert rewinds <= REWINDS, "a member was set back %d times in one partition" % rewinds

    def story(self, what):
        shares = ", ".join(str(member.records) for member in self.members)
        errors = " | ".join(member.errors()[-200:] for member in self.members)
        return "%s; members read %s; killed: %s; they say: %s" % (what, shares, self.victim is not None, errors)


class Member:
    """One process of a group and what it has delivered."""

    def __init__(self, child, talk):
        self.child = child
        self.talk = talk
        self.rest = b""
        self.records = 0
        self.positions = {}
        self.set_back = collections.Counter()

    def take(self, log, size):
        """Reads what its pipe holds into `log`; False at the end of the pipe."""
        try:
            data = os.read(self.child.stdout.fileno(), size)
        except BlockingIOError:
            return True
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()  # the last line may be torn when the process was killed
        for line in lines:
            partition, offset, length, key, value = line.split(b"\t", 4)
            at = (int(partition), int(offset))
            if at not in log:
                log[at] = (None if length == b"-1" else key, value)
            elif log[at][1] != value:
                raise AssertionError("two different records at %s" % (at,))
            if at[1] <= self.positions.get(at[0], -1):
                self.set_back[at[0]] += 1
            self.positions[at[0]] = at[1]
        self.records += len(lines)
        return bool(data)

    def rewinds(self):
        return max(self.set_back.values(), default=0)

    def errors(self):
        self.talk.seek(0)
        return self.talk.read().decode(errors="replace").strip()

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
