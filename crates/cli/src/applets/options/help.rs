//! The text that `--help` prints.
//!
//! Owns its two columns. It never decides when to print it.

use super::{Argument, OptionDef, UNIVERSAL};

/// Columns of a terminal that can be taken for granted.
const WIDTH: usize = 80;
/// Where descriptions begin.
const INDENT: usize = 41;

/// All options of a tool, by name.
pub fn help(options: &[OptionDef]) -> String {
    let mut sorted: Vec<&OptionDef> = UNIVERSAL.iter().chain(options).collect();
    sorted.sort_by_key(|option| option.name);
    let mut text = String::new();
    line(&mut text, "Option", "Description");
    line(&mut text, "------", "-----------");
    for option in sorted {
        let left = match option.argument {
            Argument::None => format!("--{}", option.name),
            Argument::Required(shown) => format!("--{} <String: {shown}>", option.name),
            Argument::Optional(shown) => format!("--{} [String: {shown}]", option.name),
        };
        let mut left = wrapped(&left, INDENT - 1, "  ").into_iter();
        let mut right = wrapped(option.about, WIDTH - INDENT, "  ").into_iter();
        loop {
            match (left.next(), right.next()) {
                (None, None) => break,
                (left, right) => line(&mut text, &left.unwrap_or_default(), &right.unwrap_or_default()),
            }
        }
    }
    text
}

fn line(text: &mut String, left: &str, right: &str) {
    let line = format!("{left:<INDENT$}{right}");
    text.push_str(line.trim_end());
    text.push('\n');
}

/// Words in lines of at most `width` characters; lines after the first begin with `indent`.
fn wrapped(text: &str, width: usize, indent: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= width => {
                last.push(' ');
                last.push_str(word);
            }
            Some(_) => lines.push(format!("{indent}{word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}
