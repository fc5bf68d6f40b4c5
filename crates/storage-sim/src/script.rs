//! A script: the lines of one history, and its text.
//!
//! Owns the file that a failure leaves and a replay reads. It never draws or runs anything.

use std::fmt;
use std::str::FromStr;

use crate::line::Line;

/// One history before it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What the simulated disk's own choices follow.
    pub seed: u64,
    /// What happens.
    pub lines: Vec<Line>,
}

const TITLE: &str = "klamm storage history";

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{TITLE} seed={}", self.seed)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_meant = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let mut lines = text.lines().map(str::trim).filter(is_meant);
        let title = lines.next().unwrap_or_default();
        let seed = title.strip_prefix(TITLE).and_then(|rest| rest.trim().strip_prefix("seed="));
        let seed = seed.and_then(|seed| seed.parse().ok());
        let seed = seed.ok_or_else(|| format!("a script begins with `{TITLE} seed=N`"))?;
        Ok(Self { seed, lines: lines.map(Line::from_str).collect::<Result<_, _>>()? })
    }
}
