//! `kafka-consumer-groups --list` and `--validate-regex`.
//!
//! Owns which states and types there are, and the columns.

use client::GroupListing;
use regex::bytes::RegexBuilder;

use super::{Tool, consumer_kinds};
use crate::applets::ToolError;
use crate::output::print;

/// States that groups of consumers can be in.
const STATES: [&str; 7] =
    ["PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling"];

/// Types of groups.
const KINDS: [&str; 4] = ["Consumer", "Classic", "Share", "Streams"];

/// Lists groups.
pub async fn list(tool: &Tool<'_>) -> Result<(), ToolError> {
    let (with_type, with_state) = (tool.line.has("type"), tool.line.has("state"));
    let kinds = chosen(tool.line.one("type")?, "types", &consumer_kinds().each_ref().map(String::as_str))?;
    let states = chosen(tool.line.one("state")?, "state", &STATES)?;
    let plain = !with_type && !with_state;
    let kinds = if plain { consumer_kinds().to_vec() } else { kinds };
    let groups = tool.consumer_groups(&states, &kinds).await?;
    if plain {
        let lines: String = groups.iter().map(|group| format!("{}\n", group.id)).collect();
        return Ok(print(&lines)?);
    }
    Ok(print(&table(&groups, with_type, with_state))?)
}

/// The names in a list between commas, as they are written properly.
fn chosen(text: Option<&str>, what: &str, known: &[&str]) -> Result<Vec<String>, ToolError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    let names = text.trim_end_matches(',').split(',').map(str::trim);
    let proper = |name: &str| known.iter().find(|known| known.eq_ignore_ascii_case(name));
    let names: Option<Vec<String>> = names.map(|name| proper(name).map(|name| (*name).to_owned())).collect();
    names.ok_or_else(|| {
        let all = known.join(", ");
        let plural = if what == "types" { "types" } else { "states" };
        ToolError::usage(format!("Invalid {what} list '{text}'. Valid {plural} are: {all}"))
    })
}

fn table(groups: &[GroupListing], with_type: bool, with_state: bool) -> String {
    let longest = groups.iter().map(|group| group.id.chars().count()).max().unwrap_or(0);
    let width = longest.max(15) + 10;
    let row = |id: &str, kind: &str, state: &str| {
        let mut row = format!("{id:<width$}");
        if with_type {
            row.push_str(&format!(" {kind:<20}"));
        }
        if with_state {
            row.push_str(&format!(" {state:<20}"));
        }
        row + "\n"
    };
    // Brokers write types in small letters; names that are not known are not shown.
    let named = |text: &str, known: &[&str]| {
        let known = known.iter().find(|known| known.eq_ignore_ascii_case(text));
        known.map_or("Unknown", |known| *known).to_owned()
    };
    let mut text = row("GROUP", "TYPE", "STATE");
    for group in groups {
        text.push_str(&row(&group.id, &named(&group.kind, &KINDS), &named(&group.state, &STATES)));
    }
    text
}

/// What `--validate-regex` says.
pub fn regex_verdict(expression: &str) -> String {
    match RegexBuilder::new(expression).unicode(false).build() {
        Ok(_) => format!("The regular expression `{expression}` is valid."),
        Err(error) => {
            format!("The regular expression `{expression}` is invalid: {}.", fault(&error.to_string()))
        }
    }
}

/// What is wrong with an expression, in the words of RE2 where it has some.
fn fault(text: &str) -> String {
    const WORDS: &[(&str, &str)] = &[
        ("unclosed character class", "missing closing ]"),
        ("unclosed group", "missing closing )"),
        ("unopened group", "regexp/syntax: internal error"),
        ("repetition operator missing expression", "missing argument to repetition operator"),
        ("incomplete escape sequence", "trailing backslash at end of expression"),
        ("invalid character class range", "invalid character class range"),
        ("unrecognized escape sequence", "invalid escape sequence"),
        ("look-around", "invalid or unsupported Perl syntax"),
        ("repetition quantifier", "invalid repeat count"),
    ];
    let known = WORDS.iter().find(|(ours, _)| text.contains(ours));
    let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    known.map_or_else(|| last.to_owned(), |(_, words)| (*words).to_owned())
}
