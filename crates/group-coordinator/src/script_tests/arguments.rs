//! A command line of a script: words, and `key=value` pairs in any place.

use std::collections::BTreeMap;

pub(super) struct Arguments<'a> {
    words: Vec<&'a str>,
    pairs: BTreeMap<&'a str, &'a str>,
}

impl<'a> Arguments<'a> {
    pub fn parse(line: &'a str) -> Arguments<'a> {
        let mut arguments = Arguments { words: Vec::new(), pairs: BTreeMap::new() };
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) => {
                    arguments.pairs.insert(key, value);
                }
                None => arguments.words.push(word),
            }
        }
        arguments
    }

    /// The word at `index`, counted from the verb.
    pub fn word(&self, index: usize) -> &'a str {
        self.words.get(index).copied().unwrap_or_else(|| panic!("word {index} is missing"))
    }

    pub fn words_from(&self, index: usize) -> &[&'a str] {
        self.words.get(index..).unwrap_or_default()
    }

    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.pairs.get(key).copied()
    }

    pub fn number<N: std::str::FromStr>(&self, key: &str, default: N) -> N
    where
        N::Err: std::fmt::Debug,
    {
        self.get(key).map_or(default, |value| value.parse().unwrap())
    }

    /// The comma-separated parts of a value.
    pub fn list(&self, key: &str) -> Vec<&'a str> {
        self.get(key).map_or(Vec::new(), |value| value.split(',').filter(|part| !part.is_empty()).collect())
    }
}
