//! The topics that consumers name in their JoinGroup blobs. Everything else in the blobs is none of our business.

use std::collections::BTreeSet;

use protocol::{ConsumerProtocolSubscription, Message, Reader};

/// The topics of all `blobs` together, `None` if one of them cannot be read.
///
/// A blob is an int16 version and a subscription. Every version starts with the fields of version 0, so reading those
/// is enough and works for versions to come.
pub(super) fn subscribed_topics<'a>(blobs: impl Iterator<Item = &'a [u8]>) -> Option<BTreeSet<String>> {
    let mut topics = BTreeSet::new();
    for blob in blobs {
        let mut reader = Reader::new(blob.get(2..)?);
        let subscription = ConsumerProtocolSubscription::decode(&mut reader, 0).ok()?;
        topics.extend(subscription.topics.into_iter().map(String::from));
    }
    Some(topics)
}
