# Shell functions that ./run and ./test share: what must be on the machine, and how to get it.

say() { printf '%s\n' "$*" >&2; }

# Rust itself is never installed behind the user's back: people choose how they manage it.
need_rust() {
    local wanted
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! command -v cargo >/dev/null; then
        [ -x "$HOME/.cargo/bin/cargo" ] && PATH="$HOME/.cargo/bin:$PATH"
    fi
    if ! command -v cargo >/dev/null; then
        say "missing: cargo. Klamm needs Rust $wanted or newer: https://rustup.rs, or your distribution's package."
        exit 2
    fi
    local found
    found=$(rustc --version | cut -d' ' -f2)
    if [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n1)" != "$wanted" ]; then
        say "Rust $found is too old: Klamm needs $wanted or newer. With rustup: rustup update stable"
        exit 2
    fi
}

# Debian packages, each with the reason it is needed: need_package PACKAGE COMMAND REASON
need_package() {
    local package=$1 command=$2 reason=$3
    command -v "$command" >/dev/null && return
    say "installing $package ($reason)"
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "missing: $command. Install it (Debian: apt-get install $package) and run this again."
        exit 2
    fi
    { apt-get install -y -qq "$package" || { apt-get update -qq && apt-get install -y -qq "$package"; }; } >/dev/null
}
