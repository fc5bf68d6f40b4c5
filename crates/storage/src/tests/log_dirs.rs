//! Several log directories: whose they are, which of them work, where logs go.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use platform::Platform;
use platform::sim::{DiskAction, DiskErrno, DiskFault, SimDisk};
use protocol::Uuid;
use tempfile::TempDir;

use super::fixture::*;
use crate::{
    AppendOrigin, FailureListener, Formatting, LogConfig, LogDirConfig, LogDirs, LogDirsConfig, StorageError,
};

pub fn config(paths: &[PathBuf]) -> LogDirsConfig {
    LogDirsConfig {
        paths: paths.to_vec(),
        metadata_path: None,
        formatting: Formatting::NewNode,
        new_cluster_id: Some(CLUSTER.into()),
        dir: LogDirConfig::new(1),
    }
}

struct Three {
    _temp: TempDir,
    paths: Vec<PathBuf>,
    platform: Platform,
}

fn three() -> Three {
    let temp = TempDir::new().expect("a temporary directory");
    let paths = ["a", "b", "c"].map(|name| temp.path().join(name)).to_vec();
    Three { _temp: temp, paths, platform: Platform::os() }
}

impl Three {
    fn open(&self) -> Result<LogDirs, StorageError> {
        self.open_with(config(&self.paths))
    }

    fn open_with(&self, config: LogDirsConfig) -> Result<LogDirs, StorageError> {
        LogDirs::open(&self.platform, config, NOW).map(|(dirs, _)| dirs)
    }

    fn refusal(&self) -> String {
        self.open().map(drop).expect_err("the node does not start").to_string()
    }
}

fn paths_online(dirs: &LogDirs) -> Vec<PathBuf> {
    dirs.online().map(|dir| dir.path().to_path_buf()).collect()
}

#[test]
fn a_new_node_formats_all_with_one_cluster_and_an_id_each() {
    let three = three();
    let dirs = three.open().expect("opened");
    let metas: Vec<_> = dirs.online().map(|dir| dir.meta().clone()).collect();
    assert_eq!(metas.len(), 3);
    assert!(metas.iter().all(|meta| meta.cluster_id == CLUSTER && meta.node_id == 1));
    let ids: std::collections::BTreeSet<_> = metas.iter().map(|meta| meta.directory_id).collect();
    assert_eq!(ids.len(), 3);
    let ids: Vec<Uuid> = dirs.online().map(|dir| dir.id()).collect();
    assert_eq!(dirs.metadata().id(), ids[0], "the first has the metadata log");
    drop(dirs);
    let dirs = three.open().expect("opened");
    assert_eq!(dirs.online().map(|dir| dir.id()).collect::<Vec<_>>(), ids);
    assert!(dirs.by_id(ids[1]).is_some_and(|dir| dir.path() == three.paths[1]));
    assert!(dirs.by_id(Uuid([1; 16])).is_none() && !dirs.has_offline());
}

#[test]
fn one_directory_without_an_owner_is_refused_or_formatted() {
    let three = three();
    let without_b = || fs::remove_file(three.paths[1].join("meta.properties")).expect("removed");
    drop(three.open().expect("opened"));
    without_b();
    let dirs = three.open().expect("a node without logs is still new: its formatting was cut short");
    let log = dirs.online().nth(2).expect("three").create_log("t", 0, TOPIC_ID, LogConfig::default(), NOW);
    drop((dirs, log.expect("created")));
    without_b();
    let refusal = three.refusal();
    assert!(refusal.contains("b has no meta.properties") && refusal.contains("mount it"), "{refusal}");
    let missing = LogDirsConfig { formatting: Formatting::Missing, ..config(&three.paths) };
    let dirs = three.open_with(missing).expect("formatted");
    assert!(dirs.online().all(|dir| dir.meta().cluster_id == CLUSTER));
    drop(dirs);
    without_b();
    fs::create_dir(three.paths[1].join("orders-0")).expect("made");
    let missing = LogDirsConfig { formatting: Formatting::Missing, ..config(&three.paths) };
    let refusal = three.open_with(missing).map(drop).expect_err("not ours to format").to_string();
    assert!(refusal.contains("orders-0"), "{refusal}");
}

