//! DeleteTopics, by name or by id.

use std::collections::{BTreeMap, BTreeSet};

use protocol::delete_topics_response::DeletableTopicResult;
use protocol::{
    DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, MetadataRecord, RemoveTopicRecord, Uuid,
};

use crate::{ApiError, Controller, Outcome};

/// A topic as a request names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Named<'a> {
    Name(&'a str),
    Id(Uuid),
    /// Neither or both: answered with an error.
    Neither,
    Both(&'a str, Uuid),
}

impl Controller {
    /// Deletes topics. Each succeeds or fails by itself; the answer lists them in the order of the request, each once.
    ///
    /// # Errors
    /// TOPIC_DELETION_DISABLED for the whole request if `delete.topic.enable` is false.
    pub fn handle_delete_topics(
        &self,
        request: &DeleteTopicsRequest<'_>,
    ) -> Result<Outcome<DeleteTopicsResponse<'static>>, ApiError> {
        if !self.config.delete_topic_enable {
            return Err(ErrorCode::TOPIC_DELETION_DISABLED.into());
        }
        let named = named_topics(request);
        let mut count: BTreeMap<&Named<'_>, usize> = BTreeMap::new();
        for topic in &named {
            *count.entry(topic).or_default() += 1;
        }
        let by_id: BTreeSet<Uuid> = named
            .iter()
            .filter_map(|topic| if let Named::Id(id) = topic { Some(*id) } else { None })
            .collect();

        let mut answered = BTreeSet::new();
        let mut records = Vec::new();
        let mut responses = Vec::new();
        for topic in named.iter().filter(|topic| answered.insert(*topic)) {
            let is_duplicate = count.get(topic).is_some_and(|count| *count > 1);
            let found = match topic {
                Named::Name(_) if is_duplicate => Err(invalid("Duplicate topic name.")),
                Named::Id(_) if is_duplicate => Err(invalid("Duplicate topic id.")),
                Named::Neither => Err(invalid("Neither topic name nor id were specified.")),
                Named::Both(..) => Err(invalid("You may not specify both topic name and topic id.")),
                Named::Name(name) => self.deletable_by_name(name, &by_id),
                Named::Id(id) => self.deletable_by_id(*id),
            };
            if let Ok((_, topic_id)) = &found {
                records.push(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: *topic_id }));
            }
            responses.push(result(topic, found));
        }
        let response = DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() };
        Ok(Outcome::atomic(records, response))
    }

    fn deletable_by_name(&self, name: &str, by_id: &BTreeSet<Uuid>) -> Result<(String, Uuid), ApiError> {
        let topic = self.image().topics().by_name(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if by_id.contains(&topic.id()) {
            return Err(invalid("The provided topic name maps to an ID that was already supplied."));
        }
        Ok((name.to_owned(), topic.id()))
    }

    fn deletable_by_id(&self, id: Uuid) -> Result<(String, Uuid), ApiError> {
        let topic = self.image().topics().by_id(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
        Ok((topic.name().to_owned(), id))
    }
}

fn named_topics<'a>(request: &'a DeleteTopicsRequest<'_>) -> Vec<Named<'a>> {
    let by_name = request.topic_names.iter().map(|name| Named::Name(name.as_ref()));
    let by_either = request.topics.iter().map(|topic| match (&topic.name, topic.topic_id) {
        (None, Uuid::ZERO) => Named::Neither,
        (None, id) => Named::Id(id),
        (Some(name), Uuid::ZERO) => Named::Name(name.as_ref()),
        (Some(name), id) => Named::Both(name.as_ref(), id),
    });
    by_name.chain(by_either).collect()
}

fn result(topic: &Named<'_>, found: Result<(String, Uuid), ApiError>) -> DeletableTopicResult<'static> {
    match found {
        Ok((name, topic_id)) => {
            DeletableTopicResult { name: Some(name.into()), topic_id, ..DeletableTopicResult::default() }
        }
        Err(error) => {
            let (name, topic_id) = match topic {
                Named::Name(name) => (Some(*name), Uuid::ZERO),
                Named::Id(id) => (None, *id),
                Named::Neither => (None, Uuid::ZERO),
                Named::Both(name, id) => (Some(*name), *id),
            };
            DeletableTopicResult {
                name: name.map(|name| name.to_owned().into()),
                topic_id,
                error_code: error.code,
                error_message: Some(error.message),
            }
        }
    }
}

fn invalid(message: &'static str) -> ApiError {
    ApiError::new(ErrorCode::INVALID_REQUEST, message)
}
