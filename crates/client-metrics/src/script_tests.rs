//! Golden scripts: each file of `testdata/` is a conversation of clients with the node, and what came of it.
//!
//! A block is one or more commands, a line `----`, what happened, and an empty line. `UPDATE_EXPECT=1` writes what
//! happened into the files.

mod driver;

use std::fs;
use std::path::{Path, PathBuf};

use driver::Driver;

#[test]
fn scripts_tell_what_happens() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    for path in scripts() {
        let expected = fs::read_to_string(&path).unwrap();
        let actual = run(&expected);
        if update {
            fs::write(&path, actual).unwrap();
        } else {
            assert_eq!(actual, expected, "{} (UPDATE_EXPECT=1 rewrites it)", path.display());
        }
    }
}

fn scripts() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// Runs the commands of a script and returns the script with what happened.
fn run(script: &str) -> String {
    let mut driver = Driver::new();
    let mut output = String::new();
    let mut is_expected_part = false;
    let mut happened = String::new();
    for line in script.lines() {
        if is_expected_part {
            if line.is_empty() {
                is_expected_part = false;
                output.push('\n');
            }
            continue;
        }
        output.push_str(line);
        output.push('\n');
        if line == "----" {
            is_expected_part = true;
            output.push_str(&std::mem::take(&mut happened));
        } else if !line.is_empty() && !line.starts_with('#') {
            happened.push_str(&driver.command(line));
        }
    }
    assert!(happened.is_empty(), "the last block has no ---- line");
    output
}
