//! Words that go with an error code in a response, and how long they may be.

use std::borrow::Cow;

/// Longest text in bytes. A request may name things that are too long to be said again in a response, whose strings end
/// at 32,767 bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// The text as it is, or its beginning where it is too long for a response.
pub fn error_text(text: impl Into<Cow<'static, str>>) -> Cow<'static, str> {
    let mut text = text.into();
    if text.len() > TEXT_BYTES_MAX {
        let end = text.floor_char_boundary(TEXT_BYTES_MAX);
        text.to_mut().truncate(end);
        text.to_mut().push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{TEXT_BYTES_MAX, error_text};

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(error_text("short"), "short");
        let exact = "x".repeat(TEXT_BYTES_MAX);
        assert_eq!(error_text(exact.clone()), exact);
        let cut = error_text(format!("x{}", "é".repeat(20_000)));
        assert_eq!(cut, format!("x{}…", "é".repeat(TEXT_BYTES_MAX / 2 - 1)));
    }
}
