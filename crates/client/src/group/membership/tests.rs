//! Conversations with a coordinator, line by line.

use super::*;

struct Script {
    membership: Membership,
    now_ms: i64,
}

impl Script {
    fn new(is_static: bool) -> Script {
        let config = MembershipConfig {
            heartbeat_interval_ms: 3_000,
            poll_interval_ms_max: 300_000,
            retry_backoff_ms: 100,
            retry_backoff_ms_max: 1_000,
            is_static,
        };
        Script { membership: Membership::new(config, 0), now_ms: 0 }
    }

    /// What an input brings about, as words.
    fn say(&mut self, input: Input) -> String {
        let mut effects = Vec::new();
        self.membership.handle(self.now_ms, input, &mut effects);
        shown(&effects)
    }

    /// What time brings about.
    fn wait(&mut self, ms: i64) -> String {
        self.now_ms += ms;
        let mut effects = Vec::new();
        self.membership.handle_timeout(self.now_ms, &mut effects);
        shown(&effects)
    }

    /// In a group of generation 1, as its leader.
    fn joined(is_static: bool) -> Script {
        let mut script = Script::new(is_static);
        assert_eq!(script.say(Input::Started), "find");
        assert_eq!(script.say(Input::Coordinator(Ok(()))), "join ''");
        assert_eq!(script.say(Input::MemberId("m".to_owned())), "join 'm'");
        assert_eq!(script.say(Input::Joined(Ok(generation(1)))), "sync 1");
        assert_eq!(script.say(Input::Synced(Ok(vec![7]))), "assigned 1 'm' [7]");
        script
    }

    fn rejoins(&mut self, id: i32) {
        assert_eq!(self.say(Input::Joined(Ok(generation(id)))), format!("sync {id}"));
        assert_eq!(self.say(Input::Synced(Ok(vec![8]))), format!("assigned {id} 'm' [8]"));
    }
}

fn generation(id: i32) -> Generation {
    Generation { id, member_id: "m".to_owned(), protocol: "range".to_owned(), members: None }
}

fn refused(code: ErrorCode) -> Failed {
    Failed::Code(code)
}

