//! What a cleaning knows of the transactions it comes across (KIP-98).
//!
//! Owns which batches belong to an aborted transaction and which markers have outlived their data. It sees headers and
//! markers in the order of the log, and what the indexes of aborted transactions say; never the disk.

use std::collections::{BTreeMap, BTreeSet};

use crate::txn_index::AbortedTxn;

/// What a control batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// The transaction is aborted.
    Abort,
    /// The transaction is committed.
    Commit,
    /// A control record that ends no transaction.
    Other,
    /// The record was taken out by an earlier cleaning.
    Emptied,
}

#[derive(Debug, Clone, Copy)]
struct Ongoing {
    txn: AbortedTxn,
    /// Whether a batch of it was met.
    has_data: bool,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    /// Aborted transactions that begin later, by first offset.
    coming: BTreeMap<(i64, i64), AbortedTxn>,
    aborted: BTreeMap<i64, Ongoing>,
    committed: BTreeSet<i64>,
    /// Aborted transactions of which something stays, for the index of the segment being written.
    kept: Vec<AbortedTxn>,
    /// Data was taken for committed or for aborted, and its marker says otherwise, or is not where the index says.
    is_contradicted: bool,
}

impl Transactions {
    /// Adds what an index says, of transactions that may have begun before.
    pub(crate) fn add_aborted(&mut self, transactions: impl IntoIterator<Item = AbortedTxn>) {
        self.coming.extend(transactions.into_iter().map(|txn| ((txn.first_offset, txn.producer_id), txn)));
    }

    /// Takes in a batch of records. Whether it was aborted, so that nothing of it counts.
    pub(crate) fn meet_batch(&mut self, producer_id: i64, last_offset: i64, is_transactional: bool) -> bool {
        self.begin_up_to(last_offset);
        if !is_transactional {
            return false;
        }
        match self.aborted.get_mut(&producer_id) {
            Some(ongoing) => {
                ongoing.has_data = true;
                true
            }
            None => {
                self.committed.insert(producer_id);
                false
            }
        }
    }

    /// Takes in a control batch. Whether nothing is left of what it ends, so that it may go in its time.
    pub(crate) fn meet_marker(&mut self, producer_id: i64, last_offset: i64, marker: Marker) -> bool {
        self.begin_up_to(last_offset);
        match marker {
            Marker::Emptied => true,
            Marker::Other => false,
            Marker::Commit => {
                self.is_contradicted |= self.aborted.contains_key(&producer_id);
                !self.committed.remove(&producer_id)
            }
            Marker::Abort => {
                let found = self.aborted.remove(&producer_id);
                let is_elsewhere = found.is_some_and(|ongoing| ongoing.txn.last_offset != last_offset);
                self.is_contradicted |= self.committed.remove(&producer_id) || is_elsewhere;
                match found {
                    Some(ongoing) if ongoing.has_data => {
                        self.kept.push(ongoing.txn);
                        false
                    }
                    _ => true,
                }
            }
        }
    }

    /// Whether a marker says something else than the indexes of aborted transactions: one of them is not as it was written.
    pub(crate) fn is_contradicted(&self) -> bool {
        self.is_contradicted
    }

    /// What the index of the segment written so far has to hold; each once.
    pub(crate) fn take_kept(&mut self) -> Vec<AbortedTxn> {
        std::mem::take(&mut self.kept)
    }

    fn begin_up_to(&mut self, offset: i64) {
        while let Some(entry) = self.coming.first_entry().filter(|entry| entry.key().0 <= offset) {
            let txn = entry.remove();
            self.aborted.entry(txn.producer_id).or_insert(Ongoing { txn, has_data: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txn(producer_id: i64, first_offset: i64, last_offset: i64) -> AbortedTxn {
        AbortedTxn { producer_id, first_offset, last_offset, last_stable_offset: last_offset + 1 }
    }

    #[test]
    fn a_commit_marker_stays_while_its_data_does() {
        let mut transactions = Transactions::default();
        assert!(!transactions.meet_batch(1, 4, true));
        assert!(!transactions.meet_marker(1, 5, Marker::Commit));
        assert!(transactions.meet_marker(1, 9, Marker::Commit), "nothing of the second one is left");
        assert!(transactions.take_kept().is_empty());
    }

    #[test]
    fn aborted_data_goes_first_and_its_marker_after_it() {
        let mut transactions = Transactions::default();
        transactions.add_aborted([txn(1, 3, 8), txn(1, 20, 25)]);
        assert!(!transactions.meet_batch(1, 2, false), "before, and in no transaction");
        assert!(transactions.meet_batch(1, 5, true));
        assert!(!transactions.meet_batch(2, 6, true), "another producer's");
        assert!(!transactions.meet_marker(1, 8, Marker::Abort));
        assert_eq!(transactions.take_kept(), [txn(1, 3, 8)]);
        assert!(!transactions.meet_batch(1, 12, true), "of a committed one");
        assert!(!transactions.meet_marker(1, 13, Marker::Commit));
        assert!(transactions.meet_marker(1, 25, Marker::Abort), "no data of it was met");
        assert!(transactions.take_kept().is_empty());
    }

    /// What one rotten bit of an entry may lead to.
    #[test]
    fn an_index_that_is_not_true_is_contradicted_by_the_markers() {
        for wrong in [txn(1, 2, 8), txn(1, 6, 8), txn(1, 5, 9), txn(2, 5, 8)] {
            let mut transactions = Transactions::default();
            transactions.add_aborted([wrong]);
            transactions.meet_batch(1, 2, true);
            transactions.meet_batch(2, 3, true);
            transactions.meet_marker(1, 4, Marker::Commit);
            transactions.meet_batch(1, 5, true);
            transactions.meet_batch(2, 6, true);
            transactions.meet_batch(1, 7, true);
            transactions.meet_marker(1, 8, Marker::Abort);
            transactions.meet_marker(2, 9, Marker::Commit);
            assert!(transactions.is_contradicted(), "{wrong:?}");
        }
    }

    #[test]
    fn markers_without_meaning() {
        let mut transactions = Transactions::default();
        assert!(transactions.meet_marker(1, 0, Marker::Emptied));
        assert!(!transactions.meet_marker(1, 1, Marker::Other));
        assert!(transactions.meet_marker(1, 2, Marker::Abort), "an abort of which no index knows");
        assert!(!transactions.is_contradicted(), "no data of it was met");
        assert!(!transactions.meet_batch(1, 3, true));
        transactions.meet_marker(1, 4, Marker::Abort);
        assert!(transactions.is_contradicted());
    }
}
