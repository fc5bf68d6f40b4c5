//! Which producer ids were handed out. Never to whom: brokers hand out single ids from their blocks.

use protocol::{MetadataRecord, ProducerIdsRecord};

/// The end of the producer ids handed out in blocks (KIP-730).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProducerIdsImage {
    /// First producer id that belongs to no block yet.
    pub next_producer_id: i64,
}

/// Written into snapshots in place of the broker and epoch that asked for the last block: they mean nothing there.
const NO_BROKER: i32 = -1;

impl ProducerIdsImage {
    pub(crate) fn replay(&mut self, record: &ProducerIdsRecord) {
        self.next_producer_id = record.next_producer_id;
    }

    pub(crate) fn write(&self, out: &mut Vec<MetadataRecord<'static>>) {
        if self.next_producer_id > 0 {
            out.push(MetadataRecord::ProducerIds(ProducerIdsRecord {
                broker_id: NO_BROKER,
                broker_epoch: i64::from(NO_BROKER),
                next_producer_id: self.next_producer_id,
            }));
        }
    }
}
