//! Runs files of commands and compares what they print.
//!
//! A block is a command line `name key=value…`, a line `----`, the expected output, and an empty line. Lines that
//! begin with `#` are comments.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The words `key=value` after a command.
pub(crate) type Arguments<'a> = BTreeMap<&'a str, &'a str>;

/// Runs every script of a folder, each with a state of its own.
pub(crate) fn check_all<F>(folder: &str, new_state: impl Fn() -> F)
where
    F: FnMut(&str, &Arguments<'_>) -> String,
{
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    assert!(!paths.is_empty(), "{folder} holds no script");
    for path in paths {
        check(&path, new_state());
    }
}

fn check(path: &Path, mut run: impl FnMut(&str, &Arguments<'_>) -> String) {
    let expected = std::fs::read_to_string(path).expect("a script is text");
    let mut actual = String::new();
    let mut lines = expected.lines();
    while let Some(line) = lines.next() {
        actual.push_str(line);
        actual.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        assert_eq!(lines.next(), Some("----"), "{}: after {line:?}", path.display());
        lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        let mut words = line.split_whitespace();
        let command = words.next().expect("the line is not empty");
        let arguments = words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect();
        let output = run(command, &arguments);
        writeln!(actual, "----").expect("a string takes all");
        output.lines().for_each(|line| writeln!(actual, "{line}").expect("a string takes all"));
        actual.push('\n');
    }
    let actual = format!("{}\n", actual.trim_end());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &actual).expect("the script is writable");
    } else if actual != expected {
        let first = actual.lines().zip(expected.lines()).position(|(a, e)| a != e);
        panic!(
            "{} differs from line {:?} on (UPDATE_EXPECT=1 rewrites it); it prints:\n{actual}",
            path.display(),
            first.map(|line| line + 1)
        );
    }
}
