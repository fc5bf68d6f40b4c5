//! The table for people: one line per figure, medians with their spread, and ratios.

use crate::broker::Kind;
use crate::figures::{Bound, Figures, Row, Verdict};

/// Prints all figures.
pub fn print(figures: &Figures, kinds: &[Kind]) {
    let mut heads = vec![String::from("figure"), String::from("unit")];
    heads.extend(kinds.iter().map(ToString::to_string));
    let pairs = pairs(kinds);
    heads.extend(pairs.iter().map(|(kind, other)| format!("{kind}/{other}")));
    heads.push(String::from("goal for klamm"));
    let mut lines = vec![heads];
    for row in &figures.rows {
        let mut line = vec![format!("{} {}", row.scenario, row.figure.name), unit(row)];
        line.extend(kinds.iter().map(|kind| cell(row, *kind)));
        line.extend(pairs.iter().map(|(kind, other)| row.ratio(*kind, *other).map_or(String::new(), number)));
        line.push(row.figure.goal.to_owned());
        lines.push(line);
    }
    print_lines(&lines);
    print_verdicts(figures);
}

/// Whether Klamm is where it should be, one line per bound.
fn print_verdicts(figures: &Figures) {
    let mut lines = vec![["bound", "", "is", "rounds within", ""].map(String::from).to_vec()];
    for row in &figures.rows {
        for verdict in row.figure.bounds.iter().filter_map(|bound| row.judge(*bound)) {
            let Verdict { bound, ratio, is_met, rounds: (kept, rounds) } = verdict;
            let sign = if row.figure.more_is_better { ">=" } else { "<=" };
            let (bound, is) = match bound {
                Bound::Times(times, kind) => {
                    (format!("{sign} {times} x {kind}"), format!("{} x", number(ratio)))
                }
                Bound::Value(value) => {
                    let unit = row.figure.unit;
                    (format!("{sign} {value} {unit}"), format!("{} {unit}", number(ratio * value)))
                }
            };
            let name = format!("{} {}", row.scenario, row.figure.name);
            let word = if is_met { "met" } else { "NOT MET" };
            lines.push(vec![name, bound, is, format!("{kept} of {rounds}"), word.to_owned()]);
        }
    }
    if lines.len() > 1 {
        print_lines(&lines);
    }
}

fn print_lines(lines: &[Vec<String>]) {
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    println!();
    for (index, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (text, width))| match column {
            0 | 1 => format!("{text:<width$}"),
            _ => format!("{text:>width$}"),
        });
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        if index == 0 {
            println!("{}", "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
        }
    }
}

/// Which ratios are printed: Klamm over the others, or else Kafka over the null broker.
fn pairs(kinds: &[Kind]) -> Vec<(Kind, Kind)> {
    let first = if kinds.contains(&Kind::Klamm) { Kind::Klamm } else { Kind::Kafka };
    Kind::ALL
        .into_iter()
        .filter(|other| *other != first && kinds.contains(&first) && kinds.contains(other))
        .map(|other| (first, other))
        .collect()
}

fn unit(row: &Row) -> String {
    format!("{} {}", row.figure.unit, if row.figure.more_is_better { "(more)" } else { "(less)" })
}

fn cell(row: &Row, kind: Kind) -> String {
    let Some(median) = row.median(kind) else { return String::from("-") };
    match row.spread(kind) {
        Some(spread) => format!("{} ±{:.0}%", number(median), spread * 100.0),
        None => number(median),
    }
}

/// Three figures that count.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
