//! Lines as Java reads them.

use super::next_line;

#[test]
fn lines_end_in_three_ways() {
    let mut input = &b"a\nb\r\nc\rd\n\n\xffe"[..];
    let mut line = Vec::new();
    let mut found = Vec::new();
    while next_line(&mut input, &mut line).expect("memory can be read") {
        found.push(String::from_utf8_lossy(&line).into_owned());
    }
    assert_eq!(found, ["a", "b", "c", "d", "", "\u{fffd}e"]);
}