#[test]
fn directories_that_do_not_belong_together_are_refused() {
    let three = three();
    drop(three.open().expect("opened"));
    let meta = three.paths[1].join("meta.properties");
    let text = fs::read_to_string(&meta).expect("there");
    fs::write(&meta, text.replace(CLUSTER, "other")).expect("written");
    let refusal = three.refusal();
    assert!(refusal.contains("b belongs to cluster other"), "{refusal}");
    fs::write(&meta, text.replace("node.id=1", "node.id=2")).expect("written");
    let refusal = three.refusal();
    assert!(refusal.contains("b belongs to node 2"), "{refusal}");
    fs::copy(three.paths[0].join("meta.properties"), &meta).expect("copied");
    let refusal = three.refusal();
    assert!(refusal.contains("have the same directory.id"), "{refusal}");
    fs::write(&meta, text).expect("written");
    fs::create_dir(three.paths[1].join("__cluster_metadata-0")).expect("made");
    let refusal = three.refusal();
    assert!(refusal.contains("set metadata.log.dir to where it is"), "{refusal}");
    let there = LogDirsConfig { metadata_path: Some(three.paths[1].clone()), ..config(&three.paths) };
    let dirs = three.open_with(there).expect("opened");
    assert_eq!(dirs.metadata().path(), three.paths[1]);
    drop(dirs);
    let twice = vec![three.paths[0].clone(), three.paths[0].clone()];
    let refusal = three.open_with(config(&twice)).map(drop).expect_err("named twice").to_string();
    assert!(refusal.contains("named twice"), "{refusal}");
}

#[test]
fn a_directory_of_its_own_may_hold_the_metadata_log() {
    let three = three();
    let apart = LogDirsConfig { metadata_path: Some(three.paths[2].clone()), ..config(&three.paths[..2]) };
    let dirs = three.open_with(apart).expect("opened");
    assert_eq!(dirs.metadata().path(), three.paths[2]);
    assert_eq!(paths_online(&dirs), three.paths[..2], "it takes no topics");
    assert_eq!(dirs.opened().count(), 3);
}

#[test]
fn what_cannot_be_opened_is_left_out_unless_it_has_the_metadata_log() {
    let three = three();
    drop(three.open().expect("opened"));
    fs::remove_dir_all(&three.paths[1]).expect("removed");
    fs::write(&three.paths[1], "a file").expect("written");
    fs::write(three.paths[2].join("meta.properties"), "version=1\n").expect("written");
    let dirs = three.open().expect("the node starts with what is left");
    assert_eq!(paths_online(&dirs), three.paths[..1]);
    assert!(dirs.has_offline());
    let reasons: Vec<String> = dirs.entries().iter().filter_map(|entry| entry.offline_reason()).collect();
    assert!(reasons[0].contains("a file of that name"), "{reasons:?}");
    assert!(reasons[1].contains("has no node.id"), "{reasons:?}");
    drop(dirs);
    fs::write(three.paths[0].join("meta.properties"), "version=1\n").expect("written");
    let refusal = three.refusal();
    assert!(refusal.contains("a/meta.properties is unusable"), "{refusal}");
}

#[test]
fn a_directory_in_use_is_no_fault_of_a_disk() {
    let three = three();
    let other = three.open_with(config(&three.paths[1..])).expect("opened");
    assert!(three.refusal().contains("used by another process"));
    drop(other);
}

#[test]
fn a_new_log_goes_where_the_fewest_are() {
    let three = three();
    let dirs = three.open().expect("opened");
    let metadata = dirs.metadata().create_log("__cluster_metadata", 0, TOPIC_ID, LogConfig::default(), NOW);
    let mut logs = vec![metadata.expect("created")];
    let mut places = Vec::new();
    for partition in 0..7 {
        let dir = dirs.by_logs_count()[0];
        places.push(dir.path().file_name().expect("named").to_string_lossy().into_owned());
        logs.push(dir.create_log("t", partition, TOPIC_ID, LogConfig::default(), NOW).expect("created"));
    }
    assert_eq!(places.join(""), "abcabca", "the metadata log does not count");
    dirs.prefer("u", 0, &three.paths[2]);
    assert!(dirs.take_preferred("u", 0).is_some_and(|dir| dir.path() == three.paths[2]));
    assert!(dirs.take_preferred("u", 0).is_none(), "it is remembered once");
    assert!(dirs.by_path(&three.paths[0].join("")).is_none(), "a slash more is another name, as in Kafka");
    assert!(dirs.view("t", 3).is_some_and(|view| dirs.of(&view).expect("known").path() == three.paths[0]));
}

#[derive(Default)]
struct Heard(Mutex<Vec<(PathBuf, String)>>);

impl FailureListener for Heard {
    fn directory_failed(&self, path: &Path, reason: &str) {
        self.0.lock().push((path.to_path_buf(), reason.to_owned()));
    }
}

fn on_simulated_disk(heard: &Arc<Heard>) -> (SimDisk, LogDirs) {
    let disk = SimDisk::new(1);
    let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::sim(1) };
    let mut config = config(&["/data/a".into(), "/data/b".into()]);
    config.dir.failure_listener = Some(heard.clone());
    (disk, LogDirs::open(&platform, config, NOW).expect("opened").0)
}

