//! Rust sources as the rules see them: the text, and the text without comments, literals and test modules.

use std::fs;
use std::path::Path;

/// One `.rs` file of the repository.
pub(crate) struct SourceFile {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// The text as it is.
    pub(crate) text: String,
    /// The text with comments, literals and inline test modules blanked out; lines and columns stay.
    pub(crate) code: String,
}

impl SourceFile {
    pub(crate) fn new(path: &str, text: &str) -> SourceFile {
        let code = blank_test_modules(&blank_comments_and_literals(text));
        SourceFile { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// The crate's folder name, `xtask` for the chores.
    pub(crate) fn crate_name(&self) -> &str {
        let parts: Vec<&str> = self.path.splitn(3, '/').collect();
        if parts[0] == "crates" { parts[1] } else { parts[0] }
    }

    /// True for tests, which are free of most rules.
    pub(crate) fn is_test(&self) -> bool {
        let mut parts: Vec<&str> = self.path.split('/').collect();
        let name = parts.pop().unwrap_or_default();
        let is_test_folder = |part: &&str| *part == "tests" || *part == "benches" || part.ends_with("_tests");
        name == "tests.rs" || name.ends_with("_tests.rs") || parts.iter().any(is_test_folder)
    }

    /// True for what `cargo xtask codegen` writes.
    pub(crate) fn is_generated(&self) -> bool {
        self.path.split('/').any(|part| part == "generated" || part == "generated.rs")
    }

    /// Places in the code where `needle` stands as whole words, as line numbers.
    pub(crate) fn lines_with(&self, needle: &str) -> Vec<usize> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let bytes = self.code.as_bytes();
        let hits = self.code.match_indices(needle).filter(|(at, _)| {
            let first = needle.as_bytes()[0];
            let last = needle.as_bytes()[needle.len() - 1];
            let starts = !is_word(first) || *at == 0 || !is_word(bytes[at - 1]);
            let end = at + needle.len();
            let ends = !is_word(last) || end == bytes.len() || !is_word(bytes[end]);
            starts && ends
        });
        let mut lines: Vec<usize> = hits.map(|(at, _)| self.line_of(at)).collect();
        lines.dedup();
        lines
    }

    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.code[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
    }
}

/// All `.rs` files under `crates/` and `xtask/`, sorted by path.
pub(crate) fn rust_files(root: &Path) -> Result<Vec<SourceFile>, String> {
    let mut paths = Vec::new();
    for top in ["crates", "xtask"] {
        collect(&root.join(top), "rs", &mut paths)?;
    }
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let relative = path.strip_prefix(root).expect("collected under the root");
        files.push(SourceFile::new(&relative.to_string_lossy().replace('\\', "/"), &text));
    }
    Ok(files)
}

/// Files with an extension under a folder; build output and hidden folders are passed over.
pub(crate) fn collect(
    folder: &Path,
    extension: &str,
    paths: &mut Vec<std::path::PathBuf>,
) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                collect(&path, extension, paths)?;
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    Ok(())
}

/// What the scanner is in the middle of.
enum State {
    Code,
    LineComment,
    BlockComment(usize),
    Text,
    RawText(usize),
}

fn blank_comments_and_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = vec![b' '; bytes.len()];
    let mut state = State::Code;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let mut step = 1;
        if bytes[at] == b'\n' {
            out[at] = b'\n';
        }
        match state {
            State::Code => (state, step) = enter(rest, if at == 0 { b' ' } else { bytes[at - 1] }),
            State::LineComment if bytes[at] == b'\n' => state = State::Code,
            State::BlockComment(depth) if rest.starts_with(b"*/") => {
                state = if depth == 1 { State::Code } else { State::BlockComment(depth - 1) };
                step = 2;
            }
            State::BlockComment(depth) if rest.starts_with(b"/*") => {
                state = State::BlockComment(depth + 1);
                step = 2;
            }
            State::Text if bytes[at] == b'\\' => step = 2,
            State::Text if bytes[at] == b'"' => state = State::Code,
            State::RawText(hashes) if is_raw_end(rest, hashes) => {
                state = State::Code;
                step = 1 + hashes;
            }
            _ => {}
        }
        if matches!(state, State::Code) && step == 1 && !rest.starts_with(b"\"") {
            out[at] = bytes[at];
        }
        if step > 1 && matches!(state, State::Text) && rest.get(1) == Some(&b'\n') {
            out[at + 1] = b'\n';
        }
        at += step;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// In code: what begins at `rest`, and how many bytes to skip. Skipped bytes are blanked.
fn enter(rest: &[u8], previous: u8) -> (State, usize) {
    let follows_word = previous.is_ascii_alphanumeric() || previous == b'_';
    if rest.starts_with(b"//") {
        return (State::LineComment, 2);
    }
    if rest.starts_with(b"/*") {
        return (State::BlockComment(1), 2);
    }
    if rest[0] == b'"' {
        return (State::Text, 1);
    }
    if !follows_word && let Some((hashes, len)) = raw_start(rest) {
        return (State::RawText(hashes), len);
    }
    // A character literal is closed within a few bytes; otherwise the quote begins a lifetime.
    if rest[0] == b'\'' {
        if rest.get(1) == Some(&b'\\') {
            let end = rest[3..].iter().take(12).position(|byte| *byte == b'\'');
            return (State::Code, end.map_or(1, |end| end + 4));
        }
        let width = rest.get(1).map_or(1, |byte| utf8_width(*byte));
        if rest.get(1 + width) == Some(&b'\'') {
            return (State::Code, width + 2);
        }
    }
    (State::Code, 1)
}

fn utf8_width(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

fn raw_start(rest: &[u8]) -> Option<(usize, usize)> {
    let prefix = usize::from(rest[0] == b'b');
    if rest.get(prefix) != Some(&b'r') {
        return None;
    }
    let hashes = rest[prefix + 1..].iter().take_while(|byte| **byte == b'#').count();
    let quote = prefix + 1 + hashes;
    (rest.get(quote) == Some(&b'"')).then_some((hashes, quote + 1))
}

fn is_raw_end(rest: &[u8], hashes: usize) -> bool {
    rest[0] == b'"' && rest.len() > hashes && rest[1..=hashes].iter().all(|byte| *byte == b'#')
}

/// Blanks `#[cfg(test)] mod name { … }`.
fn blank_test_modules(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (start, mark) in code.match_indices("#[cfg(test)]") {
        let after = &code[start + mark.len()..];
        let Some(body) = after.trim_start().strip_prefix("mod ") else { continue };
        let Some(open) = body.find(['{', ';']).filter(|at| body.as_bytes()[*at] == b'{') else { continue };
        let from = code.len() - body.len() + open;
        let mut depth = 0_usize;
        for byte in &mut out[from..] {
            match *byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            if *byte != b'\n' {
                *byte = b' ';
            }
            if depth == 0 {
                break;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
