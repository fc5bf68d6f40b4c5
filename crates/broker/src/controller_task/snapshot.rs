//! Writing a snapshot of the metadata while the task goes on.

use std::sync::Arc;

use metadata::MetadataImage;
use platform::Platform;
use raft::{ControlRecord, SnapshotId, SnapshotInfo, encode_snapshot_batches};

use crate::metadata_log::MetadataLogError;

/// Size of a snapshot's batches.
const SNAPSHOT_BATCH_BYTES: usize = 1 << 20;

/// Encodes an image and writes its file.
pub(super) async fn write_snapshot(
    platform: Platform,
    id: SnapshotId,
    image: Arc<MetadataImage>,
    control: Vec<ControlRecord>,
    write: impl FnOnce(&[u8]) -> std::io::Result<()> + Send + 'static,
) -> Result<SnapshotInfo, super::ControllerError> {
    let now_ms = platform.clock.wall_ms();
    let timestamp_ms = image.provenance().timestamp_ms;
    platform
        .blocking
        .run(move || {
            let bytes = encode(id, &image, &control, now_ms)?;
            write(&bytes).map_err(MetadataLogError::from)?;
            Ok(SnapshotInfo { id, size_bytes: bytes.len() as u64, timestamp_ms })
        })
        .await
}

fn encode(
    id: SnapshotId,
    image: &MetadataImage,
    control: &[ControlRecord],
    now_ms: i64,
) -> Result<Vec<u8>, super::ControllerError> {
    let records = image.to_records();
    let encoded = records.iter().map(|record| record.encode_framed()).collect::<Result<Vec<_>, _>>()?;
    let timestamp_ms = image.provenance().timestamp_ms;
    let bytes = encode_snapshot_batches(
        id.epoch,
        now_ms,
        timestamp_ms,
        control,
        encoded.into_iter(),
        SNAPSHOT_BATCH_BYTES,
    )?;
    Ok(bytes)
}