fn shown(effects: &[Effect]) -> String {
    let words = effects.iter().map(|effect| match effect {
        Effect::FindCoordinator => "find".to_owned(),
        Effect::Join { member_id } => format!("join '{member_id}'"),
        Effect::Sync(generation) => format!("sync {}", generation.id),
        Effect::Heartbeat { generation, .. } => format!("beat {generation}"),
        Effect::Release { lost: false } => "release".to_owned(),
        Effect::Release { lost: true } => "release lost".to_owned(),
        Effect::Assigned { generation, member_id, assignment } => {
            format!("assigned {generation} '{member_id}' {assignment:?}")
        }
        Effect::Leave { member_id } => format!("leave '{member_id}'"),
        Effect::Fail(code) => format!("fail {}", code.name()),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_member_joins_and_stays() {
    let mut script = Script::joined(false);
    assert_eq!(script.membership.poll_timeout(), Some(3_000));
    assert_eq!(script.wait(2_999), "");
    assert_eq!(script.wait(1), "beat 1");
    // One heartbeat is under way at a time.
    assert_eq!(script.wait(5_000), "");
    assert_eq!(script.say(Input::Beaten(1, Ok(()))), "");
    assert_eq!(script.wait(3_000), "beat 1");
}

#[test]
fn a_rebalance_waits_for_the_application() {
    let mut script = Script::joined(false);
    assert_eq!(script.wait(3_000), "beat 1");
    assert_eq!(script.say(Input::Beaten(1, Err(refused(ErrorCode::REBALANCE_IN_PROGRESS)))), "release");
    // While the application takes its time, the member stays alive.
    assert_eq!(script.wait(3_000), "beat 1");
    assert_eq!(script.say(Input::Beaten(1, Err(refused(ErrorCode::REBALANCE_IN_PROGRESS)))), "");
    assert_eq!(script.say(Input::Released), "join 'm'");
    script.rejoins(2);
    // A late answer to a heartbeat of the old generation changes nothing.
    assert_eq!(script.say(Input::Beaten(1, Err(refused(ErrorCode::ILLEGAL_GENERATION)))), "");
    assert_eq!(script.wait(3_000), "beat 2");
}

#[test]
fn a_member_that_was_thrown_out_begins_anew() {
    for code in [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::ILLEGAL_GENERATION] {
        let mut script = Script::joined(false);
        assert_eq!(script.wait(3_000), "beat 1");
        assert_eq!(script.say(Input::Beaten(1, Err(refused(code)))), "release lost");
        assert_eq!(script.say(Input::Released), "join ''");
        script.rejoins(2);
    }
    let mut script = Script::joined(false);
    assert_eq!(script.say(Input::Fenced), "release lost");
    assert_eq!(script.say(Input::Fenced), "");
}

#[test]
fn a_moved_coordinator_is_found_again() {
    for failed in
        [Failed::Lost, refused(ErrorCode::NOT_COORDINATOR), refused(ErrorCode::COORDINATOR_NOT_AVAILABLE)]
    {
        let mut script = Script::joined(false);
        assert_eq!(script.wait(3_000), "beat 1");
        assert_eq!(script.say(Input::Beaten(1, Err(failed))), "");
        assert_eq!(script.wait(99), "");
        assert_eq!(script.wait(1), "find");
        assert_eq!(script.say(Input::Coordinator(Err(Failed::Lost))), "");
        assert_eq!(script.wait(200), "find");
        // The member is still one, as far as anyone knows.
        assert_eq!(script.say(Input::Coordinator(Ok(()))), "beat 1");
        assert_eq!(script.say(Input::Beaten(1, Ok(()))), "");
    }
}

#[test]
fn joining_is_tried_again() {
    let mut script = Script::new(false);
    script.say(Input::Started);
    assert_eq!(script.say(Input::Coordinator(Ok(()))), "join ''");
    let load = refused(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    assert_eq!(script.say(Input::Joined(Err(load))), "");
    assert_eq!(script.wait(100), "join ''");
    assert_eq!(script.say(Input::Joined(Err(Failed::Lost))), "");
    assert_eq!(script.wait(200), "find");
    assert_eq!(script.say(Input::Coordinator(Ok(()))), "join ''");
    assert_eq!(script.say(Input::Joined(Ok(generation(4)))), "sync 4");
    assert_eq!(script.say(Input::Synced(Err(refused(ErrorCode::REBALANCE_IN_PROGRESS)))), "");
    assert_eq!(script.wait(400), "join 'm'");
    assert_eq!(script.say(Input::Joined(Err(refused(ErrorCode::UNKNOWN_MEMBER_ID)))), "");
    assert_eq!(script.wait(800), "join ''");
    script.rejoins(5);
}

#[test]
fn what_cannot_be_mended_ends() {
    for code in [
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ErrorCode::INVALID_SESSION_TIMEOUT,
        ErrorCode::GROUP_MAX_SIZE_REACHED,
        ErrorCode::FENCED_INSTANCE_ID,
    ] {
        let mut script = Script::new(false);
        script.say(Input::Started);
        script.say(Input::Coordinator(Ok(())));
        assert_eq!(script.say(Input::Joined(Err(refused(code)))), format!("fail {}", code.name()));
        assert_eq!(script.membership.poll_timeout(), None);
        assert_eq!(script.wait(1_000_000), "");
    }
    let mut script = Script::new(false);
    script.say(Input::Started);
    let code = ErrorCode::INVALID_GROUP_ID;
    assert_eq!(script.say(Input::Coordinator(Err(refused(code)))), "fail INVALID_GROUP_ID");
}

#[test]
fn an_application_that_does_not_poll_loses_its_place() {
    let mut script = Script::joined(false);
    script.wait(3_000);
    script.say(Input::Beaten(1, Ok(())));
    assert_eq!(script.say(Input::Polled), "");
    assert_eq!(script.wait(300_000), "leave 'm', release lost");
    assert_eq!(script.membership.poll_timeout(), None);
    // It comes back when it has let go and polls.
    assert_eq!(script.say(Input::Polled), "");
    assert_eq!(script.say(Input::Released), "");
    assert_eq!(script.say(Input::Polled), "join ''");
    script.rejoins(3);
    // A static member keeps its place in the group, and its partitions are lost all the same.
    let mut script = Script::joined(true);
    assert_eq!(script.wait(300_000), "release lost");
}

#[test]
fn a_changed_subscription_is_announced() {
    let mut script = Script::joined(false);
    assert_eq!(script.say(Input::SubscriptionChanged), "release");
    assert_eq!(script.say(Input::Released), "join 'm'");
    // It changes again while the member is joining.
    assert_eq!(script.say(Input::SubscriptionChanged), "");
    assert_eq!(script.say(Input::Joined(Ok(generation(2)))), "sync 2");
    assert_eq!(script.say(Input::Synced(Ok(vec![8]))), "assigned 2 'm' [8], release");
    assert_eq!(script.say(Input::Released), "join 'm'");
    script.rejoins(3);
}

#[test]
fn a_member_leaves_once() {
    let mut script = Script::joined(false);
    assert_eq!(script.say(Input::Leaving), "leave 'm'");
    assert_eq!(script.say(Input::Leaving), "");
    assert_eq!(script.say(Input::Polled), "");
    assert_eq!(Script::joined(true).say(Input::Leaving), "");
    assert_eq!(Script::new(false).say(Input::Leaving), "");
}
