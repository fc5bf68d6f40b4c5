//! Who is remembered, who is forgotten, and that there are never too many.

use super::*;

fn client(client_id: &str) -> Client<'_> {
    Client { user: "u", client_id }
}

#[test]
fn an_entity_keeps_its_state() {
    let mut tracked = Tracked::<u32>::default();
    *tracked.state(client("a"), 0) = 7;
    *tracked.state(client("b"), 1) = 8;
    assert_eq!((*tracked.state(client("a"), 2), *tracked.state(client("b"), 2)), (7, 8));
    assert_eq!(tracked.len(), 2);
}

#[test]
fn who_is_silent_for_an_hour_is_forgotten() {
    let mut tracked = Tracked::<u32>::default();
    *tracked.state(client("a"), 0) = 7;
    *tracked.state(client("b"), 60_000) = 8;
    tracked.state(client("c"), IDLE_MS + 1);
    assert_eq!(tracked.len(), 2, "a is gone when a newcomer looks for room");
    assert_eq!((*tracked.state(client("a"), IDLE_MS + 2), *tracked.state(client("b"), IDLE_MS + 2)), (0, 8));
}

#[test]
fn a_flood_of_names_is_bounded_and_takes_the_silent_ones_places() {
    let mut tracked = Tracked::<u32>::default();
    for number in 0..TRACKED_MAX as i64 {
        *tracked.state(client(&number.to_string()), number / 4) = 7;
    }
    let now_ms = TRACKED_MAX as i64;
    *tracked.state(client("0"), now_ms) = 9;
    for number in 0..100 {
        tracked.state(client(&format!("new-{number}")), now_ms);
        assert!(tracked.len() <= TRACKED_MAX);
    }
    assert_eq!(*tracked.state(client("0"), now_ms), 9, "who was active lately is remembered");
    assert_eq!(*tracked.state(client("1"), now_ms), 0, "who was silent longest is not");
    let last = (TRACKED_MAX - 1).to_string();
    assert_eq!(*tracked.state(client(&last), now_ms), 7);
}

#[test]
fn a_flood_within_one_millisecond_is_bounded() {
    let mut tracked = Tracked::<u32>::default();
    for number in 0..2 * TRACKED_MAX {
        tracked.state(client(&number.to_string()), 5);
        assert!(tracked.len() <= TRACKED_MAX);
    }
}
