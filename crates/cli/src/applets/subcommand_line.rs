//! Command lines of the tools that have commands of their own: `kafka-cluster cluster-id …`.
//!
//! Owns their options (`--name VALUE`, `--name=VALUE`, `-n VALUE`, unambiguous beginnings of long names), the words of what
//! can be wrong with them, and their help texts. Kafka's tools leave this to a library (argparse4j). It never knows what
//! a command does.

use std::collections::BTreeMap;

use crate::applets::ToolError;
use crate::output::print;

/// A command of a tool.
#[derive(Debug, Clone, Copy)]
pub struct Subcommand {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// Its options.
    pub options: &'static [SubOption],
    /// Options of which exactly one must be given, if any.
    pub one_of: &'static [&'static str],
    /// Options of which no two may be given.
    pub at_most_one_of: &'static [&'static str],
}

/// An option of a command.
#[derive(Debug, Clone, Copy)]
pub struct SubOption {
    /// Its long name with dashes.
    pub long: &'static str,
    /// Its one-letter name with a dash, if it has one.
    pub short: Option<&'static str>,
    /// Whether a value follows.
    pub has_value: bool,
    /// Whether it must be given.
    pub is_required: bool,
    /// What it is for.
    pub about: &'static str,
}

impl SubOption {
    /// An option with a value.
    pub const fn value(long: &'static str, short: Option<&'static str>, about: &'static str) -> SubOption {
        SubOption { long, short, has_value: true, is_required: false, about }
    }

    /// An option without.
    pub const fn flag(long: &'static str, short: Option<&'static str>, about: &'static str) -> SubOption {
        SubOption { long, short, has_value: false, is_required: false, about }
    }

    /// The same option, which must be given.
    pub const fn required(mut self) -> SubOption {
        self.is_required = true;
        self
    }

    fn shown(&self) -> String {
        match self.short {
            Some(short) => format!("{}/{short}", self.long),
            None => self.long.to_owned(),
        }
    }

    fn usage(&self) -> String {
        let value = self.long.trim_start_matches('-').replace('-', "_").to_ascii_uppercase();
        let text = if self.has_value { format!("{} {value}", self.long) } else { self.long.to_owned() };
        if self.is_required { text } else { format!("[{text}]") }
    }
}

/// A tool with commands.
#[derive(Debug, Clone, Copy)]
pub struct SubcommandTool {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its commands.
    pub commands: &'static [Subcommand],
    /// How it ends when it was asked for help.
    pub help_exit: u8,
    /// Options that stand before the command.
    pub globals: &'static [SubOption],
    /// Whether it says in one line what is wrong, without its usage.
    pub is_terse: bool,
}

/// A command line that has been read.
#[derive(Debug)]
pub struct SubcommandLine {
    /// The command.
    pub command: &'static str,
    found: Values,
}

/// Values of options, by long name.
type Values = BTreeMap<&'static str, Vec<String>>;

impl SubcommandLine {
    /// Whether the option was given.
    pub fn has(&self, long: &str) -> bool {
        self.found.contains_key(long)
    }

    /// The value of an option; of several, the last.
    pub fn one(&self, long: &str) -> Option<&str> {
        self.all(long).last().map(String::as_str)
    }

    /// The values of an option, in order.
    pub fn all(&self, long: &str) -> &[String] {
        self.found.get(long).map_or(&[], Vec::as_slice)
    }
}

impl SubcommandTool {
    /// Reads a command line.
    ///
    /// # Errors
    /// It makes no sense, or asks for help; all has then been said, and the exit code is Kafka's.
    pub fn parse(&self, arguments: &[String]) -> Result<SubcommandLine, ToolError> {
        let (globals, arguments) = self.take_globals(arguments)?;
        let Some((name, rest)) = arguments.split_first() else {
            return self.refuse(None, "too few arguments");
        };
        if name == "-h" || name == "--help" {
            return self.help(None);
        }
        let Some(command) = self.commands.iter().find(|command| command.name == name) else {
            if name.starts_with('-') {
                return self.refuse(None, &format!("unrecognized arguments: '{name}'"));
            }
            let names: Vec<String> =
                self.commands.iter().map(|command| format!("'{}'", command.name)).collect();
            return self
                .refuse(None, &format!("invalid choice: '{name}' (choose from {})", names.join(", ")));
        };
        let mut line = SubcommandLine { command: command.name, found: globals };
        let mut rest = rest.iter();
        while let Some(argument) = rest.next() {
            if argument == "-h" || argument == "--help" {
                return self.help(Some(command));
            }
            let (name, given) = match argument.split_once('=').filter(|_| argument.starts_with("--")) {
                Some((name, given)) => (name, Some(given.to_owned())),
                None => (argument.as_str(), None),
            };
            let option = self.option(command, name)?;
            for exclusive in [command.one_of, command.at_most_one_of] {
                let first = exclusive.iter().find(|other| **other != option.long && line.has(other));
                if let Some(first) = first.filter(|_| exclusive.contains(&option.long)) {
                    let first = self.option(command, first)?.shown();
                    let reason = format!("argument {}: not allowed with argument {first}", option.shown());
                    return self.refuse(Some(command), &reason);
                }
            }
            let values = line.found.entry(option.long).or_default();
            if option.has_value {
                let next =
                    rest.clone().next().filter(|next| !next.starts_with('-') || next.len() == 1).cloned();
                if given.is_none() && next.is_some() {
                    rest.next();
                }
                match given.or(next) {
                    Some(value) => values.push(value),
                    None => {
                        let reason = format!("argument {}: expected one argument", option.shown());
                        return self.refuse(Some(command), &reason);
                    }
                }
            }
        }
        self.check_required(command, &line)?;
        Ok(line)
    }

