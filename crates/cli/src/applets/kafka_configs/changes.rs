//! `--add-config`, `--add-config-file` and `--delete-config`.
//!
//! Owns their grammar: pairs between commas, but not between those in brackets, which group a value.

use crate::applets::ToolError;
use crate::applets::options::CommandLine;

/// Configs to set: those of the file, then those of the text. Of several of one name, the last counts.
///
/// # Errors
/// They are no pairs, or a name has letters that no config has.
pub fn to_set(file: Vec<(String, String)>, text: Option<&str>) -> Result<Vec<(String, String)>, ToolError> {
    let mut pairs = file;
    if let Some(text) = text {
        pairs.extend(parsed(text)?);
    }
    let mut set: Vec<(String, String)> = Vec::new();
    for (key, value) in pairs {
        if !key.chars().all(|c| c.is_ascii_alphanumeric() || "$._-".contains(c)) {
            return Err(ToolError::failed(format!("Invalid character found for config key: {key}")));
        }
        match set.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => set.push((key, value)),
        }
    }
    Ok(set)
}

/// Names of configs to take away.
pub fn to_delete(line: &CommandLine) -> Vec<String> {
    let values = line.all("delete-config").iter().flat_map(|value| value.split(','));
    values.map(|name| name.trim().to_owned()).collect()
}

fn parsed(text: &str) -> Result<Vec<(String, String)>, ToolError> {
    let mut parts = split_outside_brackets(text, ',');
    while parts.len() > 1 && parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    let pair = |part: &&str| match split_outside_brackets(part, '=')[..] {
        [key, value] => Ok((key.trim().to_owned(), value.replace(['[', ']'], "").trim().to_owned())),
        _ => Err(ToolError::failed(
            "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or  \
             \"key=[val1,val2]\" to group values which contain commas.",
        )),
    };
    parts.iter().map(pair).collect()
}

/// Splits where no bracket is open: where the next bracket, if there is one, opens.
fn split_outside_brackets(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, _) in text.match_indices(separator) {
        let next = text[at + 1..].find(['[', ']']).map(|next| text.as_bytes()[at + 1 + next]);
        if next != Some(b']') {
            parts.push(&text[from..at]);
            from = at + 1;
        }
    }
    parts.push(&text[from..]);
    parts
}

#[cfg(test)]
mod tests;
