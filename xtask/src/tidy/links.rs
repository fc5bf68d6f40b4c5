//! Links between the documents of the repository lead somewhere.

use std::fs;
use std::path::Path;

use super::source::collect;

pub(crate) fn check(root: &Path, violations: &mut Vec<String>) -> Result<(), String> {
    let mut paths = Vec::new();
    collect(root, "md", &mut paths)?;
    paths.sort();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let folder = path.parent().unwrap_or(root);
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        for (line, target) in targets(&text) {
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") && !folder.join(file).exists() {
                violations.push(format!("{shown}:{line}: links to {file}, which is not there"));
            }
        }
        if text.contains(concat!("/wo", "rk/")) {
            violations.push(format!("{shown}:1: mentions a folder of one machine"));
        }
    }
    Ok(())
}

/// Targets of `[text](target)` with their line numbers; code is passed over.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        for (at, mark) in line.match_indices("](") {
            let rest = &line[at + mark.len()..];
            if let Some(end) = rest.find(')') {
                found.push((index + 1, &rest[..end]));
            }
        }
    }
    found
}
