//! The codecs against the reference implementations of their formats, and against streams that lie.

use std::io::{Read, Write};

use crate::{Batch, BatchBuilder, BatchSettings, Compression, CompressionError};

/// Text with structure, so that every codec shrinks it, longer than any codec's block.
fn text(bytes: usize) -> Vec<u8> {
    let mut state = 7u64;
    let words = ["flight", "carrier", "delay", "tailnum", "UA", "EWR", "2013", ","];
    let mut out = Vec::with_capacity(bytes + 16);
    while out.len() < bytes {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        out.extend_from_slice(words[(state >> 60) as usize % words.len()].as_bytes());
        if state >> 33 & 7 == 0 {
            out.extend_from_slice(&state.to_be_bytes());
        }
    }
    out.truncate(bytes);
    out
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 99u64;
    (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        })
        .collect()
}

fn pack(codec: Compression, plain: &[u8]) -> Vec<u8> {
    let mut out = b"kept".to_vec();
    codec.compress(None, plain, &mut out).unwrap();
    assert_eq!(&out[..4], b"kept");
    out.split_off(4)
}

fn unpack(codec: Compression, packed: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = b"kept".to_vec();
    codec.decompress(packed, limit, &mut out)?;
    assert_eq!(&out[..4], b"kept");
    Ok(out.split_off(4))
}

#[test]
fn every_codec_gives_back_what_it_took() {
    for codec in Compression::ALL {
        for plain in
            [text(0), text(1), text(200), text(32 * 1024), text(64 * 1024), text(300_000), noise(200_000)]
        {
            // The end of a zstd or gzip stream is in its bytes, and there are some even for nothing.
            let packed = pack(codec, &plain);
            assert_eq!(unpack(codec, &packed, plain.len()), Ok(plain.clone()), "{codec}");
            assert_eq!(unpack(codec, &packed, usize::MAX), Ok(plain.clone()), "{codec}");
            if !plain.is_empty() {
                let limit_bytes = plain.len() - 1;
                let refused = unpack(codec, &packed, limit_bytes);
                assert!(matches!(refused, Err(CompressionError::Limit { .. })), "{codec}: {refused:?}");
            }
        }
        if codec != Compression::None {
            assert!(pack(codec, &text(300_000)).len() < 250_000, "{codec}");
        }
    }
}

#[test]
fn reference_readers_read_our_streams() {
    for plain in [text(3), text(150_000), noise(150_000)] {
        let mut out = Vec::new();
        lz4_flex::frame::FrameDecoder::new(pack(Compression::Lz4, &plain).as_slice())
            .read_to_end(&mut out)
            .unwrap();
        assert_eq!(out, plain);
        let mut out = Vec::new();
        flate2::read::GzDecoder::new(pack(Compression::Gzip, &plain).as_slice())
            .read_to_end(&mut out)
            .unwrap();
        assert_eq!(out, plain);
        assert_eq!(zstd::decode_all(pack(Compression::Zstd, &plain).as_slice()).unwrap(), plain);
    }
}

#[test]
fn streams_of_reference_writers_are_read() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    let plain = text(700_000);
    for block_size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
        for checksums in [false, true] {
            let info = FrameInfo::new()
                .block_mode(BlockMode::Independent)
                .block_size(block_size)
                .block_checksums(checksums)
                .content_checksum(checksums)
                .content_size(checksums.then_some(plain.len() as u64));
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(&plain).unwrap();
            let packed = encoder.finish().unwrap();
            assert_eq!(unpack(Compression::Lz4, &packed, plain.len()).as_ref(), Ok(&plain));
            assert!(unpack(Compression::Lz4, &packed, plain.len() - 1).is_err());
        }
    }
    // Raw Snappy, as librdkafka once wrote it.
    let raw = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
    assert_eq!(unpack(Compression::Snappy, &raw, plain.len()).as_ref(), Ok(&plain));
    // Zstd without a content size, as streams write it, at a level with a large window.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 22).unwrap();
    encoder.write_all(&plain).unwrap();
    assert_eq!(unpack(Compression::Zstd, &encoder.finish().unwrap(), plain.len()).as_ref(), Ok(&plain));
    // Gzip with every optional field of its header.
    let packed = flate2::GzBuilder::new()
        .extra(vec![1, 2, 3])
        .filename("name")
        .comment("comment")
        .mtime(77)
        .write(Vec::new(), flate2::Compression::fast());
    let mut packed = packed;
    packed.write_all(&plain).unwrap();
    assert_eq!(unpack(Compression::Gzip, &packed.finish().unwrap(), plain.len()).as_ref(), Ok(&plain));
}

#[test]
fn streams_may_follow_one_another() {
    let (first, second) = (text(100_000), noise(50_000));
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Zstd] {
        let packed = [pack(codec, &first), pack(codec, &second)].concat();
        assert_eq!(
            unpack(codec, &packed, usize::MAX).unwrap(),
            [first.clone(), second.clone()].concat(),
            "{codec}"
        );
    }
}

