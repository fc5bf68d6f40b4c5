//! `klamm applets`: Kafka's own tools under their own names.
//!
//! Owns listing them and making links to them. What they do lies in `applets`.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::applets::APPLETS;
use crate::failure::Failure;
use crate::output::print;

/// Arguments of `applets`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm applets list
  klamm applets install ~/bin            kafka-topics.sh and its sisters, as links to this program
  klamm kafka-topics --bootstrap-server localhost:9092 --list")]
pub struct AppletsArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Name them
    #[command(visible_alias = "ls")]
    List,
    /// Make links called kafka-topics, kafka-topics.sh, … to this program in a folder
    Install(InstallArguments),
}

#[derive(Debug, clap::Args)]
struct InstallArguments {
    /// Folder of the links, made if it is not there
    folder: PathBuf,
    /// Replace files of these names that are there
    #[arg(long)]
    force: bool,
}

/// Runs the verb.
///
/// # Errors
/// A link cannot be made.
pub fn run(arguments: &AppletsArguments) -> Result<(), Failure> {
    match &arguments.verb {
        Verb::List => {
            let names: Vec<&str> = APPLETS.iter().map(|(name, _)| *name).collect();
            print(&format!("{}\n", names.join("\n")))
        }
        Verb::Install(arguments) => install(arguments),
    }
}

fn install(arguments: &InstallArguments) -> Result<(), Failure> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| Failure::failed(format!("{path}: {error}"))
    };
    let program = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("where is this program: {error}")))?;
    std::fs::create_dir_all(&arguments.folder).map_err(failed(&arguments.folder))?;
    for (name, _) in APPLETS {
        for link in [arguments.folder.join(name), arguments.folder.join(format!("{name}.sh"))] {
            // A link made earlier may be renewed; anything else belongs to someone.
            let is_link = std::fs::read_link(&link).is_ok();
            let exists = is_link || link.exists();
            if exists && !is_link && !arguments.force {
                let failure = Failure::failed(format!("{} exists and is no link", link.display()));
                return Err(failure.with_fix("choose another folder, or give --force to replace it"));
            }
            if exists {
                std::fs::remove_file(&link).map_err(failed(&link))?;
            }
            std::os::unix::fs::symlink(&program, &link).map_err(failed(&link))?;
        }
    }
    print(&format!("{} tools in {}\n", APPLETS.len(), arguments.folder.display()))
}
