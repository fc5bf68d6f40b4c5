//! Columns and units.

use super::{humanized_bytes, table};

#[test]
fn columns_are_aligned_without_borders_or_trailing_space() {
    let rows = [["a".to_owned(), "10".to_owned()], ["longer".to_owned(), String::new()]];
    let text = table(&["NAME", "PARTITIONS"], rows.iter().map(|row| row.to_vec()));
    assert_eq!(text, "NAME    PARTITIONS\na       10\nlonger\n");
}

#[test]
fn bytes_are_humanized() {
    let shown = [0, 1023, 1024, 15_000, 31_053_850, u64::MAX].map(humanized_bytes);
    assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "15 KiB", "30 MiB", "16777216 TiB"]);
}
