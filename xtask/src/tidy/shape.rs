//! How a file looks: length, header, names.

use super::SourceFile;

/// Longest file; tests and generated code are not counted.
const LINES_MAX: usize = 1000;

/// Words that name nothing.
const BANNED_WORDS: [&str; 8] =
    ["common", "helper", "helpers", "manager", "misc", "service", "util", "utils"];

/// Files that may hold functions of more than 70 lines. The list only ever shrinks.
const LONG_FUNCTIONS: &[&str] = &[];

/// The marks with which clippy is told to look away from a long function.
const LONG_FUNCTION_LINT: &str = "clippy::too_many_lines";

pub(crate) fn check(file: &SourceFile, violations: &mut Vec<String>) {
    let path = &file.path;
    if !file.text.starts_with("//!") {
        violations.push(format!("{path}:1: no `//!` header that says what the file owns"));
    }
    if file.text.contains(concat!("/wo", "rk/")) {
        violations.push(format!("{path}:1: mentions a folder of one machine"));
    }
    let lines = file.text.lines().count();
    if lines > LINES_MAX && !file.is_test() && !file.is_generated() {
        violations.push(format!("{path}:{LINES_MAX}: {lines} lines; split it by what it owns"));
    }
    check_names(file, violations);
}

/// No exception may be used that is not listed, and none listed that is not used.
pub(crate) fn check_exceptions(files: &[SourceFile], violations: &mut Vec<String>) {
    let users: Vec<&str> = files
        .iter()
        .filter(|file| file.code.contains(LONG_FUNCTION_LINT) && !file.is_test() && !file.is_generated())
        .map(|file| file.path.as_str())
        .collect();
    for user in users.iter().filter(|user| !LONG_FUNCTIONS.contains(user)) {
        violations.push(format!("{user}:1: a function of more than 70 lines; push its parts into functions"));
    }
    for listed in LONG_FUNCTIONS.iter().filter(|listed| !users.contains(listed)) {
        violations
            .push(format!("{listed}:1: has no long function any more; take it off the list in shape.rs"));
    }
}

fn check_names(file: &SourceFile, violations: &mut Vec<String>) {
    let path = &file.path;
    for part in path.split('/') {
        let stem = part.strip_suffix(".rs").unwrap_or(part);
        let is_types_file = part == "types.rs";
        if part == "mod.rs" {
            violations.push(format!("{path}:1: write foo.rs beside foo/, never foo/mod.rs"));
        }
        if let Some(word) = stem.split(['_', '-']).find(|word| BANNED_WORDS.contains(word)) {
            violations
                .push(format!("{path}:1: `{word}` in a file name says nothing; name what the file owns"));
        }
        if is_types_file {
            violations
                .push(format!("{path}:1: `types` says nothing; one main type per file, named after it"));
        }
    }
    if file.is_generated() {
        return;
    }
    for keyword in ["struct ", "enum ", "trait ", "type "] {
        for (at, _) in file.code.match_indices(keyword) {
            let name: String = file.code[at + keyword.len()..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if let Some(word) =
                camel_words(&name).into_iter().find(|word| BANNED_WORDS.contains(&word.as_str()))
            {
                let line = file.line_of(at);
                violations.push(format!("{path}:{line}: `{word}` in the name {name} says nothing"));
            }
        }
    }
}

fn camel_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for c in name.chars() {
        if c.is_uppercase() || words.is_empty() {
            words.push(String::new());
        }
        words.last_mut().expect("pushed above").extend(c.to_lowercase());
    }
    words
}
