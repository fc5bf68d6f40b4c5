//! The file that tells of every loss somebody decided on.
//!
//! Owns its lines. They are durable before the bytes they tell of are dropped, and never removed.

use std::io;
use std::path::{Path, PathBuf};

use platform::{Disk, OpenMode};

use super::LossDecision;
use crate::inspect::finding::Damage;
use crate::layout::DATA_LOSS;

/// Adds a line, and gives the file.
///
/// # Errors
/// The disk's.
pub(super) fn note_loss(
    disk: &dyn Disk,
    directory: &Path,
    log: &str,
    damage: &Damage,
    kept_in: Option<&Path>,
    decision: &LossDecision,
) -> io::Result<PathBuf> {
    let path = directory.join(DATA_LOSS);
    let file = disk.open(&path, OpenMode::Create)?;
    let len = file.len()?;
    let mut last = [0];
    let is_torn = len > 0 && (file.read_full_at(&mut last, len - 1)? == 0 || last != *b"\n");
    let kept_in = kept_in.map_or_else(|| "null".to_owned(), |path| quoted(&path.display().to_string()));
    let line = format!(
        "{}{{\"time_ms\":{},\"user\":{},\"log\":{},\"first_offset\":{},\"end_offset\":{},\"segment\":{},\"from\":{},\
         \"to\":{},\"bytes\":{},\"reason\":{},\"kept_in\":{kept_in}}}\n",
        if is_torn { "\n" } else { "" },
        decision.now_ms,
        quoted(&decision.user),
        quoted(log),
        damage.first_offset,
        damage.end_offset,
        damage.segment,
        damage.from,
        damage.to,
        damage.to - damage.from,
        quoted(&damage.reason),
    );
    file.write_at(line.as_bytes(), len)?;
    file.sync_data()?;
    disk.sync_dir(directory)?;
    Ok(path)
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            letter if u32::from(letter) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}
