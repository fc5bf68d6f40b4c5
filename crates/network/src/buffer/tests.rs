//! Frames cut at every place come out whole.

use super::*;

fn frame(len: usize, fill: u8) -> Vec<u8> {
    let mut bytes = (len as i32).to_be_bytes().to_vec();
    bytes.extend(std::iter::repeat_n(fill, len));
    bytes
}

/// Feeds `input` in pieces of `piece` bytes and returns the frames that came out as (length, first byte).
fn frames(input: &[u8], piece: usize) -> Vec<(usize, u8)> {
    let mut buffer = ReadBuffer::default();
    let mut rest = input;
    let mut out = Vec::new();
    loop {
        match buffer.head(1 << 20) {
            Head::Frame(bytes) => {
                let frame = buffer.frame(bytes);
                assert!(frame.iter().all(|b| *b == frame[0]));
                out.push((bytes, frame[0]));
                buffer.consume(bytes);
            }
            Head::Partial if rest.is_empty() => {
                assert!(buffer.is_empty());
                return out;
            }
            Head::Partial => {
                let space = buffer.space();
                assert!(!space.is_empty());
                let n = space.len().min(piece).min(rest.len());
                space[..n].copy_from_slice(&rest[..n]);
                buffer.filled(n);
                rest = &rest[n..];
            }
            Head::Invalid(length) => panic!("length {length}"),
        }
    }
}

#[test]
fn frames_survive_any_cut() {
    let sizes = [1, 100, 70_000, 5, 200_000, 64_000, 64_000, 3];
    let input: Vec<u8> = sizes.iter().enumerate().flat_map(|(i, len)| frame(*len, i as u8 + 1)).collect();
    let expected: Vec<(usize, u8)> = sizes.iter().enumerate().map(|(i, len)| (*len, i as u8 + 1)).collect();
    for piece in [1, 3, 1000, 65_536, usize::MAX] {
        assert_eq!(frames(&input, piece), expected, "pieces of {piece}");
    }
}

#[test]
fn a_length_out_of_bounds_is_named_before_anything_is_stored() {
    for length in [-1, i32::MIN, 101, i32::MAX] {
        let mut buffer = ReadBuffer::default();
        buffer.space()[..4].copy_from_slice(&length.to_be_bytes());
        buffer.filled(4);
        assert_eq!(buffer.head(100), Head::Invalid(length));
    }
}

#[test]
fn an_empty_buffer_goes_back_and_a_large_one_stays_until_told() {
    let mut buffer = ReadBuffer::default();
    assert!(!buffer.space().is_empty());
    buffer.release();
    assert!(buffer.data.is_empty());
    let input = frame(300_000, 1);
    buffer.space()[..4].copy_from_slice(&input[..4]);
    buffer.filled(4);
    assert_eq!(buffer.space().len(), 300_000);
    buffer.filled(300_000);
    buffer.consume(300_000);
    buffer.release();
    assert!(buffer.is_large());
    buffer.release_all();
    assert!(!buffer.is_large());
}