#[test]
fn linked_lz4_blocks_are_refused_as_in_kafka() {
    use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
    let mut encoder =
        FrameEncoder::with_frame_info(FrameInfo::new().block_mode(BlockMode::Linked), Vec::new());
    encoder.write_all(&text(100_000)).unwrap();
    let packed = encoder.finish().unwrap();
    assert!(matches!(unpack(Compression::Lz4, &packed, usize::MAX), Err(CompressionError::Broken { .. })));
}

#[test]
fn a_cut_stream_is_broken_at_every_length() {
    let plain = text(5_000);
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let packed = pack(codec, &plain);
        for length in 0..packed.len() {
            let cut = unpack(codec, &packed[..length], usize::MAX);
            assert!(matches!(cut, Err(CompressionError::Broken { .. })), "{codec} at {length}: {cut:?}");
        }
    }
    // Snappy has no end mark: a stream cut between blocks is a shorter stream.
    let packed = pack(Compression::Snappy, &plain);
    for length in 17..packed.len() {
        assert!(unpack(Compression::Snappy, &packed[..length], usize::MAX).is_err(), "{length}");
    }
}

#[test]
fn a_flipped_bit_never_panics_and_never_exceeds_the_limit() {
    let plain = text(2_000);
    for codec in Compression::ALL {
        let packed = pack(codec, &plain);
        for at in 0..packed.len() * 8 {
            let mut flipped = packed.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let mut out = Vec::new();
            let _ = codec.decompress(&flipped, 4_000, &mut out);
            assert!(out.len() <= 4_000);
            assert!(out.capacity() <= 1 << 20, "{codec}: {}", out.capacity());
        }
        // The contexts that met garbage still work.
        assert_eq!(unpack(codec, &packed, plain.len()).as_ref(), Ok(&plain));
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let zeros = vec![0; 64 << 20];
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let packed = pack(codec, &zeros);
        let mut out = Vec::new();
        let refused = codec.decompress(&packed, 1 << 20, &mut out);
        assert!(
            matches!(refused, Err(CompressionError::Limit { limit_bytes, .. }) if limit_bytes <= 1 << 20)
        );
        assert!(out.capacity() <= 8 << 20, "{codec}: {}", out.capacity());
    }
    // A Snappy block that claims 4 GiB in a few bytes gets no memory at all.
    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0];
    let mut out = Vec::new();
    assert!(Compression::Snappy.decompress(&claim, usize::MAX, &mut out).is_err());
    assert_eq!(out.capacity(), 0);
}

#[test]
fn levels_are_checked() {
    let mut out = Vec::new();
    for (codec, level) in [(Compression::Gzip, 10), (Compression::Gzip, -2), (Compression::Zstd, 23)] {
        let refused = codec.compress(Some(level), b"x", &mut out);
        assert_eq!(refused, Err(CompressionError::Level { codec, level }));
    }
    let plain = text(10_000);
    for (codec, levels) in [(Compression::Gzip, [-1, 0, 1, 9]), (Compression::Zstd, [-5, 1, 3, 19])] {
        for level in levels {
            let mut packed = Vec::new();
            codec.compress(Some(level), &plain, &mut packed).unwrap();
            assert_eq!(unpack(codec, &packed, plain.len()).as_ref(), Ok(&plain));
        }
    }
}

#[test]
fn names_and_ids() {
    for codec in Compression::ALL {
        assert_eq!(Compression::from_id(codec.id()), Some(codec));
        assert_eq!(codec.name().parse(), Ok(codec));
    }
    assert_eq!("uncompressed".parse(), Ok(Compression::None));
    assert!("brotli".parse::<Compression>().is_err());
    assert_eq!(Compression::from_id(5), None);
}

#[test]
fn a_batch_that_compression_makes_too_large_stays_plain() {
    let noise: Vec<u8> = (0..2_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let build = |value: &[u8], size_bytes_max: usize| {
            let mut builder = BatchBuilder::new(BatchSettings { compression, ..BatchSettings::default() });
            builder.append(None, Some(value), &[], 5).unwrap();
            let plain_bytes = builder.size_bytes();
            let bytes = builder.build_within(size_bytes_max).unwrap();
            let batch = Batch::parse(&bytes).unwrap();
            batch.verify_crc().unwrap();
            let mut scratch = Vec::new();
            let records: Vec<_> = batch.open(1 << 20, &mut scratch).unwrap().map(Result::unwrap).collect();
            assert_eq!(records[0].value, Some(value));
            (batch.header.compression().unwrap(), plain_bytes)
        };
        assert_eq!(build(&[7; 2_000], 500).0, compression);
        let (codec, plain_bytes) = build(&noise, 500);
        assert_eq!(codec, Compression::None, "{compression:?}");
        assert_eq!(build(&noise, plain_bytes * 2).0, compression);
    }
}
