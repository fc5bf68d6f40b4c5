//! Access control entries, as stored. Never their evaluation.

use std::collections::BTreeMap;

use protocol::{AccessControlEntryRecord, MetadataRecord, Uuid};

use crate::ReplayError;

/// One access control entry; the numbers are those of Kafka's ACL requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclEntry {
    /// Kind of resource.
    pub resource_type: i8,
    /// Name or prefix of the resource.
    pub resource_name: String,
    /// How the name matches.
    pub pattern_type: i8,
    /// Who, as `Type:name`.
    pub principal: String,
    /// From where.
    pub host: String,
    /// What.
    pub operation: i8,
    /// Allowed or denied.
    pub permission_type: i8,
}

/// All access control entries, by their random ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AclsImage {
    entries: BTreeMap<Uuid, AclEntry>,
}

impl AclsImage {
    /// Entries by id.
    pub fn iter(&self) -> impl Iterator<Item = (Uuid, &AclEntry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    pub(crate) fn replay(&mut self, record: &AccessControlEntryRecord<'_>) {
        let entry = AclEntry {
            resource_type: record.resource_type,
            resource_name: record.resource_name.clone().into_owned(),
            pattern_type: record.pattern_type,
            principal: record.principal.clone().into_owned(),
            host: record.host.clone().into_owned(),
            operation: record.operation,
            permission_type: record.permission_type,
        };
        self.entries.insert(record.id, entry);
    }

    pub(crate) fn replay_remove(&mut self, id: Uuid) -> Result<(), ReplayError> {
        self.entries.remove(&id).map(|_| ()).ok_or_else(|| ReplayError::Missing {
            record: "RemoveAccessControlEntryRecord",
            what: format!("entry {id}"),
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<MetadataRecord<'static>>) {
        out.extend(self.entries.iter().map(|(id, entry)| {
            MetadataRecord::AccessControlEntry(AccessControlEntryRecord {
                id: *id,
                resource_type: entry.resource_type,
                resource_name: entry.resource_name.clone().into(),
                pattern_type: entry.pattern_type,
                principal: entry.principal.clone().into(),
                host: entry.host.clone().into(),
                operation: entry.operation,
                permission_type: entry.permission_type,
            })
        }));
    }
}
