//! How lists and single things are printed: aligned columns, JSON, or names only.
//!
//! Standard output is data; talk goes to standard error.

use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::failure::Failure;

/// `-o` of commands that list or show things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OutputFormat {
    /// Aligned columns.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// Names only, one a line.
    Name,
}

/// `-o`, wherever it means the output format.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct OutputArguments {
    /// How to print
    #[arg(short = 'o', long = "output", value_enum, default_value_t)]
    output: OutputFormat,
    /// The same as -o json
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

impl OutputArguments {
    /// How to print.
    pub fn format(self) -> OutputFormat {
        if self.json { OutputFormat::Json } else { self.output }
    }
}

/// Prints things as rows or as JSON. `items` serialize to the JSON array, `row` gives the cells of one, the first of
/// which is its name.
///
/// # Errors
/// Standard output is closed.
pub fn print_list<T: Serialize>(
    format: OutputFormat,
    columns: &[&str],
    items: &[T],
    row: impl Fn(&T) -> Vec<String>,
) -> Result<(), Failure> {
    let text = match format {
        OutputFormat::Json => json(items)?,
        OutputFormat::Name => items.iter().map(|item| row(item).remove(0) + "\n").collect(),
        OutputFormat::Table => table(columns, items.iter().map(row)),
    };
    print(&text)
}

/// Prints one thing: as JSON, as its name, or as the text that `describe` makes.
///
/// # Errors
/// Standard output is closed.
pub fn print_one<T: Serialize>(
    format: OutputFormat,
    item: &T,
    name: &str,
    describe: impl FnOnce() -> String,
) -> Result<(), Failure> {
    let text = match format {
        OutputFormat::Json => json(item)?,
        OutputFormat::Name => format!("{name}\n"),
        OutputFormat::Table => describe(),
    };
    print(&text)
}

/// Columns without borders, as wide as their content.
pub fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(columns.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn json<T: Serialize + ?Sized>(item: &T) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(item).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(text + "\n")
}

/// Writes to standard output. A closed pipe ends the program without a word, as `head` expects.
///
/// # Errors
/// Standard output cannot be written for another reason.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| broken_output(&error))
}

/// The failure of writing to standard output.
pub fn broken_output(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    Failure::failed(format!("standard output: {error}"))
}

/// `1.5 GiB`, `12 KiB`, `7 B`.
pub fn humanized_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    match (unit, size) {
        (0, _) => format!("{bytes} B"),
        (_, ..10.0) => format!("{size:.1} {}", UNITS[unit]),
        _ => format!("{size:.0} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests;
