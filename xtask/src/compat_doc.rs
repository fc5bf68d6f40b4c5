//! Writes docs/compatibility.md from the broker's table of served APIs and the schemas of all of them.
//!
//! Owns only that page. Never decides what is served.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::tidy::repository_root;

const TABLE: &str = "crates/broker/src/api_versions.rs";
const SCHEMAS: &str = "crates/protocol/schemas";
const PAGE: &str = "docs/compatibility.md";

/// An API that the broker serves.
pub(crate) struct ServedApi {
    pub(crate) name: String,
    min: i16,
    max: i16,
}

/// An API of Kafka 4.4.
struct KafkaApi {
    key: i16,
    name: String,
    /// Versions that Kafka serves; `None` for a key that is no longer in use.
    versions: Option<(i16, i16)>,
    is_for_brokers: bool,
}

/// Writes the page, or with `--check` says whether it is fresh.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let root = repository_root();
    let page = render(&root)?;
    let path = root.join(PAGE);
    match arguments {
        [] => fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display())),
        [flag] if flag == "--check" => {
            let found = fs::read_to_string(&path).unwrap_or_default();
            let is_fresh = found == page;
            if is_fresh { Ok(()) } else { Err(format!("{PAGE} is stale; run `cargo xtask compat-doc`")) }
        }
        _ => Err("usage: cargo xtask compat-doc [--check]".to_owned()),
    }
}

/// The broker's table, read from its source.
pub(crate) fn served(root: &Path) -> Result<Vec<ServedApi>, String> {
    let path = root.join(TABLE);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut apis = Vec::new();
    for line in text.lines() {
        let Some(row) = line.trim().strip_prefix("serve(ApiKey::") else { continue };
        let fields: Vec<&str> = row.trim_end_matches("),").split(',').map(str::trim).collect();
        let version = |at: usize| fields.get(at).and_then(|text| text.parse::<i16>().ok());
        match (fields.first(), version(1), version(2)) {
            (Some(name), Some(min), Some(max)) => apis.push(ServedApi { name: (*name).to_owned(), min, max }),
            _ => return Err(format!("{TABLE}: cannot read the row {line:?}")),
        }
    }
    if apis.is_empty() {
        Err(format!("{TABLE}: no rows of the form serve(ApiKey::Name, min, max)"))
    } else {
        Ok(apis)
    }
}

/// `OffsetForLeaderEpoch` → `offset_for_leader_epoch`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

fn kafka_apis(root: &Path) -> Result<Vec<KafkaApi>, String> {
    let folder = root.join(SCHEMAS);
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut apis = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        let is_api = path.extension().is_some_and(|extension| extension == "kafka");
        if !is_api {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        apis.extend(parse_api(&text));
    }
    apis.sort_by_key(|api| api.key);
    Ok(apis)
}

/// Reads `api 0 Produce on broker` and `request 3-13 …`.
fn parse_api(text: &str) -> Option<KafkaApi> {
    let mut words = text.lines().next()?.strip_prefix("api ")?.split_whitespace();
    let key = words.next()?.parse().ok()?;
    let name = words.next()?.to_owned();
    let is_for_brokers = words.any(|word| word == "broker");
    let request = text.lines().find_map(|line| line.strip_prefix("request "))?;
    let is_unstable = request.split_whitespace().any(|word| word == "unstable");
    let range = request.split_whitespace().next().unwrap_or_default();
    let (min, max) = range.split_once('-').unwrap_or((range, range));
    let versions = match (min.parse::<i16>(), max.parse::<i16>()) {
        (Ok(min), Ok(max)) => Some((min, max - i16::from(is_unstable))),
        _ => None,
    };
    Some(KafkaApi { key, name, versions, is_for_brokers })
}

fn render(root: &Path) -> Result<String, String> {
    let served = served(root)?;
    let live: Vec<KafkaApi> = kafka_apis(root)?.into_iter().filter(|api| api.versions.is_some()).collect();
    let for_clients: Vec<&KafkaApi> = live.iter().filter(|api| api.is_for_brokers).collect();
    let find = |api: &KafkaApi| served.iter().find(|served| served.name == api.name);
    let count = for_clients.iter().filter(|api| find(api).is_some()).count();
    let mut page = format!(
        "# Compatibility\n\n\
         Written by `cargo xtask compat-doc` from the table that ApiVersions answers with (`{TABLE}`); never edited by \
         hand.\n\n\
         Klamm serves {count} of the {} API keys that Apache Kafka 4.4 serves on broker listeners.\n\n\
         | key | API | Kafka 4.4 | Klamm |\n|---:|---|---|---|\n",
        for_clients.len()
    );
    for api in for_clients {
        let (min, max) = api.versions.unwrap_or_default();
        let ours = match find(api) {
            None => "not yet".to_owned(),
            Some(served) if (served.min, served.max) == (min, max) => "all".to_owned(),
            Some(served) => range(served.min, served.max),
        };
        writeln!(page, "| {} | {} | {} | {ours} |", api.key, api.name, range(min, max))
            .expect("a String takes all");
    }
    Ok(page)
}

fn range(min: i16, max: i16) -> String {
    if min == max { format!("{min}") } else { format!("{min}–{max}") }
}

#[cfg(test)]
mod tests;
