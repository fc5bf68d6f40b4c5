//! Rot under a running node, which nobody reads: the weekly round finds it.

use std::path::Path;

use platform::sim::SimDisk;
use protocol::Uuid;
use records::{BatchBuilder, BatchSettings};
use replication::LeaderConfig;
use storage::{LogConfig, LogDir, LogDirConfig, UnifiedLog};

use super::*;

const BATCHES: i64 = 30;

fn batch(number: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchSettings::default());
    builder.append(None, Some(format!("value-{number:04}").as_bytes()), &[], 1).expect("it fits");
    builder.build().expect("a batch")
}

/// A log of several segments, of which all but the last are proven.
fn log(dir: &LogDir, topic: &str) -> UnifiedLog {
    let config = LogConfig { segment_bytes: 10 * batch(0).len() as u32, ..LogConfig::default() };
    let mut log = dir.create_log(topic, 0, Uuid([topic.as_bytes()[0]; 16]), config, 1).expect("created");
    for number in 0..BATCHES {
        log.append_as_leader(&batch(number), 0, storage::AppendOrigin::Client, 1).expect("appended");
    }
    log.flush_now().expect("flushed");
    log
}

fn partition(platform: &Platform, topic: &str, log: UnifiedLog) -> Arc<Partition> {
    let leader =
        LeaderConfig { node_id: 1, leader_epoch: 0, replicas: vec![1], isr: vec![1], min_insync_replicas: 1 };
    let id = log.view().topic_id().expect("it has one");
    Partition::new(topic.into(), 0, id, log, leader, platform.blocking.clone())
}

fn can_be_read(partition: &Partition) -> bool {
    (0..BATCHES)
        .all(|offset| partition.view().read(offset, 1, BATCHES, true).is_ok_and(|slice| slice.is_some()))
}

#[tokio::test(start_paused = true)]
async fn a_rotten_bit_that_nobody_reads_is_found_within_a_week() {
    let disk = SimDisk::new(1);
    let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::sim(1) };
    let options = LogDirConfig { format: Some("4L6g3nShT-eMCtK--X86sw".into()), ..LogDirConfig::new(1) };
    let (dir, _) = LogDir::open(&platform, Path::new("/data"), &options, 1).expect("it opens");
    let all: Vec<_> = ["rotten", "sound"].map(|topic| partition(&platform, topic, log(&dir, topic))).into();
    dir.checkpoint().expect("written");
    let partitions = Arc::new(Partitions::default());
    partitions.add(all.clone(), Vec::new());
    let scrubber = Scrubber { platform, partitions, was_clean: true };
    let running = tokio::spawn(scrubber.run());

    tokio::time::sleep(ROUND_PAUSE / 2).await;
    assert!(all.iter().all(|partition| partition.view().offline_reason().is_none()));
    // The leader epoch of batch 14: in the second segment, and under no checksum of the batch.
    let segment = Path::new("/data/rotten-0/00000000000000000010.log");
    let at = 4 * batch(0).len();
    disk.damage(segment, |bytes| bytes[at + 15] ^= 4).expect("it is there");
    let effects = disk.effects();
    tokio::time::sleep(ROUND_PAUSE / 3).await;
    assert_eq!(
        (disk.effects(), all[0].view().offline_reason()),
        (effects, None),
        "between two rounds it rests"
    );

    tokio::time::sleep(ROUND_PAUSE).await;
    let view = all[0].view();
    let reason = view.offline_reason().expect("it is found");
    assert!(reason.starts_with("offsets 1") && reason.contains("00000000000000000010.log"), "{reason}");
    assert!(!can_be_read(&all[0]), "nothing rotten is served");
    let told = disk.files().into_iter().find(|(path, _)| path.ends_with("rotten-0/klamm-damage"));
    let told = String::from_utf8(told.expect("the next start knows").1).expect("it is text");
    assert!(told.contains("\"segment\":\"00000000000000000010.log\""), "{told}");
    assert_eq!(all[1].view().offline_reason(), None);
    assert!(can_be_read(&all[1]), "the other log is served");
    running.abort();
}
