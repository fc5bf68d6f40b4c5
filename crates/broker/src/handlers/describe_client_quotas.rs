//! DescribeClientQuotas (key 48): the quotas of the entities that fit a filter (KIP-546).

use std::collections::{BTreeMap, BTreeSet};

use metadata::ClientQuotaEntity;
use protocol::describe_client_quotas_request::ComponentData;
use protocol::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use protocol::{DescribeClientQuotasRequest, DescribeClientQuotasResponse, ErrorCode};

use crate::context::RequestContext;
use crate::node::Node;

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

const MATCH_EXACT: i8 = 0;
const MATCH_DEFAULT: i8 = 1;
const MATCH_SPECIFIED: i8 = 2;

/// Answers from the metadata.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: DescribeClientQuotasRequest<'_>,
) -> DescribeClientQuotasResponse<'static> {
    match Filter::new(&request) {
        Ok(filter) => {
            let image = node.image.load();
            let quotas = image.client_quotas().iter().filter(|(entity, _)| filter.fits(entity));
            let entries = quotas.map(|(entity, values)| to_answer(entity, values)).collect();
            DescribeClientQuotasResponse { entries: Some(entries), ..DescribeClientQuotasResponse::default() }
        }
        Err((error_code, message)) => DescribeClientQuotasResponse {
            error_code,
            error_message: Some(message.into()),
            entries: None,
            throttle_time_ms: 0,
        },
    }
}

/// Which entities are asked for.
#[derive(Debug)]
struct Filter {
    /// Entity types that must have this name, `None` being the default entity.
    exact: BTreeMap<String, Option<String>>,
    /// Entity types that must be there.
    specified: BTreeSet<String>,
    /// No other entity type may be there.
    strict: bool,
}

impl Filter {
    fn new(request: &DescribeClientQuotasRequest<'_>) -> Result<Self, (ErrorCode, String)> {
        let mut filter = Self { exact: BTreeMap::new(), specified: BTreeSet::new(), strict: request.strict };
        for component in &request.components {
            filter.add(component)?;
        }
        if filter.has(IP) && (filter.has(USER) || filter.has(CLIENT_ID)) {
            return invalid(
                "Invalid entity filter component combination. IP filter component should not be used with user or \
                 clientId filter component.",
            );
        }
        Ok(filter)
    }

    fn add(&mut self, component: &ComponentData<'_>) -> Result<(), (ErrorCode, String)> {
        let entity_type = component.entity_type.as_ref();
        if entity_type.is_empty() {
            return invalid("Invalid empty entity type.");
        }
        if self.has(entity_type) {
            return invalid(format!("Entity type {entity_type} cannot appear more than once in the filter."));
        }
        if ![USER, CLIENT_ID, IP].contains(&entity_type) {
            return Err((ErrorCode::UNSUPPORTED_VERSION, format!("Unsupported entity type {entity_type}")));
        }
        let named = component.r#match.as_deref();
        match (component.match_type, named) {
            (MATCH_EXACT, Some(name)) => {
                self.exact.insert(entity_type.to_owned(), Some(name.to_owned()));
            }
            (MATCH_EXACT, None) => {
                return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.");
            }
            (MATCH_DEFAULT, None) => {
                self.exact.insert(entity_type.to_owned(), None);
            }
            (MATCH_SPECIFIED, None) => {
                self.specified.insert(entity_type.to_owned());
            }
            (MATCH_DEFAULT, Some(_)) => {
                return invalid("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.");
            }
            (MATCH_SPECIFIED, Some(_)) => {
                return invalid("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
            }
            (other, _) => return invalid(format!("Unknown match type {other}")),
        }
        Ok(())
    }

    fn has(&self, entity_type: &str) -> bool {
        self.exact.contains_key(entity_type) || self.specified.contains(entity_type)
    }

    /// A strict filter without components fits nothing.
    fn fits(&self, entity: &ClientQuotaEntity) -> bool {
        let components = self.exact.len() + self.specified.len();
        self.exact.iter().all(|(entity_type, name)| entity.get(entity_type) == Some(name))
            && self.specified.iter().all(|entity_type| entity.contains_key(entity_type))
            && (!self.strict || entity.len() == components)
    }
}

fn invalid<T>(message: impl Into<String>) -> Result<T, (ErrorCode, String)> {
    Err((ErrorCode::INVALID_REQUEST, message.into()))
}

fn to_answer(entity: &ClientQuotaEntity, values: &BTreeMap<String, f64>) -> EntryData<'static> {
    let parts = entity.iter().map(|(entity_type, name)| EntityData {
        entity_type: entity_type.clone().into(),
        entity_name: name.clone().map(Into::into),
    });
    let values = values.iter().map(|(key, value)| ValueData { key: key.clone().into(), value: *value });
    EntryData { entity: parts.collect(), values: values.collect() }
}
