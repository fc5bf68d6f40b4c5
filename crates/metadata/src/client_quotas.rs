//! Client quotas, as stored. Never their enforcement.

use std::collections::BTreeMap;

use protocol::client_quota_record::EntityData;
use protocol::{ClientQuotaRecord, MetadataRecord};

/// Whom a quota is for: entity type (`user`, `client-id`, `ip`) to name, `None` being the default entity.
pub type ClientQuotaEntity = BTreeMap<String, Option<String>>;

/// All client quotas.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientQuotasImage {
    entities: BTreeMap<ClientQuotaEntity, BTreeMap<String, f64>>,
}

impl ClientQuotasImage {
    /// Quotas by entity, each a map from quota key to value.
    pub fn iter(&self) -> impl Iterator<Item = (&ClientQuotaEntity, &BTreeMap<String, f64>)> {
        self.entities.iter()
    }

    /// The quotas of exactly this entity.
    pub fn get(&self, entity: &ClientQuotaEntity) -> Option<&BTreeMap<String, f64>> {
        self.entities.get(entity)
    }

    pub(crate) fn replay(&mut self, record: &ClientQuotaRecord<'_>) {
        let entity: ClientQuotaEntity = record
            .entity
            .iter()
            .map(|part| {
                let name = part.entity_name.as_ref().map(|name| name.clone().into_owned());
                (part.entity_type.clone().into_owned(), name)
            })
            .collect();
        if record.remove {
            if let Some(quotas) = self.entities.get_mut(&entity) {
                quotas.remove(record.key.as_ref());
                if quotas.is_empty() {
                    self.entities.remove(&entity);
                }
            }
        } else {
            self.entities.entry(entity).or_default().insert(record.key.clone().into_owned(), record.value);
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<MetadataRecord<'static>>) {
        for (entity, quotas) in &self.entities {
            out.extend(quotas.iter().map(|(key, value)| {
                let parts = entity.iter().map(|(entity_type, name)| EntityData {
                    entity_type: entity_type.clone().into(),
                    entity_name: name.clone().map(Into::into),
                });
                MetadataRecord::ClientQuota(ClientQuotaRecord {
                    entity: parts.collect(),
                    key: key.clone().into(),
                    value: *value,
                    remove: false,
                })
            }));
        }
    }
}
