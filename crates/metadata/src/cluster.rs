//! Registered brokers and controllers.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::{
    BrokerRegistrationChangeRecord, MetadataRecord, RegisterBrokerRecord, RegisterControllerRecord,
    UnregisterBrokerRecord,
};

use crate::{BrokerRegistration, ControllerRegistration, ReplayError};

/// Who belongs to the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterImage {
    brokers: BTreeMap<i32, Arc<BrokerRegistration>>,
    controllers: BTreeMap<i32, Arc<ControllerRegistration>>,
}

impl ClusterImage {
    /// Brokers by id.
    pub fn brokers(&self) -> impl Iterator<Item = &BrokerRegistration> {
        self.brokers.values().map(Arc::as_ref)
    }

    /// The broker with this id.
    pub fn broker(&self, id: i32) -> Option<&BrokerRegistration> {
        self.brokers.get(&id).map(Arc::as_ref)
    }

    /// True if the broker is registered, unfenced and not about to stop.
    pub fn is_active(&self, id: i32) -> bool {
        self.broker(id).is_some_and(BrokerRegistration::is_active)
    }

    /// Controllers by id.
    pub fn controllers(&self) -> impl Iterator<Item = &ControllerRegistration> {
        self.controllers.values().map(Arc::as_ref)
    }

    /// The controller with this id.
    pub fn controller(&self, id: i32) -> Option<&ControllerRegistration> {
        self.controllers.get(&id).map(Arc::as_ref)
    }

    pub(crate) fn replay_register_broker(&mut self, record: &RegisterBrokerRecord<'_>) {
        self.brokers.insert(record.broker_id, Arc::new(BrokerRegistration::from_record(record)));
    }

    pub(crate) fn replay_unregister_broker(
        &mut self,
        record: &UnregisterBrokerRecord,
    ) -> Result<(), ReplayError> {
        self.registered("UnregisterBrokerRecord", record.broker_id, record.broker_epoch)?;
        self.brokers.remove(&record.broker_id);
        Ok(())
    }

    pub(crate) fn replay_broker_change(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
    ) -> Result<(), ReplayError> {
        self.registered("BrokerRegistrationChangeRecord", record.broker_id, record.broker_epoch)?
            .apply(record)
    }

    pub(crate) fn replay_fence(
        &mut self,
        record: &'static str,
        id: i32,
        epoch: i64,
        fenced: bool,
    ) -> Result<(), ReplayError> {
        self.registered(record, id, epoch)?.fenced = fenced;
        Ok(())
    }

    pub(crate) fn replay_register_controller(&mut self, record: &RegisterControllerRecord<'_>) {
        self.controllers.insert(record.controller_id, Arc::new(ControllerRegistration::from_record(record)));
    }

    pub(crate) fn replay_unregister_controller(&mut self, id: i32) -> Result<(), ReplayError> {
        self.controllers.remove(&id).map(|_| ()).ok_or(ReplayError::UnknownController(id))
    }

    pub(crate) fn write(&self, out: &mut Vec<MetadataRecord<'static>>) {
        out.extend(self.brokers().map(|broker| MetadataRecord::RegisterBroker(broker.to_record())));
        out.extend(
            self.controllers().map(|controller| MetadataRecord::RegisterController(controller.to_record())),
        );
    }

    fn registered(
        &mut self,
        record: &'static str,
        broker_id: i32,
        epoch: i64,
    ) -> Result<&mut BrokerRegistration, ReplayError> {
        let broker =
            self.brokers.get_mut(&broker_id).ok_or(ReplayError::UnknownBroker { record, broker_id })?;
        if broker.epoch != epoch {
            return Err(ReplayError::BrokerEpoch { record, broker_id, epoch, registered: broker.epoch });
        }
        Ok(Arc::make_mut(broker))
    }
}
