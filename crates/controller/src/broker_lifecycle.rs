//! Brokers are fenced, unfenced and let go: heartbeats and their absence.

use protocol::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationChangeRecord, ErrorCode,
    MetadataRecord,
};

use crate::partition_change::Departure;
use crate::{ApiError, Controller, Outcome};

/// Values of `Fenced` and `InControlledShutdown` in a change record.
const FENCE: i8 = 1;
const UNFENCE: i8 = -1;
const IN_CONTROLLED_SHUTDOWN: i8 = 1;

/// Where a broker stands between start and stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BrokerState {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

impl Controller {
    /// A broker reports and asks (KIP-631): to be fenced or unfenced, or to stop in good order.
    ///
    /// # Errors
    /// STALE_BROKER_EPOCH: the report is not of the registered incarnation.
    pub fn handle_broker_heartbeat(
        &self,
        request: &BrokerHeartbeatRequest,
    ) -> Result<Outcome<BrokerHeartbeatResponse>, ApiError> {
        let id = request.broker_id;
        let current = self.broker_state(id, request.broker_epoch)?;
        let next = self.next_broker_state(current, request);
        let mut records = Vec::new();
        if next != current {
            match next {
                BrokerState::Fenced | BrokerState::ShutdownNow => records.extend(self.fence_records(id)),
                BrokerState::Unfenced => records.extend(self.unfence_records(id, request.broker_epoch)),
                BrokerState::ControlledShutdown => {
                    records.extend(self.controlled_shutdown_records(id, request.broker_epoch));
                }
            }
        }
        records.extend(self.directory_records(request));
        let registered_at = self.registration_offsets.get(&id).copied().unwrap_or(i64::MAX);
        let response = BrokerHeartbeatResponse {
            is_caught_up: request.current_metadata_offset >= registered_at,
            is_fenced: matches!(next, BrokerState::Fenced | BrokerState::ShutdownNow),
            should_shut_down: next == BrokerState::ShutdownNow,
            ..BrokerHeartbeatResponse::default()
        };
        Ok(Outcome::gradual(records, response))
    }

    /// Notes that a broker was heard of, after [`Controller::handle_broker_heartbeat`] accepted its report and its
    /// records were replayed. `end_offset` is the end of the metadata log.
    pub fn note_heartbeat(&mut self, now_ms: i64, end_offset: i64, request: &BrokerHeartbeatRequest) {
        let id = request.broker_id;
        self.sessions.contact(id, request.broker_epoch, request.current_metadata_offset, now_ms);
        let is_stopping =
            self.image().cluster().broker(id).is_some_and(|broker| broker.in_controlled_shutdown);
        if is_stopping {
            self.sessions.begin_shutdown(id, end_offset);
        }
    }

    /// When the next broker must be fenced unless it reports, ms since the epoch.
    pub fn poll_timeout(&self) -> Option<i64> {
        self.sessions.next_expiry_ms(self.unfenced_brokers())
    }

    /// Fences one broker whose session has run out. One at a time, so that each sees the effect of the one before;
    /// [`Controller::poll_timeout`] tells if there are more.
    pub fn handle_timeout(&self, now_ms: i64) -> Outcome<Option<i32>> {
        let stale = self
            .unfenced_brokers()
            .find(|id| self.sessions.expiry_ms(*id).is_some_and(|expiry| expiry <= now_ms));
        match stale {
            Some(id) => Outcome::gradual(self.fence_records(id), Some(id)),
            None => Outcome::answer(None),
        }
    }

    /// Checks that a request comes from the registered incarnation of a broker.
    pub(crate) fn check_broker_epoch(&self, id: i32, epoch: i64) -> Result<(), ApiError> {
        match self.image().cluster().broker(id) {
            None => {
                let message = format!("No broker registration found for broker id {id}");
                Err(ApiError::new(ErrorCode::STALE_BROKER_EPOCH, message))
            }
            Some(broker) if broker.epoch != epoch => {
                let message = format!("Expected broker epoch {}, but got broker epoch {epoch}", broker.epoch);
                Err(ApiError::new(ErrorCode::STALE_BROKER_EPOCH, message))
            }
            Some(_) => Ok(()),
        }
    }

    fn broker_state(&self, id: i32, epoch: i64) -> Result<BrokerState, ApiError> {
        self.check_broker_epoch(id, epoch)?;
        let broker = self.image().cluster().broker(id);
        Ok(match broker {
            Some(broker) if broker.fenced => BrokerState::Fenced,
            Some(broker) if broker.in_controlled_shutdown => BrokerState::ControlledShutdown,
            _ => BrokerState::Unfenced,
        })
    }

