//! Whatever is put into a batch comes out of it, under every codec.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::{
    Batch, BatchBuilder, BatchSettings, Compression, Header, ProduceRules, Rewrite, batches, validate_produce,
};

type Field = Option<Vec<u8>>;
type Plain = (Field, Field, Vec<(Vec<u8>, Field)>, i64);

fn field() -> impl Strategy<Value = Field> {
    option::of(vec(any::<u8>(), 0..40))
}

fn record() -> impl Strategy<Value = Plain> {
    let headers = vec((vec(any::<u8>(), 0..10), field()), 0..4);
    let timestamp = prop_oneof![Just(-1), 0..10_000i64, any::<i64>()];
    (field(), field(), headers, timestamp)
}

fn settings() -> impl Strategy<Value = BatchSettings> {
    let producer = option::of((0..i64::MAX, 0..i16::MAX, 0..i32::MAX));
    (0..5usize, producer, any::<bool>(), option::of(any::<i64>())).prop_map(
        |(codec, producer, transactional, log_append_time_ms)| {
            let (producer_id, producer_epoch, base_sequence) = producer.unwrap_or((-1, -1, -1));
            BatchSettings {
                compression: Compression::ALL[codec],
                producer_id,
                producer_epoch,
                base_sequence,
                transactional,
                log_append_time_ms,
                ..BatchSettings::default()
            }
        },
    )
}

fn build(settings: &BatchSettings, records: &[Plain]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(settings.clone());
    for (key, value, headers, timestamp) in records {
        let headers: Vec<_> =
            headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        let size = builder.size_with(key.as_deref(), value.as_deref(), &headers, *timestamp);
        builder.append(key.as_deref(), value.as_deref(), &headers, *timestamp).unwrap();
        assert_eq!(builder.size_bytes(), size);
    }
    builder.build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn records_survive(settings in settings(), records in vec(record(), 1..30)) {
        let bytes = build(&settings, &records);
        let batch = Batch::parse(&bytes).unwrap();
        batch.verify_crc().unwrap();
        let header = &batch.header;
        prop_assert_eq!(header.records_count as usize, records.len());
        prop_assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence),
            (settings.producer_id, settings.producer_epoch, settings.base_sequence));
        prop_assert_eq!(header.is_transactional(), settings.transactional);
        let mut scratch = Vec::new();
        let found = batch.open(1 << 20, &mut scratch).unwrap();
        prop_assert_eq!(found.remaining(), records.len());
        for (index, (found, wanted)) in found.zip(&records).enumerate() {
            let found = found.unwrap();
            prop_assert_eq!(found.offset, index as i64);
            prop_assert_eq!(found.timestamp, settings.log_append_time_ms.unwrap_or(wanted.3));
            prop_assert_eq!(found.key, wanted.0.as_deref());
            prop_assert_eq!(found.value, wanted.1.as_deref());
            let headers: Vec<_> = found.headers.map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
            prop_assert_eq!(&headers, &wanted.2);
        }
    }

    /// The streaming walk over compressed bytes and the walk over plain bytes come to the same verdict.
    #[test]
    fn the_verdict_does_not_depend_on_the_codec(
        settings in settings(),
        records in vec(record(), 1..20),
        compacted in any::<bool>(),
        before in prop_oneof![Just(i64::MAX), 0..10_000i64],
    ) {
        let rules = ProduceRules {
            compacted,
            timestamp_before_max_ms: before,
            timestamp_after_max_ms: 5_000,
            now_ms: 6_000,
            ..ProduceRules::default()
        };
        let verdicts: Vec<_> = Compression::ALL.into_iter().map(|compression| {
            let bytes = build(&BatchSettings { compression, ..settings.clone() }, &records);
            validate_produce(&bytes, &rules).map(|valid| (valid.max_timestamp, valid.rewrite == Rewrite::Offsets))
        }).collect();
        for verdict in &verdicts[1..] {
            prop_assert_eq!(verdict, &verdicts[0]);
        }
    }

    #[test]
    fn a_run_of_batches_is_walked_and_its_cut_end_left(
        sizes in vec(1..5usize, 1..5),
        cut in 1..40usize,
    ) {
        let one = |count: usize| build(&BatchSettings::default(), &vec![(None, Some(vec![1; 20]), vec![], 5); count]);
        let whole: Vec<u8> = sizes.iter().flat_map(|&count| one(count)).collect();
        prop_assert_eq!(batches(&whole).map(Result::unwrap).count(), sizes.len());
        let mut walk = batches(&whole[..whole.len() - cut]);
        prop_assert_eq!(walk.by_ref().map(Result::unwrap).count(), sizes.len() - 1);
        prop_assert_eq!(walk.rest().len(), whole.len() - cut - walk.position());
        prop_assert_eq!(whole.len() - walk.position(), one(*sizes.last().unwrap()).len());
    }

    #[test]
    fn noise_is_refused_without_a_panic(noise in vec(any::<u8>(), 0..300)) {
        prop_assert!(validate_produce(&noise, &ProduceRules::default()).is_err());
        for batch in batches(&noise) {
            let _ = batch.map(|batch| batch.open(1 << 16, &mut Vec::new()).map(Iterator::count));
        }
    }
}