#[test]
fn a_directory_fails_alone_and_says_so_once() {
    for action in [DiskAction::Write, DiskAction::Sync, DiskAction::Read] {
        let heard = Arc::new(Heard::default());
        let (disk, dirs) = on_simulated_disk(&heard);
        let [a, b] = [0, 1].map(|n| dirs.entries()[n].online().expect("it works").clone());
        let mut in_a = a.create_log("t", 0, TOPIC_ID, LogConfig::default(), NOW).expect("created");
        let mut in_b = b.create_log("t", 1, TOPIC_ID, LogConfig::default(), NOW).expect("created");
        fill(&mut in_a, 0, 2);
        fill(&mut in_b, 0, 2);
        disk.fail(DiskFault::always(action, DiskErrno::Io).on("/data/b/"));
        let failed = match action {
            DiskAction::Write => in_b.append_as_leader(&batch(&["x"]), 0, AppendOrigin::Client, NOW).is_err(),
            DiskAction::Sync => in_b.flush_now().is_err(),
            _ => {
                let slice = in_b
                    .view()
                    .read(1, 1 << 20, 2, true)
                    .and_then(|slice| slice.expect("there is something").to_vec().map_err(Into::into));
                slice.is_err()
            }
        };
        assert!(failed, "{action:?}");
        assert!(in_b.flush_now().is_err(), "and nothing is tried again");
        let heard = heard.0.lock();
        assert_eq!(heard.len(), 1, "{action:?}: {heard:?}");
        assert_eq!(heard[0].0, Path::new("/data/b"));
        assert_eq!(paths_online(&dirs), [Path::new("/data/a")]);
        assert!(dirs.has_offline() && dirs.entries()[1].offline_reason().is_some());
        fill(&mut in_a, 2, 2);
        in_a.flush_now().expect("the other goes on");
        assert_eq!(read_all(&in_a.view(), 0), filled(0, 4));
    }
}

#[test]
fn a_process_without_file_handles_is_no_failed_disk() {
    let heard = Arc::new(Heard::default());
    let (disk, dirs) = on_simulated_disk(&heard);
    let a = dirs.entries()[0].online().expect("it works");
    let mut log = a.create_log("t", 0, TOPIC_ID, small(300), NOW).expect("created");
    fill(&mut log, 0, 5);
    log.flush_now().expect("flushed");
    disk.fail(DiskFault::always(DiskAction::Read, DiskErrno::TooManyFiles));
    assert!(log.view().read(1, 1, 5, true).is_err() || log.view().offset_for_timestamp(NOW).is_err());
    disk.heal();
    assert_eq!(a.offline_reason(), None);
    assert!(heard.0.lock().is_empty());
}

#[test]
fn the_last_stop_was_clean_only_if_it_was_so_everywhere() {
    let three = three();
    let close = |dirs: &LogDirs, epochs: [Option<i64>; 3]| {
        for (dir, epoch) in dirs.online().zip(epochs) {
            if let Some(epoch) = epoch {
                dir.close_clean(Some(epoch)).expect("closed");
            }
        }
    };
    for (epochs, expected) in
        [([Some(7); 3], Some(7)), ([Some(7), Some(8), Some(7)], None), ([Some(7), None, Some(7)], None)]
    {
        let dirs = three.open().expect("opened");
        close(&dirs, epochs);
        drop(dirs);
        let (dirs, report) = LogDirs::open(&three.platform, config(&three.paths), NOW).expect("opened");
        assert_eq!((report.clean, report.previous_broker_epoch), (epochs[1].is_some(), expected));
        drop(dirs);
    }
}

#[test]
fn what_the_machine_refuses_at_a_start_is_said_with_the_directory_and_the_fix() {
    let actions = [
        DiskAction::CreateDir,
        DiskAction::Create,
        DiskAction::Open,
        DiskAction::List,
        DiskAction::Write,
        DiskAction::Rename,
        DiskAction::SyncDir,
    ];
    let errors = [
        (DiskErrno::ReadOnly, "mount its file system for writing"),
        (DiskErrno::PermissionDenied, "give the user of this process the right"),
        (DiskErrno::NoSpace, "free some"),
        (DiskErrno::Io, "mend it, or take it out of log.dirs"),
    ];
    for is_new in [true, false] {
        let mut refusals = 0;
        for (action, (errno, fix)) in actions.iter().flat_map(|a| errors.iter().map(move |e| (*a, *e))) {
            let disk = SimDisk::new(1);
            let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::sim(1) };
            if !is_new {
                let (dirs, _) = LogDirs::open(&platform, config(&["/data/a".into()]), NOW).expect("opened");
                let dir = dirs.entries()[0].online().expect("it works");
                let mut log = dir.create_log("t", 0, TOPIC_ID, small(300), NOW).expect("created");
                fill(&mut log, 0, 5);
                drop((log, dirs));
                disk.release_locks();
            }
            disk.fail(DiskFault::always(action, errno));
            let Err(refusal) = LogDirs::open(&platform, config(&["/data/a".into()]), NOW) else { continue };
            let refusal = refusal.to_string();
            refusals += 1;
            assert!(refusal.contains("/data/a") && refusal.contains(fix), "{action:?} {errno:?}: {refusal}");
            // Mended, it starts.
            disk.heal();
            disk.release_locks();
            LogDirs::open(&platform, config(&["/data/a".into()]), NOW).map(drop).expect("opened");
        }
        assert!(refusals >= 12, "{refusals}");
    }
}
