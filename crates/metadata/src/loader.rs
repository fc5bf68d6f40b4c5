//! Replays a log into a sequence of images, and hides what a metadata transaction has not finished.

use protocol::MetadataRecord;

use crate::{MetadataDelta, MetadataImage, Provenance, ReplayError};

/// A finished step of the log.
#[derive(Debug, Clone)]
pub struct Published {
    /// The image after the step.
    pub image: MetadataImage,
    /// What the step changed.
    pub delta: MetadataDelta,
}

/// Turns records into images.
///
/// A metadata transaction (KIP-868) spans batches: what its records change becomes visible when it ends, and never if
/// it is aborted.
#[derive(Debug, Clone, Default)]
pub struct MetadataLoader {
    image: MetadataImage,
    delta: Option<MetadataDelta>,
    transaction: Option<Transaction>,
}

#[derive(Debug, Clone)]
struct Transaction {
    /// Offset of the record that began it.
    start_offset: i64,
    /// What had changed before it began, in the same step.
    before: Option<MetadataDelta>,
}

impl MetadataLoader {
    /// Starts from an image: the empty one, or one of a snapshot.
    pub fn new(image: MetadataImage) -> MetadataLoader {
        MetadataLoader { image, delta: None, transaction: None }
    }

    /// The newest finished image.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// Offset of the record that began the metadata transaction in progress.
    pub fn transaction_start_offset(&self) -> Option<i64> {
        self.transaction.as_ref().map(|transaction| transaction.start_offset)
    }

    /// The state with all records replayed so far, the unfinished ones of a transaction included.
    pub fn current(&self) -> &MetadataImage {
        self.delta.as_ref().map_or(&self.image, MetadataDelta::image)
    }

    /// Applies one record of the log.
    pub fn replay(&mut self, offset: i64, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::BeginTransaction(_) => self.begin(offset),
            MetadataRecord::EndTransaction(_) => self.end(),
            MetadataRecord::AbortTransaction(_) => self.abort(),
            _ => {
                let image = &self.image;
                self.delta.get_or_insert_with(|| MetadataDelta::new(image.clone())).replay(record)
            }
        }
    }

    /// Finishes a step at a batch's end. `None` while a transaction is in progress; a step without any change is
    /// finished too, since it moves the image along the log.
    pub fn publish(&mut self, provenance: Provenance) -> Option<Published> {
        if self.transaction.is_some() {
            return None;
        }
        let mut delta = self.delta.take().unwrap_or_else(|| MetadataDelta::new(self.image.clone()));
        delta.set_provenance(provenance);
        self.image = delta.image().clone();
        Some(Published { image: self.image.clone(), delta })
    }

    fn begin(&mut self, offset: i64) -> Result<(), ReplayError> {
        if self.transaction.is_some() {
            let reason = "another metadata transaction is in progress";
            return Err(ReplayError::Transaction { record: "BeginTransactionRecord", reason });
        }
        self.transaction = Some(Transaction { start_offset: offset, before: self.delta.clone() });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ReplayError> {
        let reason = "no metadata transaction is in progress";
        let missing = ReplayError::Transaction { record: "EndTransactionRecord", reason };
        self.transaction.take().map(|_| ()).ok_or(missing)
    }

    fn abort(&mut self) -> Result<(), ReplayError> {
        let reason = "no metadata transaction is in progress";
        let missing = ReplayError::Transaction { record: "AbortTransactionRecord", reason };
        let transaction = self.transaction.take().ok_or(missing)?;
        self.delta = transaction.before;
        Ok(())
    }
}
