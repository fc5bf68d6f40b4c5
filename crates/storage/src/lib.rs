//! The log: one partition's records in Kafka's own files, and the directory they lie in.
//!
//! Owns segments, indexes, producer state, leader epochs, checkpoints, recovery and retention, all in Kafka's layout, so
//! that its tools read them. It reaches the disk only through `platform`, runs no task and reads no clock: time comes in
//! as `now_ms`, and what may block for long is handed out as a ticket to be run elsewhere. It knows offsets and bytes,
//! never replicas or requests.
//!
//! [`LogDirs`] opens all directories of a node, [`LogDir`] is the owner of one, [`UnifiedLog`] is the one writer's half of a log, [`LogView`] the readers'.

mod checkpoint_file;
mod cleaner;
mod directory;
mod directory_survey;
mod epoch_cache;
mod error;
mod index;
pub mod inspect;
mod layout;
mod loader;
mod log;
mod log_config;
mod log_dir;
mod log_dirs;
mod marker_files;
mod meta_properties;
#[cfg(not(feature = "mutants"))]
mod mutant;
#[cfg(feature = "mutants")]
pub mod mutant;
mod offsets_file;
mod open_files;
mod producer_state;
mod proof;
mod recovery_progress;
mod recovery_report;
mod reserve;
mod scan;
mod segment;
mod space;
mod tail_copy;
mod txn_index;
mod view;
mod wal;

pub use cleaner::{CleanOutcome, CleanSettings, CleanStep, Cleanable, CleanedGroup, Cleaning};
pub use directory::FailureListener;
pub use directory_survey::DirectorySurvey;
pub use epoch_cache::{EpochEndOffset, EpochEntry};
pub use error::{AppendError, ReadError, StorageError};
pub use log::{
    ActiveProducer, AppendInfo, CopyError, CopyStep, CopyTicket, DeleteTicket, FlushTicket, RetentionOutcome,
    UnifiedLog,
};
pub use log_config::{AppendOrigin, BACKGROUND_FLUSH_BYTES, DEFAULT_PRODUCER_ID_EXPIRATION_MS, LogConfig};
pub use log_dir::{DEFAULT_MAX_OPEN_FILES, LogDir, LogDirConfig, LogName};
pub use log_dirs::{Entry, Formatting, LockedLogDirs, LogDirs, LogDirsConfig, Recovered, Recovery};
pub use marker_files::is_rotten_topic_id;
pub use meta_properties::MetaProperties;
pub use producer_state::{PRODUCERS_MAX, RETAINED_BATCHES};
pub use proof::{
    PROOF_FILE, PROOF_SLOT_BYTES, ProofEntry, ProofIdentity, ProofKind, ProofSlot, RUN_BYTES, batch_crc,
    proof_entries, proof_of_segment, proof_slots,
};
pub use recovery_progress::{RecoveryProgress, RecoveryState};
pub use recovery_report::{Cut, DamagedLog, Rebuilt, RecoveryReport};
pub use scan::BadBatch;
pub use segment::TimestampOffset;
pub use tail_copy::TAIL_FILE;
pub use view::{DurableEndListener, FetchSlice, LogView};
pub use wal::{WalConfig, WalReplay, WalTicket};

#[cfg(test)]
mod tests;
