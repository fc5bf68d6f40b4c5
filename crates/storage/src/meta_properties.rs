//! `meta.properties`: whose log directory this is.
//!
//! Owns the file's syntax (Java properties) and the identity inside. It never asks whether the identity is the right one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use platform::Disk;
use protocol::Uuid;

use crate::error::StorageError;
use crate::layout::META_PROPERTIES;

/// Identity of a log directory (KIP-866, KIP-858).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster the directory belongs to.
    pub cluster_id: String,
    /// The node that owns it.
    pub node_id: i32,
    /// The directory's own id, drawn when it was formatted. Kafka before 3.7 wrote none.
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// Reads the identity of a directory; `None` if it has none. Blocks.
    ///
    /// # Errors
    /// The file cannot be read or makes no sense.
    pub fn read(disk: &dyn Disk, directory: &Path) -> Result<Option<MetaProperties>, StorageError> {
        let path = directory.join(META_PROPERTIES);
        if !disk.exists(&path) {
            return Ok(None);
        }
        let meta = MetaProperties::decode(&disk.read(&path)?);
        meta.map(Some).map_err(|reason| StorageError::MetaProperties { path, reason })
    }

    /// Gives a directory, which exists, this identity; on stable storage when it returns. Blocks.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, disk: &dyn Disk, directory: &Path) -> Result<(), StorageError> {
        Ok(disk.write_atomic(&directory.join(META_PROPERTIES), &self.encode())?)
    }

    /// The file's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut text = String::new();
        _ = writeln!(text, "cluster.id={}", self.cluster_id);
        if let Some(id) = self.directory_id {
            _ = writeln!(text, "directory.id={id}");
        }
        _ = writeln!(text, "node.id={}", self.node_id);
        _ = writeln!(text, "version=1");
        text.into_bytes()
    }

    /// Reads the file's bytes.
    ///
    /// # Errors
    /// One phrase that says what is wrong, to follow "meta.properties is unusable: ".
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
        let properties = parse_properties(text);
        let value = |key: &str| properties.get(key).ok_or_else(|| format!("it has no {key}"));
        let version = value("version")?;
        if version != "1" {
            return Err(format!("its version is {version}, and only version 1 (KRaft) is known"));
        }
        let node_id = value("node.id")?;
        let node_id = node_id.parse().map_err(|_| format!("its node.id '{node_id}' is not a number"))?;
        let directory_id = match properties.get("directory.id") {
            None => None,
            Some(id) => Some(id.parse().map_err(|_| format!("its directory.id '{id}' is not an id"))?),
        };
        Ok(Self { cluster_id: value("cluster.id")?.clone(), node_id, directory_id })
    }
}

/// Reads `key=value` lines, with the comments, separators and escapes of Java's format that Kafka's writer can produce.
fn parse_properties(text: &str) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    for line in text.lines().map(str::trim_start) {
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let Some(split) = line.find(['=', ':']) else { continue };
        properties.insert(unescape(line[..split].trim_end()), unescape(line[split + 1..].trim()));
    }
    properties
}

fn unescape(text: &str) -> String {
    text.replace('\\', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> MetaProperties {
        MetaProperties {
            cluster_id: "4L6g3nShT-eMCtK--X86sw".into(),
            node_id: 1,
            directory_id: Some(Uuid([7; 16])),
        }
    }

    #[test]
    fn it_round_trips() {
        let text = String::from_utf8(meta().encode()).expect("text");
        assert_eq!(
            text,
            "cluster.id=4L6g3nShT-eMCtK--X86sw\ndirectory.id=BwcHBwcHBwcHBwcHBwcHBw\nnode.id=1\nversion=1\n"
        );
        assert_eq!(MetaProperties::decode(text.as_bytes()), Ok(meta()));
    }

    #[test]
    fn what_kafka_writes_is_read() {
        let text = "#\n#Thu Jan 01 00:00:00 UTC 2026\ncluster.id=4L6g3nShT-eMCtK--X86sw\nversion=1\n\
                    directory.id=BwcHBwcHBwcHBwcHBwcHBw\nnode.id=1\n";
        assert_eq!(MetaProperties::decode(text.as_bytes()), Ok(meta()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |text: &str| MetaProperties::decode(text.as_bytes()).expect_err("wrong");
        assert_eq!(wrong(""), "it has no version");
        assert_eq!(
            wrong("version=0\nbroker.id=1\n"),
            "its version is 0, and only version 1 (KRaft) is known"
        );
        assert_eq!(wrong("version=1\nnode.id=x\ncluster.id=a\n"), "its node.id 'x' is not a number");
        assert_eq!(wrong("version=1\nnode.id=1\n"), "it has no cluster.id");
        assert_eq!(
            wrong("version=1\nnode.id=1\ncluster.id=a\ndirectory.id=-\n"),
            "its directory.id '-' is not an id"
        );
    }
}
