//! A config key that claims to be enforced is read by somebody outside `config`.

use super::SourceFile;

const TABLES: [&str; 2] =
    ["crates/config/src/keys/broker_keys.rs", "crates/config/src/keys/resource_keys.rs"];

/// Parts of key names that the structs they end up in already say.
const PREFIXES: [&str; 4] = ["controller_quorum_", "group_", "log_cleaner_", "transaction_"];

pub(crate) fn check(files: &[SourceFile], violations: &mut Vec<String>) {
    let is_config = |file: &&SourceFile| file.crate_name() == "config";
    let config: Vec<&SourceFile> = files.iter().filter(is_config).filter(|file| !file.is_test()).collect();
    let others: Vec<&SourceFile> = files.iter().filter(|file| !is_config(file) && !file.is_test()).collect();
    for table in config.iter().filter(|file| TABLES.contains(&file.path.as_str())) {
        for (index, key) in
            table.text.lines().enumerate().filter_map(|(index, line)| Some((index, enforced(line)?)))
        {
            let Some(field) = field_of(key, &config) else { continue };
            if others.iter().all(|file| file.lines_with(&field).is_empty()) {
                violations.push(format!(
                    "{}:{}: {key} is called Enforced, but nobody outside config reads `{field}`",
                    table.path,
                    index + 1
                ));
            }
        }
    }
}

/// The key of a row that says `Enforced`.
fn enforced(line: &str) -> Option<&str> {
    let row = line.trim().strip_prefix("key(\"").or_else(|| line.trim().strip_prefix("internal(\""))?;
    row.ends_with("Enforced,").then(|| row.split('"').next()).flatten()
}

/// The field that carries a key, if it is carried by one of its name and not woven into something else.
fn field_of(key: &str, config: &[&SourceFile]) -> Option<String> {
    let whole = key.replace('.', "_");
    let stripped = PREFIXES.iter().filter_map(|prefix| whole.strip_prefix(prefix).map(str::to_owned));
    let is_field = |name: &String| config.iter().any(|file| file.code.contains(&format!("pub {name}: ")));
    std::iter::once(whole.clone()).chain(stripped).find(is_field)
}
