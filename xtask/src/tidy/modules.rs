//! No dead file: every `.rs` is reached by `mod` lines from the root of its crate.

use std::collections::BTreeSet;

use super::SourceFile;

pub(crate) fn check(files: &[SourceFile], violations: &mut Vec<String>) {
    let known: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> =
        files.iter().map(|file| &file.path).filter(|path| is_root(path)).cloned().collect();
    while let Some(path) = open.pop() {
        if !reached.insert(path.clone()) {
            continue;
        }
        let Some(file) = files.iter().find(|file| file.path == path) else { continue };
        for module in declared_modules(&file.text) {
            let found =
                candidates(&path, &module).into_iter().find(|candidate| known.contains(candidate.as_str()));
            match found {
                Some(module) => open.push(module),
                None => violations.push(format!("{path}:1: `mod {}` has no file", module.name)),
            }
        }
    }
    for file in files.iter().filter(|file| !reached.contains(&file.path)) {
        violations.push(format!("{}:1: no `mod` line leads here; add one or delete the file", file.path));
    }
}

/// A `mod name;` line, with the `#[path]` before it if there is one.
struct DeclaredModule {
    name: String,
    path: Option<String>,
}

/// Files where cargo begins: libraries, programs, tests, benchmarks and build scripts.
fn is_root(path: &str) -> bool {
    let inside = match path.strip_prefix("crates/") {
        Some(rest) => rest.split_once('/').map_or("", |(_, inside)| inside),
        None => path.strip_prefix("xtask/").unwrap_or_default(),
    };
    let parts: Vec<&str> = inside.split('/').collect();
    matches!(
        parts.as_slice(),
        ["build.rs"]
            | ["src", "lib.rs" | "main.rs"]
            | ["src", "bin", _]
            | ["tests" | "benches" | "examples", _]
            | ["tests" | "benches" | "src", .., "main.rs"]
    )
}

/// The modules that a file declares to lie in files of their own.
fn declared_modules(text: &str) -> Vec<DeclaredModule> {
    let mut modules = Vec::new();
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split('"').next().map(str::to_owned);
        } else if let Some(name) = module_name(line) {
            modules.push(DeclaredModule { name, path: path.take() });
        }
    }
    modules
}

fn module_name(line: &str) -> Option<String> {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')').map_or("", |(_, rest)| rest).trim_start(),
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let name = line.strip_prefix("mod ")?.strip_suffix(';')?.trim();
    Some(name.trim_start_matches("r#").to_owned())
}

/// Where the file of a module may lie, given the file that declares it.
fn candidates(declaring: &str, module: &DeclaredModule) -> Vec<String> {
    let (folder, file) = declaring.rsplit_once('/').unwrap_or(("", declaring));
    if let Some(path) = &module.path {
        return vec![normalize(&format!("{folder}/{path}"))];
    }
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let base = if is_root(declaring) { folder.to_owned() } else { format!("{folder}/{stem}") };
    let name = &module.name;
    vec![format!("{base}/{name}.rs"), format!("{base}/{name}/mod.rs")]
}

/// Resolves `..` in a path with `/`.
fn normalize(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}
