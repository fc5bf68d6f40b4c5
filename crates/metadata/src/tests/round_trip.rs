//! An image becomes records, and the records become the same image.

use proptest::prelude::*;
use protocol::MetadataRecord;

use super::arbitrary::record;
use super::image_of;
use crate::{MetadataDelta, MetadataImage};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_records_of_an_image_make_the_same_image(history in prop::collection::vec(record(), 0..120)) {
        let mut image = MetadataImage::empty();
        for record in &history {
            let mut delta = MetadataDelta::new(image.clone());
            if delta.replay(record).is_ok() {
                image = delta.into_image(crate::Provenance::default());
            }
        }
        let records = image.to_records();
        let encoded: Vec<Vec<u8>> =
            records.iter().map(|record| record.encode_framed().expect("it is encodable")).collect();
        let decoded: Vec<MetadataRecord<'_>> =
            encoded.iter().map(|bytes| MetadataRecord::decode_framed(bytes).expect("it is decodable")).collect();
        let again = image_of(&MetadataImage::empty(), &decoded);
        prop_assert_eq!(&again, &image);
        prop_assert_eq!(again.topics().partition_count(), image.topics().partition_count());
        prop_assert_eq!(again.to_records(), records, "the order of the records is a function of the image");
    }
}

#[test]
fn an_image_is_shared_where_it_does_not_change() {
    let (a, b) = (super::uuid(1), super::uuid(2));
    let base = image_of(
        &MetadataImage::empty(),
        &[super::topic("a", a), super::partition(a, 0), super::broker(1, 5)],
    );
    let next = image_of(&base, &[super::topic("b", b), super::partition(b, 0)]);
    assert!(std::ptr::eq(base.cluster(), next.cluster()));
    let (before, after) = (base.topics().by_id(a).expect("a"), next.topics().by_id(a).expect("a"));
    assert!(std::sync::Arc::ptr_eq(before, after));
}
