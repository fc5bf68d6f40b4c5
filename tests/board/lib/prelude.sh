# Sourced by the suites that are shell scripts. The runner gives SUITE WORK OUT LIB BOARD and, for a run, BOOTSTRAP and
# BROKER_CMD. Called as `suites/NAME install` a suite stops at `installed`, having downloaded and built all it needs.
set -u
BOARD=${BOARD:-$(cd "$(dirname "${BASH_SOURCE[1]}")/.." && pwd)}
SUITE=${SUITE:-$(basename "$0")}
WORK=${WORK:-${KLAMM_TEST_CACHE:-$HOME/.cache/klamm-tests}/board/work}
OUT=${OUT:-$WORK/../out/$SUITE}
mkdir -p "$WORK" "$OUT"
WORK=$(cd "$WORK" && pwd)
OUT=$(cd "$OUT" && pwd)
LIB=$BOARD/lib
export BOARD SUITE WORK OUT LIB
MODE=${1:-run}

stop() { echo "$SUITE: $*" >&2; exit 2; }

# installed: everything is there. An `install` call ends here; a run goes on and needs a broker.
installed() {
    [ "$MODE" = install ] && exit 0
    [ -n "${BOOTSTRAP:-}${BROKER_CMD:-}" ] || stop "set BOOTSTRAP=host:port of a running broker"
    export BOOTSTRAP=${BOOTSTRAP:-}
}

# debian PACKAGE…: installs missing Debian packages; needs root.
debian() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    echo "installing Debian's ${missing[*]}"
    [ "$(id -u)" = 0 ] || stop "missing: ${missing[*]}. Install them: apt-get install ${missing[*]}"
    apt-get install -y -qq "${missing[@]}" || { apt-get update -qq && apt-get install -y -qq "${missing[@]}"; } ||
        stop "apt-get cannot install ${missing[*]}"
}

# need COMMAND PACKAGE: a command, from a Debian package if it is missing.
need() { command -v "$1" >/dev/null || debian "$2"; }

# venv NAME PACKAGE…: PY is the interpreter of a virtual environment with these PyPI packages, made once.
venv() {
    local folder=$WORK/venv-$1-$(echo "$*" | md5sum | cut -c1-12)
    shift
    PY=$folder/bin/python
    [ -f "$folder/.whole" ] && return
    rm -rf "$folder"
    echo "installing $* from PyPI"
    python3 -m venv "$folder" && "$folder/bin/pip" install -q --disable-pip-version-check "$@" && touch "$folder/.whole" ||
        stop "pip cannot install $*"
}

# npm_folder NAME PACKAGE…: NODE is a folder whose node_modules hold these npm packages, made once.
npm_folder() {
    NODE=$WORK/npm-$1-$(echo "$*" | md5sum | cut -c1-12)
    shift
    [ -f "$NODE/.whole" ] && return
    need node nodejs
    need npm npm
    rm -rf "$NODE" && mkdir -p "$NODE" || exit 2
    echo "installing $* from npm"
    (cd "$NODE" && npm init -y >/dev/null && npm install --no-audit --no-fund "$@" && touch .whole) ||
        stop "npm cannot install $*"
}

# maven_jars NAME POM [ARGUMENT…]: JARS is a folder with the jars that a pom.xml pins, made once.
maven_jars() {
    local name=$1 pom=$2
    shift 2
    JARS=$WORK/jars-$name-$({ cat "$pom"; echo "$*"; } | md5sum | cut -c1-12)
    [ -f "$JARS/.whole" ] && return
    need mvn maven
    rm -rf "$JARS" && mkdir -p "$JARS" || exit 2
    echo "installing the jars of $name from Maven Central"
    cp "$pom" "$JARS/pom.xml"
    mvn -q -B -f "$JARS/pom.xml" "$@" dependency:copy-dependencies -DoutputDirectory="$JARS" && touch "$JARS/.whole" ||
        stop "Maven cannot resolve the jars of $name"
}

# java_classes NAME JARS FILE…: CLASSES is a folder with the compiled files, made once for their contents.
java_classes() {
    local name=$1 jars=$2
    shift 2
    CLASSES=$WORK/classes-$name-$({ cat "$@"; echo "$jars"; } | md5sum | cut -c1-12)
    [ -f "$CLASSES/.whole" ] && return
    rm -rf "$WORK/classes-$name"-* && mkdir -p "$CLASSES" || exit 2
    echo "compiling $name"
    javac -nowarn -Xlint:none -proc:none -cp "$jars/*" -d "$CLASSES" "$@" && touch "$CLASSES/.whole" || stop "javac cannot compile $name"
}

# report KIND FILE…: writes $OUT/results.json and the closing line, and ends the script.
report() { exec python3 "$LIB/report.py" "$@"; }
