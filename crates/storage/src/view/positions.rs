//! A few places of a log where a batch is known to start.
//!
//! Owns the memory of recent appends and reads, so that a reader who goes on where it stopped, or who stops at a high
//! watermark just behind the end, needs neither index nor scan. Every entry is a hint that was true when noted;
//! whoever cuts the log forgets them all.

/// Recent appends remembered: how far the high watermark may lag before a reader has to search.
const APPENDS: usize = 8;
/// Recent read ends remembered: about the number of consumers that read a partition in step.
const READS: usize = 8;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    /// Base offset and revision of the segment.
    segment: (i64, u32),
    /// Reading this offset starts at `position`.
    offset: i64,
    position: u64,
}

#[derive(Debug)]
pub(crate) struct Positions {
    end: Place,
    recent: Option<Box<Recent>>,
}

/// Allocated when first used: most partitions of a large node are idle.
#[derive(Debug)]
struct Recent {
    appends: [Place; APPENDS],
    reads: [Place; READS],
    next_append: u8,
    next_read: u8,
}

const NOWHERE: Place = Place { segment: (-1, 0), offset: -1, position: 0 };

impl Positions {
    /// Knows only the end.
    pub(crate) fn new(segment: (i64, u32), end_offset: i64, end_position: u64) -> Self {
        Self { end: Place { segment, offset: end_offset, position: end_position }, recent: None }
    }

    /// The position at which reading `offset` of this segment starts.
    pub(crate) fn find(&self, segment: (i64, u32), offset: i64) -> Option<u64> {
        let same = |place: &&Place| place.segment == segment && place.offset == offset;
        if same(&&self.end) {
            return Some(self.end.position);
        }
        let recent = self.recent.as_ref()?;
        recent.reads.iter().chain(&recent.appends).find(same).map(|place| place.position)
    }

    /// The log now ends with this offset at this position.
    pub(crate) fn note_append(&mut self, segment: (i64, u32), end_offset: i64, end_position: u64) {
        let before = self.end;
        self.end = Place { segment, offset: end_offset, position: end_position };
        let recent = self.recent();
        recent.appends[usize::from(recent.next_append)] = before;
        recent.next_append = (recent.next_append + 1) % APPENDS as u8;
    }

    /// Somebody read up to this offset, and will go on there.
    pub(crate) fn note_read(&mut self, segment: (i64, u32), next_offset: i64, position: u64) {
        let place = Place { segment, offset: next_offset, position };
        let recent = self.recent();
        if recent.reads.contains(&place) {
            return;
        }
        recent.reads[usize::from(recent.next_read)] = place;
        recent.next_read = (recent.next_read + 1) % READS as u8;
    }

    fn recent(&mut self) -> &mut Recent {
        self.recent.get_or_insert_with(|| {
            Box::new(Recent {
                appends: [NOWHERE; APPENDS],
                reads: [NOWHERE; READS],
                next_append: 0,
                next_read: 0,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_and_recent_places_are_found() {
        let mut positions = Positions::new((0, 0), 10, 1000);
        assert_eq!(positions.find((0, 0), 10), Some(1000));
        assert_eq!(positions.find((0, 0), 9), None);
        assert_eq!(positions.find((5, 0), 10), None);
        positions.note_append((0, 0), 11, 1100);
        positions.note_append((0, 0), 12, 1200);
        assert_eq!([10, 11, 12].map(|o| positions.find((0, 0), o)), [Some(1000), Some(1100), Some(1200)]);
        positions.note_read((0, 0), 4, 400);
        assert_eq!(positions.find((0, 0), 4), Some(400));
    }

    #[test]
    fn the_oldest_place_is_forgotten_first() {
        let mut positions = Positions::new((0, 0), 0, 0);
        for n in 1..=APPENDS as i64 + 1 {
            positions.note_append((0, 0), n, n as u64 * 100);
        }
        assert_eq!(positions.find((0, 0), 0), None);
        assert_eq!(positions.find((0, 0), 1), Some(100));
        for n in 0..=READS as i64 {
            positions.note_read((7, 0), n, 1);
            positions.note_read((7, 0), n, 1);
        }
        assert_eq!(positions.find((7, 0), 0), None);
        assert_eq!(positions.find((7, 0), 1), Some(1));
    }
}
