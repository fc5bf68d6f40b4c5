//! Groups across the steps of a reader.

use platform::{OpenMode, Platform};

use super::super::frame::{GroupHead, finish_group};
use super::*;

const OF_USE: FileUse = FileUse { sequence: 3, salt: 5 };

struct Written {
    file: Arc<dyn File>,
    size: u64,
    /// Where each group begins, and its bytes.
    groups: Vec<(u64, Vec<u8>)>,
}

/// A file of groups with bodies of these sizes.
fn write(platform: &Platform, path: &std::path::Path, bodies: &[usize]) -> Written {
    let file = platform.disk.open(path, OpenMode::Create).expect("a file can be made");
    let mut position = BLOCK_BYTES as u64;
    let mut groups = Vec::new();
    for (number, body) in (1..).zip(bodies) {
        let mut bytes = vec![number as u8; GROUP_HEAD_BYTES + body];
        let head = GroupHead { of_use: OF_USE, number, proven: 0, needed_from: 1, frames: 0 };
        finish_group(&mut bytes, 0, &head, &[]);
        file.write_at(&bytes, position).expect("it can be written");
        let at = position;
        position += bytes.len() as u64;
        bytes.truncate(GROUP_HEAD_BYTES + body);
        groups.push((at, bytes));
    }
    Written { file, size: position, groups }
}

#[test]
fn every_group_comes_whole_however_it_lies_across_the_steps() {
    // Groups that end with a step, that go over its end by little and by much, and that are larger than a step.
    let bodies = [3 << 20, 1000, 1 << 20, 4 << 20, 100, 5 << 20, 2 << 20, 2 << 20, 40, 40, 7 << 20, 9000];
    let temp = tempfile::tempdir().expect("a directory can be made");
    for platform in [Platform::os(), Platform::sim(1)] {
        let path = if platform.disk.exists(temp.path()) { temp.path().to_path_buf() } else { "/".into() };
        let Written { file, size, groups } = write(&platform, &path.join("wal"), &bodies);
        let ahead =
            |buffers| BlockReader::reading_ahead(Arc::clone(&file), size, &platform.blocking, buffers);
        let mut earlier = ahead(Vec::new());
        let last = groups.last().expect("there are some").0;
        assert!(earlier.group_at(last, OF_USE).expect("the disk reads").is_some());
        let readers = [
            BlockReader::new(Arc::clone(&file), size),
            ahead(Vec::new()),
            ahead(earlier.into_buffers()),
            BlockReader::with_steps(Arc::clone(&file), size, BLOCK_BYTES),
        ];
        for mut reader in readers {
            for (position, bytes) in &groups {
                let found = reader.group_at(*position, OF_USE).expect("the disk reads");
                assert!(found == Some(bytes.as_slice()), "the group at {position}");
            }
            assert!(reader.group_at(size, OF_USE).expect("the disk reads").is_none());
            // Going back is possible too.
            let (position, bytes) = &groups[2];
            assert!(reader.group_at(*position, OF_USE).expect("the disk reads") == Some(bytes.as_slice()));
        }
    }
}

#[test]
fn a_head_that_claims_more_than_there_is_is_no_group() {
    let platform = Platform::sim(1);
    let Written { file, size, groups } = write(&platform, std::path::Path::new("/wal"), &[100, 9000]);
    let mut reader =
        BlockReader::reading_ahead(file, size - BLOCK_BYTES as u64, &platform.blocking, Vec::new());
    assert!(reader.group_at(groups[0].0, OF_USE).expect("the disk reads").is_some());
    assert!(reader.group_at(groups[1].0, OF_USE).expect("the disk reads").is_none());
}
