//! Command lines as Kafka's tools read them.
//!
//! Owns what an option looks like (`--name value`, `--name=value`, `-name value`), the words of what can be wrong with it,
//! and the text of `--help`. Kafka's tools leave this to a library (JOpt Simple) whose messages scripts have come to see;
//! they are the same here. It never knows what an option means.

mod help;

use std::collections::BTreeMap;

use crate::applets::ToolError;
pub use help::help;

/// What may follow an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// A value, described by a word for the help text.
    Required(&'static str),
    /// A value, unless the next argument is an option.
    Optional(&'static str),
}

/// An option of a tool.
#[derive(Debug, Clone, Copy)]
pub struct OptionDef {
    /// Its name without dashes.
    pub name: &'static str,
    /// What may follow it.
    pub argument: Argument,
    /// What it is for, in one sentence.
    pub about: &'static str,
}

/// An option without a value.
pub const fn flag(name: &'static str, about: &'static str) -> OptionDef {
    OptionDef { name, argument: Argument::None, about }
}

/// An option with a value.
pub const fn value(name: &'static str, shown: &'static str, about: &'static str) -> OptionDef {
    OptionDef { name, argument: Argument::Required(shown), about }
}

/// An option whose value may be left out.
pub const fn optional_value(name: &'static str, shown: &'static str, about: &'static str) -> OptionDef {
    OptionDef { name, argument: Argument::Optional(shown), about }
}

/// A command line that has been read. Options that were not given are simply not there.
#[derive(Debug)]
pub struct CommandLine {
    found: BTreeMap<&'static str, Vec<String>>,
    /// The options in the order in which they were given.
    pub order: Vec<&'static str>,
    /// Arguments that are no options.
    pub rest: Vec<String>,
    is_empty: bool,
}

impl CommandLine {
    /// Reads a command line. `--help` and `--version` are options of every tool.
    ///
    /// # Errors
    /// An option that the tool does not have, or a value that is missing.
    pub fn parse(options: &[OptionDef], arguments: &[String]) -> Result<CommandLine, ToolError> {
        let mut line = CommandLine {
            found: BTreeMap::new(),
            order: Vec::new(),
            rest: Vec::new(),
            is_empty: arguments.is_empty(),
        };
        let mut left = arguments.iter();
        while let Some(argument) = left.next() {
            if argument == "--" {
                line.rest.extend(left.cloned());
                break;
            }
            let Some(text) = option_text(argument) else {
                line.rest.push(argument.clone());
                continue;
            };
            let (name, given) = match text.split_once('=') {
                Some((name, given)) => (name, Some(given.to_owned())),
                None => (text, None),
            };
            let Some(option) = UNIVERSAL.iter().chain(options).find(|option| option.name == name) else {
                let unknown = if argument.starts_with("--") { name } else { &name[..first_char_len(name)] };
                return Err(ToolError::failed(format!("{unknown} is not a recognized option")));
            };
            line.order.push(option.name);
            let values = line.found.entry(option.name).or_default();
            match option.argument {
                Argument::None => {}
                Argument::Required(_) => {
                    let missing = || ToolError::failed(format!("Option {name} requires an argument"));
                    values.push(given.or_else(|| left.next().cloned()).ok_or_else(missing)?);
                }
                Argument::Optional(_) => {
                    let next = || {
                        let next = left.clone().next().filter(|next| option_text(next).is_none())?;
                        left.next();
                        Some(next.clone())
                    };
                    values.extend(given.or_else(next));
                }
            }
        }
        Ok(line)
    }

    /// Whether there was nothing at all.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether the option was given.
    pub fn has(&self, name: &str) -> bool {
        self.found.contains_key(name)
    }

    /// The value of an option that may be given once.
    ///
    /// # Errors
    /// It was given more often.
    pub fn one(&self, name: &str) -> Result<Option<&str>, ToolError> {
        match self.all(name) {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(ToolError::failed(format!(
                "Found multiple arguments for option {name}, but you asked for only one"
            ))),
        }
    }

    /// The values of an option that may be given often, in order.
    pub fn all(&self, name: &str) -> &[String] {
        self.found.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of an option that is a number.
    ///
    /// # Errors
    /// It was given more often than once or is no number of this size.
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, ToolError> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        // Java reads a sign of plus too, as Rust does.
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(ToolError::failed(format!("Cannot parse argument '{text}' of option {name}"))),
        }
    }

    /// Ends with the help text or the version if that was asked for, or if nothing was.
    ///
    /// # Errors
    /// It was asked for.
    pub fn help_or_version(&self, about: &str) -> Result<(), ToolError> {
        if self.is_empty || self.has("help") {
            return Err(ToolError::usage(about));
        }
        if self.has("version") {
            crate::output::print(&format!("{}\n", crate::applets::KAFKA_VERSION))?;
            return Err(ToolError::Exit(0));
        }
        Ok(())
    }

    /// Ends with the help text unless all of these options were given.
    ///
    /// # Errors
    /// One is missing.
    pub fn require(&self, names: &[&str]) -> Result<(), ToolError> {
        match names.iter().find(|name| !self.has(name)) {
            Some(name) => Err(ToolError::usage(format!("Missing required argument \"[{name}]\""))),
            None => Ok(()),
        }
    }

    /// Ends with the help text unless exactly one of these options was given.
    ///
    /// # Errors
    /// None or several were given.
    pub fn require_one_of(&self, names: &[&str]) -> Result<(), ToolError> {
        if names.iter().filter(|name| self.has(name)).count() == 1 {
            return Ok(());
        }
        let names: Vec<String> = names.iter().map(|name| format!("[{name}]")).collect();
        let names = names.join(", ");
        Err(ToolError::usage(format!("Exactly one of the following arguments is required: {names}")))
    }

    /// Ends with the help text if `used` was given and one of the others too.
    ///
    /// # Errors
    /// Both were given.
    pub fn refuse_with(&self, used: &str, others: &[&str]) -> Result<(), ToolError> {
        if !self.has(used) {
            return Ok(());
        }
        match others.iter().find(|other| self.has(other)) {
            Some(other) => {
                Err(ToolError::usage(format!("Option \"[{used}]\" can't be used with option \"[{other}]\"")))
            }
            None => Ok(()),
        }
    }
}

/// Options of every tool.
const UNIVERSAL: [OptionDef; 2] = [flag("help", "Print this text."), flag("version", "Print the version.")];

/// What stands behind the dashes of an option. One dash alone is no option.
fn option_text(argument: &str) -> Option<&str> {
    argument.strip_prefix("--").or_else(|| argument.strip_prefix('-').filter(|rest| !rest.is_empty()))
}

/// One dash introduces letters, so only the first of them is looked at.
fn first_char_len(name: &str) -> usize {
    name.chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests;
