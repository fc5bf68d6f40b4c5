//! Historic bugs of logs, one of which a test may switch on to see that it would be found.
//!
//! Owns their closed list. Without the feature `mutants` none can be on, and the compiler leaves every trace of them
//! out. It never ships.

platform::mutants! {
    $
    /// A batch counts as durable when its group is taken to be written.
    AckBeforeFlush,
    /// The durable end is the log end.
    DurableEndIsLogEnd,
    /// A group makes its batches durable though the one before is still on its way.
    GroupOrderIgnored,
    /// A file of the write-ahead log is used again before the segments are flushed.
    WalReusedBeforeCheckpoint,
    /// A large batch's reference is written, and its segment is not flushed.
    ReferenceWithoutFlush,
    /// With a large batch only the active segment is flushed, not the one that was rolled a moment ago.
    RolledSegmentNotFlushed,
    /// A new log's names are not flushed with its first group.
    NamesNotFlushed,
    /// A flush of segments flushes no directory.
    RenameWithoutDirectoryFlush,
    /// A failed flush is tried again, and succeeds.
    FsyncRetried,
    /// The recovery point moves when a flush is prepared.
    RecoveryPointBeforeFlush,
    /// A flush that was prepared before a truncation makes durable what came after it.
    TicketOfOldBranch,
    /// The clean marker stays when the node starts.
    CleanMarkerKept,
    /// Recovery begins where the index says, whatever lies there.
    IndexTrusted,
    /// Producers come from the newest snapshot, though it is beyond what was flushed.
    SnapshotBeyondEndTrusted,
    /// Recovery does not tell the producer state of the batches it finds.
    ProducersNotReplayed,
    /// A truncation leaves the write-ahead log's old batches valid.
    TruncationWithoutGeneration,
    /// A truncation does not flush the cut.
    CutNotFlushed,
    /// A truncation leaves the epochs of what it cut.
    EpochsNotTruncated,
    /// A cleaned segment is swapped in without having been flushed.
    SwapWithoutFlush,
    /// Tombstones go with the first cleaning.
    TombstoneInOnePass,
    /// A cleaning drops the last batch of a segment, and with it the end of the log.
    LastBatchDropped,
    /// What is not committed is cleaned, too.
    CleanedAboveHighWatermark,
    /// The log start of DeleteRecords is not written down.
    DeleteRecordsForgotten,
    /// Kafka's texts of log starts and recovery points are believed, whatever their copies say.
    TextTrusted,
    /// Removed segments may come back, though nothing says any more where the log starts.
    LogStartNotPersisted,
    /// What an append wrote before the disk was full stays.
    FullDiskAppendKept,
    /// A start believes the page cache after a failed flush.
    PageCacheTrusted,
    /// A group that is missing before the first readable one is not missed.
    FirstGroupNotMissed,
    /// A group that is missing in the middle is not missed.
    GapNotMissed,
    /// A start cuts at the first bad checksum, although all of it had been flushed and is proven.
    CutBelowProvenEnd,
    /// What an earlier process wrote is read without a look at its proof.
    ProofNotChecked,
    /// That a damaged log lacks something which only the write-ahead log tells is forgotten at the next start.
    MissingNotRemembered,
}
