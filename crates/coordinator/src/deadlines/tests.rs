//! Tests of the deadlines.

use super::Deadlines;

fn drain(deadlines: &mut Deadlines<&'static str>, now_ms: i64) -> Vec<&'static str> {
    std::iter::from_fn(|| deadlines.pop_expired(now_ms)).collect()
}

#[test]
fn fires_in_order_of_deadline_then_key() {
    let mut deadlines = Deadlines::default();
    deadlines.set(&"b", 20);
    deadlines.set(&"a", 20);
    deadlines.set(&"c", 10);
    assert_eq!(deadlines.next_ms(), Some(10));
    assert_eq!(drain(&mut deadlines, 9), Vec::<&str>::new());
    assert_eq!(drain(&mut deadlines, 20), ["c", "a", "b"]);
    assert!(deadlines.is_empty());
    assert_eq!(deadlines.next_ms(), None);
}

#[test]
fn moves_later_and_earlier() {
    let mut deadlines = Deadlines::default();
    deadlines.set(&"a", 10);
    deadlines.set(&"b", 15);
    deadlines.set(&"a", 30);
    assert_eq!(deadlines.next_ms(), Some(15));
    deadlines.set(&"b", 40);
    assert_eq!(deadlines.next_ms(), Some(30));
    deadlines.set(&"b", 5);
    assert_eq!(deadlines.next_ms(), Some(5));
    assert_eq!(deadlines.get(&"a"), Some(30));
    assert_eq!(drain(&mut deadlines, 29), ["b"]);
    deadlines.set(&"a", 50);
    deadlines.cancel(&"a");
    assert_eq!(deadlines.next_ms(), None);
    assert_eq!(deadlines.len(), 0);
}

#[test]
fn agrees_with_a_plain_model() {
    // A small deterministic generator is enough here: the model is what decides.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut deadlines = Deadlines::default();
    let mut model = std::collections::BTreeMap::new();
    let mut now_ms = 0;
    for _ in 0..20_000 {
        let key = next() % 16;
        match next() % 4 {
            0 | 1 => {
                let deadline_ms = now_ms + (next() % 50) as i64;
                deadlines.set(&key, deadline_ms);
                model.insert(key, deadline_ms);
            }
            2 => {
                deadlines.cancel(&key);
                model.remove(&key);
            }
            _ => {
                now_ms += (next() % 20) as i64;
                while let Some(key) = deadlines.pop_expired(now_ms) {
                    let (first_ms, first) =
                        model.iter().map(|(key, deadline_ms)| (*deadline_ms, *key)).min().unwrap();
                    assert!(first_ms <= now_ms);
                    assert_eq!(key, first);
                    model.remove(&key);
                }
            }
        }
        assert_eq!(deadlines.next_ms(), model.values().min().copied());
        assert_eq!(deadlines.len(), model.len());
    }
}
