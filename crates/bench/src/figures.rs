//! What was measured: samples by figure and broker, and what is said of them (median, spread, ratio).

use std::collections::BTreeMap;

use crate::broker::Kind;

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Name within its scenario.
    pub name: &'static str,
    /// Unit, for people.
    pub unit: &'static str,
    /// Whether more is better; less is, otherwise.
    pub more_is_better: bool,
    /// What Klamm is to reach, for people.
    pub goal: &'static str,
    /// What Klamm is to reach, to be judged.
    pub bounds: &'static [Bound],
}

/// What a figure of Klamm has to be at least (if more is better) or at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// So many times what another broker has.
    Times(f64, Kind),
    /// So much.
    Value(f64),
}

impl Figure {
    /// A figure of which less is better.
    pub const fn less(name: &'static str, unit: &'static str, goal: &'static str) -> Figure {
        Figure { name, unit, more_is_better: false, goal, bounds: &[] }
    }

    /// A figure of which more is better.
    pub const fn more(name: &'static str, unit: &'static str, goal: &'static str) -> Figure {
        Figure { name, unit, more_is_better: true, goal, bounds: &[] }
    }

    /// The same figure with bounds for Klamm.
    pub const fn within(mut self, bounds: &'static [Bound]) -> Figure {
        self.bounds = bounds;
        self
    }
}

/// What a sample yields.
pub type Sample = Vec<(Figure, f64)>;

/// All samples of one figure.
pub struct Row {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The figure.
    pub figure: Figure,
    /// Samples of each broker, in the order of rounds.
    pub samples: BTreeMap<Kind, Vec<f64>>,
}

impl Row {
    /// Median of a broker's samples.
    pub fn median(&self, kind: Kind) -> Option<f64> {
        let mut sorted = self.samples.get(&kind)?.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => None,
            count if count % 2 == 1 => Some(sorted[middle]),
            _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
        }
    }

    /// Half the distance between the least and the greatest sample, as a part of the median; `None` for one sample.
    pub fn spread(&self, kind: Kind) -> Option<f64> {
        let samples = self.samples.get(&kind).filter(|samples| samples.len() > 1)?;
        let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some((greatest - least) / 2.0 / self.median(kind)?)
    }

    /// Median of `kind` over median of `other`.
    pub fn ratio(&self, kind: Kind, other: Kind) -> Option<f64> {
        let divisor = self.median(other)?;
        (divisor != 0.0).then_some(self.median(kind)? / divisor)
    }
}

/// How a bound was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The bound.
    pub bound: Bound,
    /// Klamm's median over what it is compared with.
    pub ratio: f64,
    /// Whether that is within the bound.
    pub is_met: bool,
    /// The same for each round by itself: the broker's turns in a round follow each other. (kept, all)
    pub rounds: (usize, usize),
}

impl Row {
    /// How Klamm keeps a bound; `None` if a side of it was not measured.
    pub fn judge(&self, bound: Bound) -> Option<Verdict> {
        let ours = self.samples.get(&Kind::Klamm)?;
        let (limits, limit) = match bound {
            Bound::Times(times, kind) => {
                let limits: Vec<f64> = self.samples.get(&kind)?.iter().map(|value| value * times).collect();
                (limits, self.median(kind)? * times)
            }
            Bound::Value(value) => (vec![value; ours.len()], value),
        };
        let keeps = |value: f64, limit: f64| {
            if self.figure.more_is_better { value >= limit } else { value <= limit }
        };
        let kept = ours.iter().zip(&limits).filter(|(value, limit)| keeps(**value, **limit)).count();
        let median = self.median(Kind::Klamm)?;
        let base = match bound {
            Bound::Times(times, _) => limit / times,
            Bound::Value(value) => value,
        };
        Some(Verdict {
            bound,
            ratio: median / base,
            is_met: keeps(median, limit),
            rounds: (kept, ours.len().min(limits.len())),
        })
    }
}

/// All that a run has measured, in the order of measuring.
#[derive(Default)]
pub struct Figures {
    /// One row per figure.
    pub rows: Vec<Row>,
}

impl Figures {
    /// Adds a sample.
    pub fn add(&mut self, scenario: &'static str, kind: Kind, sample: Sample) {
        for (figure, value) in sample {
            let found =
                self.rows.iter().position(|row| row.scenario == scenario && row.figure.name == figure.name);
            let index = found.unwrap_or_else(|| {
                self.rows.push(Row { scenario, figure, samples: BTreeMap::new() });
                self.rows.len() - 1
            });
            self.rows[index].samples.entry(kind).or_default().push(value);
        }
    }
}

#[cfg(test)]
mod tests;
