//! Effects as one line each.

use crate::{AppendedBatch, ControlRecord, Effect};

pub(crate) fn describe(effect: &Effect) -> String {
    match effect {
        Effect::PersistQuorumState(state) => format!("persist {}", state.to_json()),
        Effect::Append(batch) => format!("append {}", describe_batch(batch)),
        Effect::Flush { end_offset } => format!("flush to {end_offset}"),
        Effect::BecomeLeader { epoch } => format!("become leader of epoch {epoch}"),
        Effect::Resign { epoch } => format!("resign epoch {epoch}"),
        Effect::AdvanceHighWatermark { offset, epoch } => format!("high watermark {offset} epoch {epoch}"),
        Effect::TakeSnapshot { id } => format!("take snapshot {id}"),
        Effect::DeleteBefore { id } => format!("delete before {id}"),
    }
}

fn describe_batch(batch: &AppendedBatch) -> String {
    let (parsed, rest) = {
        let mut batches = records::batches(&batch.bytes);
        (batches.next().expect("a batch").expect("it is whole"), batches.count())
    };
    assert_eq!(rest, 0);
    parsed.verify_crc().expect("the checksum is right");
    let header = &parsed.header;
    assert_eq!((header.base_offset, header.last_offset()), (batch.base_offset, batch.last_offset));
    assert_eq!(header.partition_leader_epoch, batch.epoch);
    let mut text = format!(
        "{}..={} epoch {} at {}",
        batch.base_offset, batch.last_offset, batch.epoch, header.base_timestamp
    );
    for record in parsed.records().expect("it is not compressed") {
        let record = record.expect("a record");
        let value = record.value.expect("a value");
        if header.is_control() {
            let control = ControlRecord::decode(record.key.expect("a key"), value).expect("it is readable");
            text.push_str(&format!("\n  {:?}", control.expect("it is ours")));
        } else {
            text.push_str(&format!("\n  {}", String::from_utf8_lossy(value)));
        }
    }
    text
}
