//! A session's life, as a consumer drives it.

use super::*;

fn wanted(partition: i32) -> Wanted {
    Wanted {
        topic: TopicKey::Name("t".into()),
        name: None,
        partition,
        fetch_offset: 0,
        bytes_max: 100,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
    }
}

fn nameless(_: Uuid) -> Option<Arc<str>> {
    None
}

fn request(session_id: i32, session_epoch: i32, partitions: &[i32]) -> SessionRequest {
    SessionRequest {
        session_id,
        session_epoch,
        by_id: false,
        wanted: partitions.iter().map(|p| wanted(*p)).collect(),
        forgotten: Vec::new(),
    }
}

fn answer(high_watermark: i64, records_bytes: u64) -> Answer {
    Answer { high_watermark, log_start_offset: 0, records_bytes, must_tell: false, is_error: false }
}

fn open_full(sessions: &FetchSessions, partitions: &[i32], now_ms: i64) -> i32 {
    match sessions.open(request(0, 0, partitions), 7 << 33, now_ms, nameless).unwrap() {
        Context::Full(id, _) => id,
        other => panic!("{other:?}"),
    }
}

fn places(context: Context) -> Vec<(u64, i32)> {
    match context {
        Context::Incremental(_, list) => list.into_iter().map(|(place, w)| (place, w.partition)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_changes_are_told_and_partitions_take_turns() {
    let sessions = FetchSessions::new(10);
    let id = open_full(&sessions, &[0, 1], 0);
    let key = || TopicKey::Name("t".into());
    sessions.told_full(id, [(key(), 0, answer(5, 0)), (key(), 1, answer(5, 0))].into_iter());
    let list = places(sessions.open(request(id, 1, &[]), 0, 1, nameless).unwrap());
    assert_eq!(list, [(0, 0), (1, 1)]);
    assert_eq!(sessions.changed(id, &[(0, answer(5, 0)), (1, answer(6, 0))]), [false, true]);
    assert_eq!(sessions.changed(id, &[(0, answer(5, 9)), (1, answer(6, 0))]), [true, false]);
    let list = places(sessions.open(request(id, 2, &[]), 0, 1, nameless).unwrap());
    assert_eq!(list, [(1, 1), (2, 0)]);
}

#[test]
fn an_error_is_told_each_time_and_what_follows_too() {
    let sessions = FetchSessions::new(10);
    let id = open_full(&sessions, &[0], 0);
    let error = Answer { must_tell: true, is_error: true, ..answer(-1, 0) };
    assert_eq!(sessions.changed(id, &[(0, error)]), [true]);
    assert_eq!(sessions.changed(id, &[(0, error)]), [true]);
    assert_eq!(sessions.changed(id, &[(0, answer(5, 0))]), [true]);
    assert_eq!(sessions.changed(id, &[(0, answer(5, 0))]), [false]);
}

#[test]
fn ids_epochs_and_names_are_checked() {
    let sessions = FetchSessions::new(10);
    let id = open_full(&sessions, &[0], 0);
    let error = |r| sessions.open(r, 0, 0, nameless).unwrap_err();
    assert_eq!(error(request(id + 1, 1, &[])), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(error(request(id, 2, &[])), ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(
        error(SessionRequest { by_id: true, ..request(id, 1, &[]) }),
        ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
    );
    assert!(
        matches!(sessions.open(request(id, -1, &[0]), 0, 0, nameless), Ok(Context::Sessionless(list)) if list.len() == 1)
    );
    assert_eq!(error(request(id, 1, &[])), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[test]
fn forgetting_everything_ends_the_session() {
    let sessions = FetchSessions::new(10);
    let id = open_full(&sessions, &[0], 0);
    let forget = SessionRequest { forgotten: vec![(TopicKey::Name("t".into()), 0)], ..request(id, 1, &[]) };
    assert!(
        matches!(sessions.open(forget, 0, 0, nameless), Ok(Context::Sessionless(list)) if list.is_empty())
    );
}

#[test]
fn a_full_cache_gives_the_place_of_the_long_idle_or_the_small_and_old() {
    let sessions = FetchSessions::new(1);
    let open = |partitions: &[i32], id: u64, now_ms| {
        sessions.open(request(0, 0, partitions), id << 33, now_ms, nameless)
    };
    assert!(matches!(open(&[0], 7, 0), Ok(Context::Full(7, _))));
    assert!(matches!(open(&[0, 1], 8, 100), Ok(Context::Sessionless(_))));
    // The first has been idle for long enough.
    assert!(matches!(open(&[0, 1], 8, EVICTION_MS + 1), Ok(Context::Full(8, _))));
    assert!(matches!(open(&[0, 1, 2], 9, EVICTION_MS + 2), Ok(Context::Sessionless(_))));
    // The second is used all the time, but it is old and smaller than the third.
    let used = sessions.open(request(8, 1, &[]), 0, 2 * EVICTION_MS, nameless);
    assert!(matches!(used, Ok(Context::Incremental(8, _))));
    assert!(matches!(open(&[0], 9, 2 * EVICTION_MS + 2), Ok(Context::Sessionless(_))));
    assert!(matches!(open(&[0, 1, 2], 9, 2 * EVICTION_MS + 2), Ok(Context::Full(9, _))));
}
