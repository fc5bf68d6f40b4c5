//! When a flush is due, what it covers, and what is durable afterwards.

use super::fixture::*;
use crate::{AppendOrigin, BACKGROUND_FLUSH_BYTES, LogConfig, UnifiedLog};

fn durable(log: &UnifiedLog) -> i64 {
    log.view().durable_end_offset()
}

#[test]
fn nothing_appended_is_nothing_to_flush() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig { flush_messages: 1, flush_ms: 0, ..LogConfig::default() });
    assert!(!log.is_flush_due(NOW + 1_000_000));
    assert!(log.flush().expect("prepared").is_none());
    fill(&mut log, 0, 1);
    log.flush_now().expect("flushed");
    assert!(!log.is_flush_due(NOW + 1_000_000));
    assert!(log.flush().expect("prepared").is_none());
}

#[test]
fn by_records_by_age_by_bytes_and_after_a_roll() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig { flush_messages: 3, flush_ms: 1000, ..LogConfig::default() });
    append(&mut log, &batch(&["a", "b"]));
    assert!(!log.is_flush_due(NOW + 999));
    assert!(log.is_flush_due(NOW + 1000), "the oldest has waited");
    append(&mut log, &batch(&["c"]));
    assert!(log.is_flush_due(NOW), "three records wait");
    log.flush_now().expect("flushed");
    assert!(!log.is_flush_due(NOW + 1_000_000));
    log.update_config(LogConfig::default()).unwrap();
    append(&mut log, &batch(&["d"]));
    log.roll(NOW).expect("rolled");
    assert!(log.is_flush_due(NOW), "a sealed segment waits");
    log.flush_now().expect("flushed");
    let large = batch(&[&"x".repeat(1_000_000)]);
    for _ in 0..BACKGROUND_FLUSH_BYTES / 1_000_000 {
        assert!(!log.is_flush_due(i64::MAX));
        append(&mut log, &large);
    }
    assert!(log.unflushed_bytes() < BACKGROUND_FLUSH_BYTES);
    append(&mut log, &large);
    assert!(log.is_flush_due(NOW), "so much waits that a recovery would take long");
    log.flush_now().expect("flushed");
    assert_eq!(log.unflushed_bytes(), 0);
    assert!(
        home.names().contains(&format!("{:020}.snapshot", log.view().log_end_offset())),
        "{:?}",
        home.names()
    );
}

#[test]
fn a_ticket_covers_what_was_there_when_it_was_made() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, small(300));
    fill(&mut log, 0, 5);
    let ticket = log.flush().expect("prepared").expect("due");
    fill(&mut log, 5, 5);
    ticket.run().expect("flushed");
    assert_eq!(durable(&log), 0, "nobody has told the log yet");
    log.mark_durable(&ticket);
    assert_eq!((ticket.offset(), durable(&log), log.view().log_end_offset()), (5, 5, 10));
    let ticket = log.flush().expect("prepared").expect("due");
    ticket.run().expect("flushed");
    log.mark_durable(&ticket);
    assert_eq!(durable(&log), 10);
}

#[test]
fn a_ticket_that_never_ran_promises_nothing() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 5);
    drop(log.flush().expect("prepared").expect("due"));
    assert_eq!(durable(&log), 0);
    let ticket = log.flush().expect("prepared").expect("still due");
    ticket.run().expect("flushed");
    log.mark_durable(&ticket);
    assert_eq!(durable(&log), 5);
    assert!(home.names().contains(&"leader-epoch-checkpoint".to_owned()));
}

#[test]
fn a_truncation_outruns_a_ticket() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 5);
    let ticket = log.flush().expect("prepared").expect("due");
    log.truncate_to(2, &dir, NOW).expect("cut");
    ticket.run().expect("flushed");
    log.mark_durable(&ticket);
    assert_eq!((durable(&log), log.view().log_end_offset()), (2, 2));
}

#[test]
fn a_ticket_says_nothing_of_the_branch_after_a_truncation() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 5);
    let ticket = log.flush().expect("prepared").expect("due");
    ticket.run().expect("flushed");
    log.truncate_to(2, &dir, NOW).expect("cut");
    fill(&mut log, 2, 6);
    log.mark_durable(&ticket);
    assert_eq!(durable(&log), 2, "what came after the cut was not there when the ticket ran");
    assert_eq!(log.view().log_end_offset(), 8);
}

#[test]
fn a_ticket_of_a_deleted_log_ends_quietly() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, small(300));
    fill(&mut log, 0, 5);
    let ticket = log.flush().expect("prepared").expect("due");
    dir.delete_log(log, NOW).expect("deleted");
    assert!(ticket.run().is_err());
    assert_eq!(dir.offline_reason(), None, "a missing directory is no broken disk");
}

#[test]
fn a_log_opened_after_a_flush_costs_one_sync() {
    let (disk, platform) = {
        let disk = platform::sim::SimDisk::new(1);
        (disk.clone(), platform::Platform { disk: std::sync::Arc::new(disk), ..platform::Platform::sim(1) })
    };
    let open = || {
        crate::LogDir::open(&platform, std::path::Path::new("/data"), &dir_config(), NOW).expect("opened").0
    };
    let dir = open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 2);
    close(dir, log);
    let dir = open();
    let mut log = take(&dir, LogConfig::default());
    let before = disk.effects();
    log.append_as_leader(&batch(&["x"]), 0, AppendOrigin::Client, NOW).expect("taken");
    log.flush_now().expect("flushed");
    assert_eq!(disk.effects() - before, 3, "one write, one sync, and one write of its proof");
}
