//! Topic names that a tool is given as a regular expression.
//!
//! Owns how Kafka's tools read such an expression: commas separate alternatives, spaces and quotes around it do not count,
//! and all of a name must match. Look-around and back references, which Java has, are refused. It never asks a cluster.

use regex::bytes::{Regex, RegexBuilder};

use crate::applets::ToolError;

/// A choice of topics.
#[derive(Debug)]
pub struct TopicFilter {
    pattern: Regex,
}

impl TopicFilter {
    /// Reads an expression.
    ///
    /// # Errors
    /// It is none.
    pub fn new(raw: &str) -> Result<TopicFilter, ToolError> {
        let is_quote = |c: char| c == '"' || c == '\'';
        let text = raw.trim().replace(',', "|").replace(' ', "");
        let text = text.trim_start_matches(is_quote).trim_end_matches(is_quote);
        match RegexBuilder::new(&format!("^(?:{text})$")).unicode(false).build() {
            Ok(pattern) => Ok(TopicFilter { pattern }),
            Err(_) => Err(ToolError::failed(format!("{text} is an invalid regex."))),
        }
    }

    /// Reads an expression that counts as it stands, as consumers take it.
    ///
    /// # Errors
    /// It is none.
    pub fn exact(text: &str) -> Result<TopicFilter, ToolError> {
        match RegexBuilder::new(&format!("^(?:{text})$")).unicode(false).build() {
            Ok(pattern) => Ok(TopicFilter { pattern }),
            Err(error) => Err(ToolError::failed(format!("java.util.regex.PatternSyntaxException: {error}"))),
        }
    }

    /// Whether the topic is chosen.
    pub fn allows(&self, topic: &str) -> bool {
        self.pattern.is_match(topic.as_bytes())
    }
}

#[cfg(test)]
mod tests;
