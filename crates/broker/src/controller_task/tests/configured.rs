//! What the keys of the controller and its log change.

use std::time::Duration;

use testkit::LogLines;

use super::node::{Machine, create_request};
use crate::mutation_ticket::MutationTicket;

/// How many lines about slow events and how many summaries one creation and some idle time bring.
async fn lines_with(properties: &[(&str, &str)]) -> (usize, usize) {
    let (lines, _guard) = LogLines::taken();
    let node = Machine::new(31, properties).start().await;
    assert_eq!(node.create("a", 1).await.name(), "NONE");
    tokio::time::sleep(Duration::from_secs(30)).await;
    node.stop().await;
    let text = lines.text();
    let count = |words: &str| text.lines().filter(|line| line.contains(words)).count();
    (count("exceptionally slow: requests"), count("the slowest, requests"))
}

#[tokio::test(start_paused = true)]
async fn slow_events_and_periods_are_logged_as_configured() {
    assert_eq!(lines_with(&[]).await, (0, 0), "nothing takes two seconds, and no minute is over");
    let (slow, summaries) = lines_with(&[
        ("controller.performance.always.log.threshold.ms", "0"),
        ("controller.performance.sample.period.ms", "5000"),
    ])
    .await;
    assert!(slow >= 1 && (1..=6).contains(&summaries), "{slow} {summaries}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_must_happen_as_a_whole_fits_one_batch() {
    let key = "internal.metadata.max.batch.size.in.bytes";
    for (properties, code) in [(&[][..], "NONE"), (&[(key, "1")][..], "POLICY_VIOLATION")] {
        let node = Machine::new(32, properties).start().await;
        assert_eq!(node.create("small", 10).await.name(), "NONE");
        let large = create_request(&["large"], 3_000);
        let answer = node.handle.create_topics(large, MutationTicket::free()).await;
        assert_eq!(answer.map_or_else(|error| error.code, |ok| ok.topics[0].error_code).name(), code);
        node.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn files_of_the_metadata_log_go_after_the_configured_delay() {
    let machine = Machine::new(
        33,
        &[
            ("metadata.log.max.record.bytes.between.snapshots", "2000"),
            ("metadata.max.retention.bytes", "6000"),
            ("internal.metadata.log.segment.bytes", "4096"),
            ("internal.metadata.delete.delay.millis", "3600000"),
        ],
    );
    let node = machine.start().await;
    for number in 0..60 {
        node.create(&format!("topic-{number}"), 2).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(!machine.files_out_of_use().is_empty());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(machine.files_out_of_use(), Vec::<String>::new());
    node.stop().await;
}
