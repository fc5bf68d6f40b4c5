//! Requests, alone and together.

use std::time::Duration;

use platform::sim::{DiskAction, DiskErrno, DiskFault};
use protocol::create_partitions_request::CreatePartitionsTopic;
use protocol::{
    CreatePartitionsRequest, DeleteTopicsRequest, IncrementalAlterConfigsRequest,
    incremental_alter_configs_request,
};

use super::node::{Machine, create_request};
use crate::mutation_ticket::MutationTicket;

#[tokio::test(start_paused = true)]
async fn the_publisher_has_acted_before_the_answer() {
    let machine = Machine::new(11, &[]);
    let node = machine.start().await;
    node.create("a", 1).await;
    assert_eq!(*node.recorder.created.lock().expect("nobody panicked"), ["a"]);
    assert_eq!(node.topic_names(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_together_share_a_batch_and_a_flush() {
    let machine = Machine::new(12, &[]);
    let node = machine.start().await;
    let before = machine.log_content().batches.len();
    let names: Vec<String> = (0..50).map(|number| format!("topic-{number}")).collect();
    let creates = names.iter().map(|name| node.create(name, 1));
    let codes = futures_join(creates).await;
    assert!(codes.iter().all(|code| code.name() == "NONE"));
    let batches = machine.log_content().batches.len() - before;
    assert!(batches <= 2, "{batches} batches for 50 requests");
    assert_eq!(node.topic_names().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn of_two_requests_for_one_name_the_second_sees_the_first() {
    let machine = Machine::new(13, &[]);
    let node = machine.start().await;
    let mut codes: Vec<_> = futures_join([node.create("a", 1), node.create("a", 2)])
        .await
        .iter()
        .map(|code| code.name())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, ["NONE", "TOPIC_ALREADY_EXISTS"]);
}

#[tokio::test(start_paused = true)]
async fn topics_grow_change_and_go() {
    let machine = Machine::new(14, &[]);
    let node = machine.start().await;
    node.create("a", 1).await;
    let grow = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic { name: "a".into(), count: 4, assignments: None }],
        timeout_ms: 1000,
        ..CreatePartitionsRequest::default()
    };
    let grown = node.handle.create_partitions(grow, MutationTicket::free()).await.expect("it is answered");
    assert_eq!(grown.results[0].error_code.name(), "NONE");
    let alter = IncrementalAlterConfigsRequest {
        resources: vec![incremental_alter_configs_request::AlterConfigsResource {
            resource_type: 2,
            resource_name: "a".into(),
            configs: vec![incremental_alter_configs_request::AlterableConfig {
                name: "retention.ms".into(),
                config_operation: 0,
                value: Some("1000".into()),
            }],
        }],
        validate_only: false,
    };
    let altered = node.handle.alter_configs(alter.into()).await.expect("it is answered");
    assert_eq!(altered, [Ok(())]);
    {
        let image = node.image.load();
        assert_eq!(image.topics().by_name("a").map(|topic| topic.partition_count()), Some(4));
        assert_eq!(
            image.configs().topic("a").and_then(|configs| configs.get("retention.ms").cloned()).as_deref(),
            Some("1000")
        );
    }
    let delete =
        DeleteTopicsRequest { topic_names: vec!["a".into()], timeout_ms: 1000, ..Default::default() };
    let deleted = node.handle.delete_topics(delete, MutationTicket::free()).await.expect("it is answered");
    assert_eq!(deleted.responses[0].error_code.name(), "NONE");
    assert!(node.topic_names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_offsets_topic_is_made_with_its_own_settings() {
    let machine = Machine::new(15, &[("offsets.topic.num.partitions", "7"), ("num.partitions", "3")]);
    let node = machine.start().await;
    let names = ["__consumer_offsets", "other"].map(str::to_owned).to_vec();
    assert_eq!(node.handle.auto_create_topics(names.clone(), MutationTicket::free()).await, Ok(()));
    assert_eq!(
        node.handle.auto_create_topics(names, MutationTicket::free()).await,
        Ok(()),
        "that they exist is no error"
    );
    let image = node.image.load();
    let count = |name| image.topics().by_name(name).map(|topic| topic.partition_count());
    assert_eq!((count("__consumer_offsets"), count("other")), (Some(7), Some(3)));
    let configs = image.configs().topic("__consumer_offsets").expect("it has some");
    assert_eq!(configs.get("cleanup.policy").map(String::as_str), Some("compact"));
    assert_eq!(configs.get("segment.bytes").map(String::as_str), Some("104857600"));
}

#[tokio::test(start_paused = true)]
async fn no_producer_id_is_given_twice() {
    let machine = Machine::new(16, &[]);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let node = machine.start().await;
        let given = futures_join((0..1500).map(|_| node.handle.next_producer_id())).await;
        ids.extend(given.into_iter().map(|id| id.expect("there are ids")));
        node.kill(&machine).await;
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4500);
    assert_eq!((ids[0], ids[4499]), (0, 5499), "each life begins a block of its own");
}

#[tokio::test(start_paused = true)]
async fn the_quorum_describes_itself() {
    let machine = Machine::new(17, &[]);
    let node = machine.start().await;
    node.create("a", 1).await;
    let quorum = node.handle.describe_quorum().await.expect("it leads");
    let end = node.image.load().provenance().offset + 1;
    assert_eq!((quorum.view.leader_id, quorum.view.leader_epoch, quorum.view.high_watermark), (1, 1, end));
    assert_eq!(quorum.view.voters[0].log_end_offset, end);
    assert_eq!(quorum.voters.get(1).map(|voter| voter.endpoints[0].port), Some(9093));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_controller_refuses() {
    let machine = Machine::new(18, &[]);
    let node = machine.start().await;
    let handle = node.handle.clone();
    node.stop().await;
    let error = handle
        .create_topics(create_request(&["a"], 1), MutationTicket::free())
        .await
        .expect_err("it has stopped");
    assert_eq!(error.code.name(), "NOT_CONTROLLER");
    handle.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    let machine = Machine::new(19, &[]);
    let node = machine.start().await;
    node.create("before", 1).await;
    let used: usize = machine.disk.files().iter().map(|(_, bytes)| bytes.len()).sum();
    machine.disk.set_capacity_bytes(Some(used as u64));
    assert_eq!(
        node.handle
            .create_topics(create_request(&["full"], 1), MutationTicket::free())
            .await
            .expect_err("there is no space")
            .code
            .name(),
        "KAFKA_STORAGE_ERROR"
    );
    assert_eq!(node.topic_names(), ["before"]);
    machine.disk.set_capacity_bytes(None);
    assert_eq!(node.create("full", 1).await.name(), "NONE", "the name was never taken");
    assert_eq!(node.create("after", 1).await.name(), "NONE");
    node.kill(&machine).await;
    assert_eq!(machine.start().await.topic_names(), ["after", "before", "full"]);
}

/// The first flush of a life has no second copy.
#[tokio::test(start_paused = true)]
async fn nothing_is_acknowledged_before_it_stands_that_it_was_flushed() {
    let machine = Machine::new(20, &[]);
    let node = machine.start().await;
    node.create("before", 1).await;
    let full = |name| DiskFault::always(DiskAction::Write, DiskErrno::NoSpace).on(name);
    machine.disk.fail(full("recovery-point-offset-checkpoint"));
    machine.disk.fail(full(storage::TAIL_FILE));
    let handle = node.handle.clone();
    let created = tokio::spawn(async move {
        handle.create_topics(create_request(&["waits"], 1), MutationTicket::free()).await
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!created.is_finished() && node.topic_names() == ["before"], "it stands nowhere");
    machine.disk.heal();
    machine.disk.fail(full("recovery-point-offset-checkpoint"));
    let response = created.await.expect("no panic").expect("it is answered: a mark has its place");
    assert_eq!(response.topics[0].error_code.name(), "NONE");
    assert_eq!(node.topic_names(), ["before", "waits"]);
    machine.disk.fail(full(storage::TAIL_FILE));
    let error = node.handle.create_topics(create_request(&["never"], 1), MutationTicket::free()).await;
    assert!(error.is_err(), "nobody waits for ever");
    assert!(node.ended().await.expect_err("the node stops").to_string().contains("no space is left"));
}

/// Runs futures of one kind together, in order of first poll.
async fn futures_join<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |context| {
        for (future, output) in &mut pending {
            if output.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        if pending.iter().any(|(_, output)| output.is_none()) {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(pending.iter_mut().filter_map(|(_, output)| output.take()).collect())
    })
    .await
}
