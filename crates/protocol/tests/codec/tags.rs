//! Tag sections. Owns the rules: ascending tags, exact sizes, unknown tags passed over.

use protocol::{DecodeError, FetchRequest, from_slice, to_vec};

use crate::corpus::VECTORS;

/// The body of a Fetch request, version 15, up to its tag section.
fn fetch_body() -> Vec<u8> {
    let mut bytes = to_vec(&FetchRequest { max_bytes: 0, ..FetchRequest::default() }, 15).unwrap();
    assert_eq!(bytes.pop(), Some(0), "no tags are set");
    bytes
}

fn with_tags(tags: &[u8]) -> Result<FetchRequest<'static>, DecodeError> {
    let bytes = [fetch_body().as_slice(), tags].concat();
    from_slice::<FetchRequest<'_>>(&bytes, 15).map(FetchRequest::into_owned)
}

#[test]
fn known_tags_are_read() {
    let both = [2, 0, 3, 3, b'i', b'd', 1, 13, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 0];
    let request = with_tags(&both[..]).unwrap();
    assert_eq!(request.cluster_id.as_deref(), Some("id"));
    assert_eq!((request.replica_state.replica_id, request.replica_state.replica_epoch), (7, 9));
}

#[test]
fn a_known_tag_must_use_its_whole_size() {
    let at = fetch_body().len();
    assert_eq!(with_tags(&[1, 0, 4, 3, b'i', b'd', 0]), Err(DecodeError::TagSize { at: at + 6, count: 1 }));
}

#[test]
fn a_known_tag_cannot_reach_beyond_its_size() {
    let at = fetch_body().len();
    let error = DecodeError::Truncated { at: at + 4, needed: 2, remaining: 1 };
    assert_eq!(with_tags(&[1, 0, 2, 3, b'i', b'd', 0]), Err(error));
}

#[test]
fn tags_must_ascend() {
    let at = fetch_body().len();
    let twice = [2, 0, 3, 3, b'i', b'd', 0, 3, 3, b'i', b'd'];
    assert_eq!(with_tags(&twice), Err(DecodeError::TagOrder { at: at + 6, tag: 0 }));
    let descending = [2, 9, 0, 8, 0];
    assert_eq!(with_tags(&descending), Err(DecodeError::TagOrder { at: at + 3, tag: 8 }));
}

#[test]
fn a_size_beyond_the_message_is_an_error() {
    let at = fetch_body().len();
    let error = DecodeError::Truncated { at: at + 3, needed: 2, remaining: 1 };
    assert_eq!(with_tags(&[1, 9, 2, 0]), Err(error));
}

#[test]
fn a_count_beyond_the_message_is_an_error() {
    assert!(matches!(with_tags(&[0xff, 0xff, 0xff, 0xff, 0x0f, 5, 0]), Err(DecodeError::Truncated { .. })));
}

#[test]
fn unknown_tags_are_passed_over_in_every_flexible_message() {
    let mut seen = 0;
    for v in VECTORS.iter().filter(|v| v.version >= v.entry().flexible_from) {
        let Some((0, body)) = v.bytes.split_last() else { continue };
        // The last byte may also be the end of a tagged value; then the longer message is refused, not misread.
        let longer = [body, &[2, 0x64, 3, 1, 2, 3, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]].concat();
        if (v.entry().recode)(&longer, v.version, v.version).is_ok_and(|again| again == v.bytes) {
            seen += 1;
        }
    }
    assert!(seen > 900, "{seen}");
}
