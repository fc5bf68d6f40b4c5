//! The notation of `cases/*.cases`: which requests are sent, in which order, on which connections.
//!
//! Owns the parser and the model of a case. Never sends. The notation is described in the README.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use crate::Failure;

/// One step of a case.
#[derive(Debug, Clone)]
pub struct Step {
    /// Label of the connection that carries it.
    pub connection: String,
    pub action: Action,
    /// Where it stands, for messages.
    pub place: String,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Creates a topic and waits until both brokers serve it. Captures `NAME.id`.
    Topic { name: Json, partitions: i64, configs: Vec<(String, String)> },
    /// Deletes a topic and waits until both brokers have forgotten it.
    Delete { name: Json },
    /// Sends a request of a fixed version; the responses are compared.
    Send(Call),
    /// Sends without waiting for the answer.
    Post(Call),
    /// Waits for the answer of the request posted on this connection, and compares.
    Take,
    /// The request under test, at every version; with `vary` also with every field wrong in every way.
    Test { body: Json, vary: Option<Vec<String>> },
    /// Asks what the request under test left behind; both brokers get time to agree.
    Then(Call),
    /// Sends until the response holds a value at a path, for what a broker does in its own time.
    Until { call: Call, path: String, wanted: Json },
    /// Remembers a value of this connection's last response.
    Capture { name: String, path: String },
    /// Sets the client id of the following requests.
    Client { id: Json },
    /// Runs a named block.
    Use { block: String },
}

/// A request with its version.
#[derive(Debug, Clone)]
pub struct Call {
    pub api: String,
    pub version: i16,
    pub body: Json,
}

/// How many requests under test see the same set-up. After one that shows a difference it is always renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// One.
    Not,
    /// All of a version: what they leave behind, they leave on both sides.
    Version,
    /// All: they change nothing.
    Whole,
}

/// A named scenario for one API.
#[derive(Debug, Clone)]
pub struct Case {
    pub api: String,
    pub name: String,
    /// How long a set-up serves.
    pub sharing: Sharing,
    /// Part of the fast selection.
    pub is_fast: bool,
    /// Of an API that is not advertised, and sent for all that.
    pub is_hidden: bool,
    /// Versions to test, within those served.
    pub versions: (i16, i16),
    /// Variables that take each value of a class in turn; several in every combination.
    pub each: Vec<(String, String)>,
    pub steps: Vec<Step>,
}

/// All scripts together.
#[derive(Debug, Default)]
pub struct Scripts {
    pub prelude: Vec<Step>,
    pub blocks: BTreeMap<String, Vec<Step>>,
    pub cases: Vec<Case>,
}

impl Scripts {
    /// Reads every `.cases` file of a folder, in the order of their names.
    pub fn load(folder: &Path) -> Result<Scripts, Failure> {
        let mut paths: Vec<_> =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, Failure>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "cases"));
        paths.sort();
        let mut scripts = Scripts::default();
        for path in paths {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            scripts.read(&file, &std::fs::read_to_string(&path)?)?;
        }
        Ok(scripts)
    }

    fn read(&mut self, file: &str, text: &str) -> Result<(), Failure> {
        let mut api = String::new();
        let mut target = Target::None;
        for (place, depth, line) in logical_lines(file, text) {
            let within = |error: Failure| -> Failure { format!("{place}: {error}").into() };
            if depth > 0 {
                let step = step(&line, &place).map_err(within)?;
                match target {
                    Target::None => return Err(format!("{place}: a step outside of a case").into()),
                    Target::Prelude => self.prelude.push(step),
                    Target::Block(ref name) => self.blocks.entry(name.clone()).or_default().push(step),
                    Target::Case => self.cases.last_mut().ok_or("a case was opened")?.steps.push(step),
                }
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            target = match words.as_slice() {
                ["api", name] => {
                    api = (*name).to_owned();
                    Target::None
                }
                ["prelude"] => Target::Prelude,
                ["steps", name] => Target::Block((*name).to_owned()),
                ["case", name, options @ ..] => {
                    self.cases.push(case(&api, name, options).map_err(within)?);
                    Target::Case
                }
                _ => return Err(format!("{place}: cannot read {line:?}").into()),
            };
        }
        Ok(())
    }
}

enum Target {
    None,
    Prelude,
    Block(String),
    Case,
}

