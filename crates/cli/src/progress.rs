//! The bar that shows how far files have been read; only on a terminal.

use std::io::{self, IsTerminal, Read};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Length of the file in bytes, and what is done with it.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for a file of `len` bytes; an invisible one where nobody watches.
    pub fn of_bytes(len: u64) -> Progress {
        let bar = ProgressBar::new(len);
        if !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = "{bar:40} {binary_bytes} of {binary_total_bytes}  {msg}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress { bar }
    }

    /// Counts what is read through it.
    pub fn watch<R: Read>(&self, input: R) -> impl Read + use<R> {
        self.bar.wrap_read(input)
    }

    /// So many bytes more were read.
    pub fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Says how many records there are so far.
    pub fn set_records(&self, count: u64) {
        self.bar.set_message(format!("{count} records"));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