    /// Takes the options before the command, of which those that begin with `--bootstrap` exclude each other.
    fn take_globals<'a>(&self, arguments: &'a [String]) -> Result<(Values, &'a [String]), ToolError> {
        let mut found = Values::new();
        let mut rest = arguments;
        while let Some((argument, behind)) = rest.split_first() {
            let (name, given) = match argument.split_once('=') {
                Some((name, given)) => (name, Some(given.to_owned())),
                None => (argument.as_str(), None),
            };
            let Some(option) = self.globals.iter().find(|option| option.long == name) else { break };
            let is_place = |name: &str| name.starts_with("--bootstrap");
            let other = found.keys().find(|other| is_place(other) && **other != option.long);
            if let Some(other) = other.filter(|_| is_place(option.long)) {
                let reason = format!("argument {}: not allowed with argument {other}", option.long);
                return self.refuse(None, &reason);
            }
            rest = behind;
            let value = match given {
                Some(given) => given,
                None => match rest.split_first() {
                    Some((value, behind)) if !value.starts_with('-') => {
                        rest = behind;
                        value.clone()
                    }
                    _ => {
                        return self
                            .refuse(None, &format!("argument {}: expected one argument", option.long));
                    }
                },
            };
            found.entry(option.long).or_default().push(value);
        }
        Ok((found, rest))
    }

    fn check_required(&self, command: &Subcommand, line: &SubcommandLine) -> Result<(), ToolError> {
        if let Some(missing) =
            command.options.iter().find(|option| option.is_required && !line.has(option.long))
        {
            return self.refuse(Some(command), &format!("argument {} is required", missing.shown()));
        }
        if !command.one_of.is_empty() && !command.one_of.iter().any(|option| line.has(option)) {
            let options = command.options.iter().filter(|option| command.one_of.contains(&option.long));
            let options: Vec<String> = options.map(SubOption::shown).collect();
            let reason = format!("one of the arguments {} is required", options.join(" "));
            return self.refuse(Some(command), &reason);
        }
        Ok(())
    }

    /// The option of this name, or of the only name that begins so.
    fn option(&self, command: &Subcommand, name: &str) -> Result<SubOption, ToolError> {
        let exact = command.options.iter().find(|option| option.long == name || option.short == Some(name));
        if let Some(option) = exact {
            return Ok(*option);
        }
        let begins = |option: &&SubOption| name.len() > 2 && option.long.starts_with(name);
        let close: Vec<&SubOption> = command.options.iter().filter(begins).collect();
        match close[..] {
            [one] => Ok(*one),
            [] => self.refuse(Some(command), &format!("unrecognized arguments: '{name}'")),
            _ => {
                let mut names: Vec<&str> = close.iter().map(|option| option.long).collect();
                names.sort_unstable();
                self.refuse(
                    Some(command),
                    &format!("ambiguous option: {name} could match {}", names.join(", ")),
                )
            }
        }
    }

    /// Says what is wrong, after how the tool is used.
    ///
    /// # Errors
    /// Always.
    pub fn refuse<T>(&self, command: Option<&Subcommand>, reason: &str) -> Result<T, ToolError> {
        if self.is_terse {
            eprintln!("Command line error: {reason}. Type --help for help.");
        } else {
            eprintln!("{}\n{}: error: {reason}", self.usage(command), self.name);
        }
        Err(ToolError::Exit(1))
    }

    fn help<T>(&self, command: Option<&Subcommand>) -> Result<T, ToolError> {
        let mut text =
            format!("{}\n\n{}\n", self.usage(command), command.map_or(self.about, |one| one.about));
        let rows: Vec<(String, &str)> = match command {
            None => self.commands.iter().map(|one| (one.name.to_owned(), one.about)).collect(),
            Some(command) => command.options.iter().map(|option| (option.shown(), option.about)).collect(),
        };
        let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
        text.push('\n');
        for (left, right) in rows {
            text.push_str(&format!("  {left:<width$}  {right}\n"));
        }
        print(&text)?;
        Err(ToolError::Exit(self.help_exit))
    }

    fn usage(&self, command: Option<&Subcommand>) -> String {
        match command {
            None => {
                let names: Vec<&str> = self.commands.iter().map(|command| command.name).collect();
                format!("usage: {} [-h] {{{}}} ...", self.name, names.join(","))
            }
            Some(command) => {
                let options = command.options.iter().filter(|option| !command.one_of.contains(&option.long));
                let options: String = options.map(|option| format!(" {}", option.usage())).collect();
                let one_of = command.options.iter().filter(|option| command.one_of.contains(&option.long));
                let one_of: Vec<String> =
                    one_of.map(|option| option.usage().trim_matches(['[', ']']).to_owned()).collect();
                let one_of =
                    if one_of.is_empty() { String::new() } else { format!(" ({})", one_of.join(" | ")) };
                format!("usage: {} {} [-h]{options}{one_of}", self.name, command.name)
            }
        }
    }
}

#[cfg(test)]
mod tests;
