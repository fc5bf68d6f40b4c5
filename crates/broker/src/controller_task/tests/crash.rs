//! The power goes at every step in turn: what was answered is there, and the node always starts again.

use super::node::Machine;
use crate::mutation_ticket::MutationTicket;

/// Two starts with work between them, on a disk that stops at its `n`-th changing call. Gives the names of topics whose
/// creation was answered.
async fn work(machine: &Machine, prefix: &str) -> Vec<String> {
    let mut answered = Vec::new();
    let Ok(node) = machine.try_start().await else { return answered };
    for number in 0..3 {
        let name = format!("{prefix}-{number}");
        let request = super::node::create_request(&[&name], 1);
        match node.handle.create_topics(request, MutationTicket::free()).await {
            Ok(response) if response.topics[0].error_code.name() == "NONE" => answered.push(name),
            _ => break,
        }
    }
    node.lose_power(machine).await;
    answered
}

#[tokio::test(start_paused = true)]
async fn nothing_answered_is_lost_at_whatever_step_the_power_goes() {
    let first = Machine::new(31, &[]);
    let in_first = work(&first, "first").await;
    assert_eq!(in_first.len(), 3);
    // How many steps the second life takes.
    let before = first.disk.effects();
    let whole = Machine::on(first.disk.fork(0), 0, &[]);
    let steps = {
        work(&whole, "second").await;
        whole.disk.effects()
    };
    assert!(steps > 5 && before > 5);
    for step in 1..=steps {
        // Not the chance of the first life, which would give the same topic ids again.
        let machine = Machine::on(first.disk.fork(step), 1000 + step, &[]);
        machine.disk.halt_after(step);
        let answered = work(&machine, "second").await;
        machine.disk.crash();
        let node = machine.start().await;
        let names = node.topic_names();
        for name in in_first.iter().chain(&answered) {
            assert!(names.contains(name), "step {step}: {name} was answered and is gone; there is {names:?}");
        }
        assert_eq!(node.create("after", 1).await.name(), "NONE", "step {step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_start_that_loses_its_power_is_followed_by_a_good_one() {
    let whole = Machine::new(32, &[]);
    work(&whole, "first").await;
    let steps = whole.disk.effects();
    for step in 1..=steps {
        let machine = Machine::new(step, &[]);
        machine.disk.halt_after(step);
        let answered = work(&machine, "first").await;
        machine.disk.crash();
        let node = machine.start().await;
        let names = node.topic_names();
        for name in &answered {
            assert!(names.contains(name), "step {step}: {name} was answered and is gone; there is {names:?}");
        }
    }
}
