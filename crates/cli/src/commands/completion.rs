//! `klamm completion`: scripts that complete commands and options in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::output;

/// Options of `completion`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm completion bash > /etc/bash_completion.d/klamm
  klamm completion zsh > \"${fpath[1]}/_klamm\"
  klamm completion fish > ~/.config/fish/completions/klamm.fish")]
pub struct CompletionArguments {
    /// The shell
    pub shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Standard output is closed.
pub fn run(arguments: &CompletionArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "klamm", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