    fn next_broker_state(&self, current: BrokerState, request: &BrokerHeartbeatRequest) -> BrokerState {
        let id = request.broker_id;
        match current {
            BrokerState::Fenced if request.want_shut_down => BrokerState::ShutdownNow,
            BrokerState::Fenced if request.want_fence => BrokerState::Fenced,
            // A broker that has not seen its own registration would serve from stale metadata.
            BrokerState::Fenced => match self.registration_offsets.get(&id) {
                Some(offset) if request.current_metadata_offset >= *offset => BrokerState::Unfenced,
                _ => BrokerState::Fenced,
            },
            BrokerState::Unfenced if request.want_fence && request.want_shut_down => BrokerState::ShutdownNow,
            BrokerState::Unfenced if request.want_fence => BrokerState::Fenced,
            BrokerState::Unfenced if request.want_shut_down && self.has_leaderships(id) => {
                BrokerState::ControlledShutdown
            }
            BrokerState::Unfenced if request.want_shut_down => BrokerState::ShutdownNow,
            BrokerState::Unfenced => BrokerState::Unfenced,
            BrokerState::ControlledShutdown if self.may_stop(id) => BrokerState::ShutdownNow,
            BrokerState::ControlledShutdown => BrokerState::ControlledShutdown,
            BrokerState::ShutdownNow => BrokerState::ShutdownNow,
        }
    }

    /// A stopping broker may go when it leads nothing and every other active broker knows that.
    fn may_stop(&self, id: i32) -> bool {
        if self.has_leaderships(id) {
            return false;
        }
        let others =
            self.image().cluster().brokers().filter(|broker| broker.is_active()).map(|broker| broker.id);
        match (self.sessions.shutdown_offset(id), self.sessions.lowest_metadata_offset(others)) {
            (Some(began_at), Some(lowest)) => began_at <= lowest,
            _ => true,
        }
    }

    fn has_leaderships(&self, id: i32) -> bool {
        self.image()
            .topics()
            .iter()
            .any(|topic| topic.partitions().any(|(_, partition)| partition.leader == id))
    }

    fn unfenced_brokers(&self) -> impl Iterator<Item = i32> {
        self.image().cluster().brokers().filter(|broker| !broker.fenced).map(|broker| broker.id)
    }

    fn fence_records(&self, id: i32) -> Vec<MetadataRecord<'static>> {
        let Some(broker) = self.image().cluster().broker(id) else { return Vec::new() };
        let mut records = self.departure_records(Departure::fenced(id));
        records.push(change_record(id, broker.epoch, |change| change.fenced = FENCE));
        records
    }

    fn unfence_records(&self, id: i32, epoch: i64) -> Vec<MetadataRecord<'static>> {
        let mut records = vec![change_record(id, epoch, |change| change.fenced = UNFENCE)];
        records.extend(self.arrival_records(id));
        records
    }

    fn controlled_shutdown_records(&self, id: i32, epoch: i64) -> Vec<MetadataRecord<'static>> {
        let begin = change_record(id, epoch, |change| change.in_controlled_shutdown = IN_CONTROLLED_SHUTDOWN);
        let mut records = vec![begin];
        records.extend(self.departure_records(Departure::fenced(id)));
        records
    }

    /// What follows from the directories a broker reports as offline or cordoned.
    fn directory_records(&self, request: &BrokerHeartbeatRequest) -> Vec<MetadataRecord<'static>> {
        let id = request.broker_id;
        let mut records = Vec::new();
        let Some(broker) = self.image().cluster().broker(id) else { return records };
        let is_offline = |directory| request.offline_log_dirs.contains(directory);
        if broker.directories.iter().any(is_offline) {
            let online =
                broker.directories.iter().filter(|directory| !is_offline(directory)).copied().collect();
            records.extend(self.departure_records(Departure::of_directories(id, &request.offline_log_dirs)));
            records.push(change_record(id, broker.epoch, |change| change.log_dirs = online));
        }
        if let Some(cordoned) = &request.cordoned_log_dirs
            && broker.cordoned_directories.as_ref() != Some(cordoned)
        {
            let cordoned = cordoned.clone();
            records.push(change_record(id, broker.epoch, |change| change.cordoned_log_dirs = Some(cordoned)));
        }
        records
    }
}

fn change_record(
    broker_id: i32,
    broker_epoch: i64,
    set: impl FnOnce(&mut BrokerRegistrationChangeRecord),
) -> MetadataRecord<'static> {
    let mut change = BrokerRegistrationChangeRecord { broker_id, broker_epoch, ..Default::default() };
    set(&mut change);
    MetadataRecord::BrokerRegistrationChange(change)
}
