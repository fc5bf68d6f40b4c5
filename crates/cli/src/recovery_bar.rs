//! The bar that shows how far the start of a node is, if it takes long; only on a terminal.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use broker::{RecoveryStanding, RecoveryWatcher};
use indicatif::{ProgressBar, ProgressStyle};

/// Steps of the bar.
const STEPS: u64 = 1_000;

/// The bar, once there is something to show.
#[derive(Default)]
pub struct RecoveryBar {
    bar: OnceLock<ProgressBar>,
}

impl RecoveryBar {
    /// A bar where somebody watches; where nobody does, lines in the log tell the same.
    pub fn on_terminal() -> Option<RecoveryBar> {
        io::stderr().is_terminal().then(RecoveryBar::default)
    }
}

impl RecoveryWatcher for RecoveryBar {
    fn show(&self, standing: &RecoveryStanding) {
        let bar = self.bar.get_or_init(|| {
            let bar = ProgressBar::new(STEPS);
            if let Ok(style) = ProgressStyle::with_template("checking the logs {bar:40} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position((standing.state.share() * STEPS as f64) as u64);
        bar.set_message(standing.to_string());
    }

    fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
