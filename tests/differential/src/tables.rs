//! The small tables beside the cases: values to try, what of a response varies from run to run, accepted differences.
//!
//! Owns their notation. Never compares.

use std::path::Path;

use serde_json::Value as Json;

use crate::Failure;
use crate::script::range_of;

/// A named value of a class.
#[derive(Debug, Clone)]
pub struct NamedValue {
    pub name: String,
    pub value: Json,
}

/// How a value of a response is made equal where two runs must differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// Numbered by first appearance; zero and -1 stay.
    Number,
    /// Any number of at least 0 is alike: sizes of files.
    Size,
    /// The broker's port.
    Port,
    /// Any text that is not empty is alike: messages in our own words.
    Wording,
    /// Not compared.
    Ignored,
    /// Compared as it is.
    Plain,
}

/// An array whose order Kafka does not choose.
#[derive(Debug, Clone)]
pub struct Unordered {
    pattern: String,
    /// Fields that name an element; empty for an array of scalars.
    pub keys: Vec<String>,
}

/// `fields.table` and `values.table`.
#[derive(Debug, Default)]
pub struct Tables {
    classes: Vec<(String, Vec<NamedValue>)>,
    vary: Vec<(String, String)>,
    masks: Vec<(String, Mask)>,
    unordered: Vec<Unordered>,
    /// Patterns for the names of variations that are tried at the highest version alone.
    once: Vec<String>,
}

impl Tables {
    /// Reads both tables of a folder.
    pub fn load(folder: &Path) -> Result<Tables, Failure> {
        let mut tables = Tables::default();
        for (place, depth, line) in lines(&folder.join("values.table"))? {
            tables.value_line(depth, &line).map_err(|error| format!("{place}: {error}"))?;
        }
        for (place, _, line) in lines(&folder.join("fields.table"))? {
            tables.field_line(&line).map_err(|error| format!("{place}: {error}"))?;
        }
        Ok(tables)
    }

    fn value_line(&mut self, depth: usize, line: &str) -> Result<(), Failure> {
        if depth == 0 {
            let (class, included) = line.split_once(" with ").unwrap_or((line, ""));
            let class = class.strip_prefix("class ").ok_or("a class is wanted")?;
            let mut values = Vec::new();
            for name in included.split_whitespace() {
                values.extend_from_slice(self.class(name)?);
            }
            self.classes.push((class.trim().to_owned(), values));
            return Ok(());
        }
        let (name, json) = line.split_once(' ').ok_or("a name and a value are wanted")?;
        let value = NamedValue { name: name.to_owned(), value: serde_json::from_str(json)? };
        self.classes.last_mut().ok_or("a class comes first")?.1.push(value);
        Ok(())
    }

    fn field_line(&mut self, line: &str) -> Result<(), Failure> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["vary", pattern, class] => {
                self.class(class)?;
                self.vary.push(((*pattern).to_owned(), (*class).to_owned()));
            }
            ["mask", pattern, mask, ..] => self.masks.push(((*pattern).to_owned(), mask_of(mask)?)),
            ["once", pattern, _, ..] => self.once.push((*pattern).to_owned()),
            ["unordered", pattern, keys, _, ..] => {
                let keys = keys.split(',').filter(|key| *key != "-").map(str::to_owned).collect();
                self.unordered.push(Unordered { pattern: (*pattern).to_owned(), keys });
            }
            _ => return Err(format!("cannot read {line:?}").into()),
        }
        Ok(())
    }

    /// The values of a class.
    pub fn class(&self, name: &str) -> Result<&[NamedValue], Failure> {
        let found = self.classes.iter().find(|(own, _)| own == name);
        Ok(&found.ok_or_else(|| format!("no class {name}"))?.1)
    }

    /// The values with which a request's field is tried; an error if the table forgot it.
    pub fn values_for(&self, api: &str, path: &str) -> Result<&[NamedValue], Failure> {
        let field = format!("{api}:{path}");
        let found = self.vary.iter().rev().find(|(pattern, _)| glob(pattern, &field));
        let (_, class) = found.ok_or_else(|| format!("fields.table says no `vary` for {field}"))?;
        self.class(class)
    }

    /// How a response's field is made equal.
    pub fn mask(&self, api: &str, path: &str) -> Mask {
        let field = format!("{api}:{path}");
        self.masks
            .iter()
            .rev()
            .find(|(pattern, _)| glob(pattern, &field))
            .map_or(Mask::Plain, |(_, mask)| *mask)
    }

    /// Is this variation tried at the highest version alone?
    pub fn is_once(&self, name: &str) -> bool {
        self.once.iter().any(|pattern| glob(pattern, name))
    }

    /// Is this array of a response without an order?
    pub fn unordered(&self, api: &str, path: &str) -> Option<&Unordered> {
        let field = format!("{api}:{path}");
        self.unordered.iter().find(|rule| glob(&rule.pattern, &field))
    }
}

fn mask_of(word: &str) -> Result<Mask, Failure> {
    Ok(match word {
        "number" => Mask::Number,
        "size" => Mask::Size,
        "port" => Mask::Port,
        "wording" => Mask::Wording,
        "ignored" => Mask::Ignored,
        "plain" => Mask::Plain,
        other => return Err(format!("no mask {other}").into()),
    })
}

/// The lines of a table that say something, with their place and indentation.
fn lines(path: &Path) -> Result<Vec<(String, usize, String)>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let said = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    Ok(said
        .map(|(at, line)| {
            (format!("{name}:{}", at + 1), line.len() - line.trim_start().len(), line.trim().to_owned())
        })
        .collect())
}

/// A difference that is known and stays, with its reason.
#[derive(Debug)]
pub struct Accepted {
    pub place: String,
    case: String,
    versions: (i16, i16),
    path: String,
    kafka: String,
    ours: String,
}

impl Accepted {
    /// Reads `accepted.table`: case | versions | path | Kafka's value | ours | reason.
    pub fn load(path: &Path) -> Result<Vec<Accepted>, Failure> {
        let mut entries = Vec::new();
        for (place, _, line) in lines(path)? {
            let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
            let [case, versions, path, kafka, ours, reason] = parts.as_slice() else {
                return Err(format!("{place}: an entry has six parts, not {}", parts.len()).into());
            };
            if reason.is_empty() {
                return Err(format!("{place}: an entry needs a reason").into());
            }
            let versions = if *versions == "*" { (i16::MIN, i16::MAX) } else { range_of(versions)? };
            let text = |part: &str| part.to_owned();
            entries.push(Accepted {
                case: text(case),
                versions,
                path: text(path),
                kafka: text(kafka),
                ours: text(ours),
                place,
            });
        }
        Ok(entries)
    }

    /// Does the entry speak of this difference?
    pub fn matches(&self, case: &str, version: i16, path: &str, kafka: &str, ours: &str) -> bool {
        (self.versions.0..=self.versions.1).contains(&version)
            && glob(&self.case, case)
            && glob(&self.path, path)
            && glob(&self.kafka, kafka)
            && glob(&self.ours, ours)
    }
}

/// Does `text` match a pattern in which `*` stands for anything?
pub fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    loop {
        if glob(tail, rest) {
            return true;
        }
        let mut chars = rest.chars();
        if chars.next().is_none() {
            return false;
        }
        rest = chars.as_str();
    }
}
