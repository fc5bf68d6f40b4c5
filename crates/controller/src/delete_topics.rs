//! DeleteTopics, by name or by id.

use std::collections::{BTreeMap, BTreeSet};

use metadata::TopicImage;
use protocol::delete_topics_response::DeletableTopicResult;
use protocol::{
    DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, MetadataRecord, RemoveTopicRecord, Uuid,
};

use crate::{ApiError, Controller, Outcome};

/// What a request names, sorted by how it names it.
#[derive(Debug, Default)]
struct Named<'a> {
    names: BTreeSet<&'a str>,
    repeated_names: BTreeSet<&'a str>,
    ids: BTreeSet<Uuid>,
    repeated_ids: BTreeSet<Uuid>,
    /// Entries with neither or both: answered one by one with an error.
    senseless: Vec<DeletableTopicResult<'static>>,
}

impl<'a> Named<'a> {
    fn new(request: &'a DeleteTopicsRequest<'_>) -> Named<'a> {
        let mut named = Named::default();
        for name in &request.topic_names {
            named.add_name(name);
        }
        for topic in &request.topics {
            match (topic.name.as_deref(), topic.topic_id) {
                (Some(name), Uuid::ZERO) => named.add_name(name),
                (None, Uuid::ZERO) => {
                    let error = invalid("Neither topic name nor id were specified.");
                    named.senseless.push(refused(None, Uuid::ZERO, error));
                }
                (None, id) => named.add_id(id),
                (Some(name), id) => {
                    let error = invalid("You may not specify both topic name and topic id.");
                    named.senseless.push(refused(Some(name), id, error));
                }
            }
        }
        named.names.retain(|name| !named.repeated_names.contains(name));
        named.ids.retain(|id| !named.repeated_ids.contains(id));
        named
    }

    fn add_name(&mut self, name: &'a str) {
        if !self.names.insert(name) {
            self.repeated_names.insert(name);
        }
    }

    fn add_id(&mut self, id: Uuid) {
        if !self.ids.insert(id) {
            self.repeated_ids.insert(id);
        }
    }

    fn refusals(&self) -> Vec<DeletableTopicResult<'static>> {
        let names = self.repeated_names.iter();
        let names = names.map(|name| refused(Some(name), Uuid::ZERO, invalid("Duplicate topic name.")));
        let ids = self.repeated_ids.iter();
        let ids = ids.map(|id| refused(None, *id, invalid("Duplicate topic id.")));
        self.senseless.iter().cloned().chain(names).chain(ids).collect()
    }
}

/// True if a request names a topic that could be deleted: only such a request can run out of time.
pub fn has_topics_to_delete(request: &DeleteTopicsRequest<'_>) -> bool {
    let named = Named::new(request);
    !named.names.is_empty() || !named.ids.is_empty()
}

impl Controller {
    /// Says whether topics may be deleted at all (`delete.topic.enable`).
    ///
    /// # Errors
    /// TOPIC_DELETION_DISABLED.
    pub fn check_topic_deletion(&self) -> Result<(), ApiError> {
        match self.config.delete_topic_enable {
            true => Ok(()),
            false => Err(ErrorCode::TOPIC_DELETION_DISABLED.into()),
        }
    }

    /// Deletes topics. Each succeeds or fails by itself. A topic that is named by name and by id is not deleted.
    /// `charge` is asked before so many partitions are deleted, and may refuse (KIP-599).
    ///
    /// # Errors
    /// TOPIC_DELETION_DISABLED for the whole request.
    pub fn handle_delete_topics(
        &self,
        request: &DeleteTopicsRequest<'_>,
        charge: &dyn Fn(usize) -> Result<(), ApiError>,
    ) -> Result<Outcome<DeleteTopicsResponse<'static>>, ApiError> {
        self.check_topic_deletion()?;
        let named = Named::new(request);
        let topics = self.image().topics();
        let mut responses = named.refusals();
        let mut deletable: BTreeMap<Uuid, &TopicImage> = BTreeMap::new();
        for id in &named.ids {
            match topics.by_id(*id) {
                Some(topic) => _ = deletable.insert(*id, topic),
                None => responses.push(refused(None, *id, ErrorCode::UNKNOWN_TOPIC_ID.into())),
            }
        }
        for name in &named.names {
            let Some(topic) = topics.by_name(name) else {
                let error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into();
                responses.push(refused(Some(name), Uuid::ZERO, error));
                continue;
            };
            let id = topic.id();
            if named.repeated_ids.contains(&id) || named.ids.contains(&id) {
                deletable.remove(&id);
                let error = invalid("The provided topic name maps to an ID that was already supplied.");
                responses.push(refused(Some(name), id, error));
            } else {
                deletable.insert(id, topic);
            }
        }
        let mut records = Vec::with_capacity(deletable.len());
        for (topic_id, topic) in deletable {
            if let Err(error) = charge(topic.partition_count()) {
                let error_message = error.clone().message_unless_general();
                let refusal = refused(Some(topic.name()), topic_id, error);
                responses.push(DeletableTopicResult { error_message, ..refusal });
                continue;
            }
            records.push(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id }));
            let name = Some(topic.name().to_owned().into());
            responses.push(DeletableTopicResult { name, topic_id, ..DeletableTopicResult::default() });
        }
        let response = DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() };
        Ok(Outcome::atomic(records, response))
    }
}

fn refused(name: Option<&str>, topic_id: Uuid, error: ApiError) -> DeletableTopicResult<'static> {
    DeletableTopicResult {
        name: name.map(|name| name.to_owned().into()),
        topic_id,
        error_code: error.code,
        error_message: Some(error.message),
    }
}

fn invalid(message: &'static str) -> ApiError {
    ApiError::new(ErrorCode::INVALID_REQUEST, message)
}
