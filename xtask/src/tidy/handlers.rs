//! One handler file per served API key, and no handler without a key in the table.

use std::collections::BTreeSet;
use std::path::Path;

use super::SourceFile;
use crate::compat_doc::{served, snake_case};

const TABLE: &str = "crates/broker/src/api_versions.rs";
const HANDLERS: &str = "crates/broker/src/handlers/";

pub(crate) fn check(root: &Path, files: &[SourceFile], violations: &mut Vec<String>) -> Result<(), String> {
    let in_table: BTreeSet<String> = served(root)?.iter().map(|api| snake_case(&api.name)).collect();
    let handler = |file: &SourceFile| {
        let name = file.path.strip_prefix(HANDLERS)?.strip_suffix(".rs")?;
        (!name.contains('/')).then(|| name.to_owned())
    };
    let in_folder: BTreeSet<String> = files.iter().filter_map(handler).collect();
    for missing in in_table.difference(&in_folder) {
        violations.push(format!("{TABLE}:1: serves {missing}, but {HANDLERS}{missing}.rs is not there"));
    }
    for extra in in_folder.difference(&in_table) {
        violations.push(format!(
            "{HANDLERS}{extra}.rs:1: not in the table of {TABLE}; handlers lie one per API key"
        ));
    }
    Ok(())
}