fn case(api: &str, name: &str, options: &[&str]) -> Result<Case, Failure> {
    let mut case = Case {
        api: api.to_owned(),
        name: name.to_owned(),
        sharing: Sharing::Not,
        is_fast: true,
        is_hidden: false,
        versions: (i16::MIN, i16::MAX),
        each: Vec::new(),
        steps: Vec::new(),
    };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match (*option, options.as_slice()) {
            ("shared", _) => case.sharing = Sharing::Whole,
            ("by-version", _) => case.sharing = Sharing::Version,
            ("slow", _) => case.is_fast = false,
            ("unadvertised", _) => case.is_hidden = true,
            ("each", [variable, class, ..]) => {
                case.each.push(((*variable).to_owned(), (*class).to_owned()));
                options.nth(1);
            }
            (range, _) => case.versions = range_of(range)?,
        }
    }
    Ok(case)
}

/// `3`, `3+` or `3-7`.
pub fn range_of(text: &str) -> Result<(i16, i16), Failure> {
    let number = |text: &str| text.parse::<i16>().map_err(|_| format!("{text} is no version"));
    Ok(match (text.strip_suffix('+'), text.split_once('-')) {
        (Some(from), _) => (number(from)?, i16::MAX),
        (None, Some((from, to))) => (number(from)?, number(to)?),
        (None, None) => (number(text)?, number(text)?),
    })
}

/// Lines with their place and indentation; a line that is indented deeper than a step continues the one before.
fn logical_lines(file: &str, text: &str) -> Vec<(String, usize, String)> {
    let mut lines: Vec<(String, usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        match lines.last_mut() {
            Some((_, _, previous)) if depth > 2 => {
                previous.push(' ');
                previous.push_str(line.trim());
            }
            _ => lines.push((format!("{file}:{}", at + 1), depth, line.trim().to_owned())),
        }
    }
    lines
}

fn step(line: &str, place: &str) -> Result<Step, Failure> {
    let (connection, line) = match line.split_once(": ") {
        Some((label, rest)) if label.chars().all(char::is_alphanumeric) => (label, rest),
        _ => ("a", line),
    };
    let (head, json) = match line.find(" {") {
        Some(at) => (
            &line[..at],
            Some(
                serde_json::from_str::<Json>(&line[at..])
                    .map_err(|error| format!("{error} in {}", &line[at..]))?,
            ),
        ),
        None => (line, None),
    };
    let words: Vec<&str> = head.split_whitespace().collect();
    let action = match (words.as_slice(), json) {
        (["topic", name, rest @ ..], None) => topic(name, rest)?,
        (["delete", name], None) => Action::Delete { name: Json::String((*name).to_owned()) },
        (["send", api, version], Some(body)) => Action::Send(call(api, version, body)?),
        (["post", api, version], Some(body)) => Action::Post(call(api, version, body)?),
        (["then", api, version], Some(body)) => Action::Then(call(api, version, body)?),
        (["until", api, version, path, wanted], Some(body)) => Action::Until {
            call: call(api, version, body)?,
            path: (*path).to_owned(),
            wanted: serde_json::from_str(wanted)?,
        },
        (["take"], None) => Action::Take,
        (["test"], Some(body)) => Action::Test { body, vary: None },
        (["vary", paths @ ..], Some(body)) => {
            Action::Test { body, vary: Some(paths.iter().map(|path| (*path).to_owned()).collect()) }
        }
        (["capture", name, path], None) => {
            Action::Capture { name: (*name).to_owned(), path: (*path).to_owned() }
        }
        (["client", id], None) => Action::Client { id: serde_json::from_str(id)? },
        (["use", block], None) => Action::Use { block: (*block).to_owned() },
        _ => return Err(format!("no such step: {line}").into()),
    };
    Ok(Step { connection: connection.to_owned(), action, place: place.to_owned() })
}

fn topic(name: &str, rest: &[&str]) -> Result<Action, Failure> {
    let mut partitions = 1;
    let mut configs = Vec::new();
    for word in rest {
        match word.split_once('=') {
            Some((key, value)) => configs.push((key.to_owned(), value.to_owned())),
            None => partitions = word.parse()?,
        }
    }
    Ok(Action::Topic { name: Json::String(name.to_owned()), partitions, configs })
}

fn call(api: &str, version: &str, body: Json) -> Result<Call, Failure> {
    Ok(Call { api: api.to_owned(), version: version.parse()?, body })
}
