//! Whether somebody reads what is called enforced: from a key to the field that holds its value, and from the field to
//! code outside of the `config` crate that looks at it.
//!
//! Reads sources as text, so that a key that lost its last reader is noticed without a test for each key.

use std::fs;
use std::path::{Path, PathBuf};

use config::keys::{BROKER, TOPIC};
use config::{ConfigDef, Effect, topic_synonyms};

/// Where the fields are filled.
const BROKER_SOURCES: [&str; 3] = [
    "crates/config/src/broker_config.rs",
    "crates/config/src/broker_config/sections.rs",
    "crates/config/src/broker_config/rules.rs",
];
const TOPIC_SOURCE: &str = "crates/config/src/topic_config.rs";

/// Crates that may look at a field.
const READERS: [&str; 7] = ["broker", "cli", "controller", "group-coordinator", "network", "raft", "storage"];

/// Keys whose values reach the node by another way than a field of their name.
const BY_HAND: [(&str, &str); 10] = [
    ("broker.id", "node_id"),
    ("controller.listener.names", "listeners"),
    ("internal.segment.bytes", "segment_bytes"),
    ("listener.security.protocol.map", "security_protocol"),
    ("log.dir", "log_dirs"),
    ("max.connections.per.ip.overrides", "max_connections_per_ip_overrides"),
    ("min.cleanable.dirty.ratio", "min_cleanable_dirty_ratio"),
    ("offsets.topic.replication.factor", "offsets_topic_replication_factor"),
    ("process.roles", "listeners"),
    ("listeners", "listeners"),
];

/// Names every enforced key without a reader.
///
/// # Errors
/// There are such keys, or a source cannot be read.
pub(super) fn check(root: &Path) -> Result<(), String> {
    let broker =
        BROKER_SOURCES.iter().map(|path| read(&root.join(path))).collect::<Result<Vec<_>, _>>()?.concat();
    let topic = read(&root.join(TOPIC_SOURCE))?;
    let mut code = String::new();
    for name in READERS {
        gather(&root.join("crates").join(name).join("src"), &mut code)?;
    }
    let mut lost = Vec::new();
    for def in BROKER.iter().filter(|def| is_enforced(def)) {
        if field_of_topic_key(def).is_none_or(|key| !is_enforced(key))
            && !is_read(broker_field(&broker, def.name), &code)
        {
            lost.push(def.name);
        }
    }
    for def in TOPIC.iter().filter(|def| is_enforced(def)) {
        if !is_read(topic_field(&topic, def.name), &code) {
            lost.push(def.name);
        }
    }
    match lost.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "called enforced in crates/config/src/keys, but no code outside of the config crate looks at their values: {}",
            lost.join(", ")
        )),
    }
}

fn is_enforced(def: &ConfigDef) -> bool {
    matches!(def.effect, Effect::Enforced)
}

/// The topic key that takes its default from this broker key.
fn field_of_topic_key(def: &ConfigDef) -> Option<&'static ConfigDef> {
    TOPIC.iter().find(|topic| topic_synonyms(topic.name).iter().any(|synonym| synonym.name == def.name))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// All sources below a folder, without tests.
fn gather(folder: &Path, code: &mut String) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path: PathBuf = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("tests") {
            continue;
        }
        if path.is_dir() {
            gather(&path, code)?;
        } else if name.ends_with(".rs") {
            code.push_str(&read(&path)?);
        }
    }
    Ok(())
}

fn by_hand(key: &str) -> Option<&'static str> {
    BY_HAND.iter().find(|(known, _)| *known == key).map(|(_, field)| *field)
}

/// The field before the call that ends in `"key")`.
fn broker_field<'a>(source: &'a str, key: &str) -> Option<&'a str> {
    if let Some(field) = by_hand(key) {
        return Some(field);
    }
    let at = source.find(&format!("\"{key}\")"))?;
    let before = &source[..at];
    let end = before.rfind(": ").or_else(|| before.rfind(":\n"))?;
    Some(last_word(&before[..end])).filter(|word| !word.is_empty())
}

/// The field behind `"key" => self.`.
fn topic_field<'a>(source: &'a str, key: &str) -> Option<&'a str> {
    if let Some(field) = by_hand(key) {
        return Some(field);
    }
    let at = source.find(&format!("\"{key}\" =>")).or_else(|| source.find(&format!("(\"{key}\", ")))?;
    let behind = &source[at..];
    let field = &behind[behind.find("self.")? + "self.".len()..];
    let end = field.find(|c: char| !is_word(c)).unwrap_or(field.len());
    Some(&field[..end])
}

fn is_read(field: Option<&str>, code: &str) -> bool {
    let Some(field) = field else { return false };
    let wanted = format!(".{field}");
    code.match_indices(&wanted).any(|(at, _)| !code[at + wanted.len()..].starts_with(is_word))
}

fn last_word(text: &str) -> &str {
    let start = text.rfind(|c: char| !is_word(c)).map_or(0, |at| at + 1);
    &text[start..]
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    //! The way from a key to its field.

    use super::*;

    #[test]
    fn fields_are_found_around_their_keys() {
        let source = "A { one: 1, num_partitions: read.int(\"num.partitions\"), long_name: read\n .int(\"long.name\"), }";
        assert_eq!(broker_field(source, "num.partitions"), Some("num_partitions"));
        assert_eq!(broker_field(source, "long.name"), Some("long_name"));
        assert_eq!(broker_field(source, "other"), None);
        let source = "\"a.b\" => self.a_b = n,\n\"c\" => {\n self.c_d = 1; } (\"e\", \"x\") => self.e = 1";
        assert_eq!(topic_field(source, "a.b"), Some("a_b"));
        assert_eq!(topic_field(source, "c"), Some("c_d"));
        assert_eq!(topic_field(source, "e"), Some("e"));
        assert!(is_read(Some("a"), "x.ab x.a()"));
        assert!(!is_read(Some("a"), "x.ab"));
        assert!(!is_read(None, "x.ab"));
    }
}
