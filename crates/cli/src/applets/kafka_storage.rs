//! `kafka-storage`: what log directories are and whose, before a node starts on them.
//!
//! Owns its commands and `info`. The node formats an empty directory by itself; this is for those who are used to doing it
//! beforehand, and for choosing features, passwords or a cluster id. It never starts a node, and it changes nothing in a
//! directory that is formatted.

mod format;
mod node_properties;
mod scram_argument;
mod voters_argument;

use std::collections::BTreeSet;
use std::path::Path;

use broker::{DirectoryIdentity, read_identity};
use client::Uuid;
use platform::Platform;

use crate::applets::ToolError;
use crate::applets::release_features;
use crate::applets::subcommand_line::{SubOption, Subcommand, SubcommandTool};
use crate::output::print;
use node_properties::NodeProperties;

const CONFIG: SubOption = SubOption::value("--config", Some("-c"), "The node's properties file.").required();
const RELEASE_VERSION: SubOption = SubOption::value(
    "--release-version",
    Some("-r"),
    "The version of Kafka whose features are meant, from 3.3-IV3 on; 4.4-IV2 if it is left out.",
);

/// The commands of `kafka-storage`.
pub const TOOL: SubcommandTool = SubcommandTool {
    name: "kafka-storage",
    about: "The Kafka storage tool.",
    commands: &[
        Subcommand {
            name: "info",
            about: "Say what the log directories of this node are.",
            options: &[CONFIG],
            one_of: &[],
            at_most_one_of: &[],
        },
        Subcommand {
            name: "format",
            about: "Format the log directories of this node.",
            options: &[
                CONFIG,
                SubOption::value("--cluster-id", Some("-t"), "The id of the cluster.").required(),
                SubOption::value(
                    "--add-scram",
                    Some("-S"),
                    "A password that a user has from the beginning: SCRAM-SHA-256=[name=alice,password=secret].",
                ),
                SubOption::flag(
                    "--ignore-formatted",
                    Some("-g"),
                    "Pass over directories that are formatted.",
                ),
                RELEASE_VERSION,
                SubOption::value("--feature", Some("-f"), "A feature and its level: group.version=1."),
                SubOption::flag("--standalone", Some("-s"), "This node alone is the quorum to begin with."),
                SubOption::flag("--no-initial-controllers", Some("-N"), "The quorum is formatted elsewhere."),
                SubOption::value(
                    "--initial-controllers",
                    Some("-I"),
                    "The quorum to begin with: id@host:port:directory, separated by commas.",
                ),
            ],
            one_of: &[],
            at_most_one_of: &["--standalone", "--no-initial-controllers", "--initial-controllers"],
        },
        Subcommand {
            name: "version-mapping",
            about: "Show the features of a version of Kafka.",
            options: &[RELEASE_VERSION],
            one_of: &[],
            at_most_one_of: &[],
        },
        Subcommand {
            name: "feature-dependencies",
            about: "Show what features need of each other.",
            options: &[SubOption::value(
                "--feature",
                Some("-f"),
                "A feature and its level: metadata.version=25.",
            )
            .required()],
            one_of: &[],
            at_most_one_of: &[],
        },
        Subcommand {
            name: "random-uuid",
            about: "Print a new id, as for a cluster.",
            options: &[],
            one_of: &[],
            at_most_one_of: &[],
        },
    ],
    help_exit: 0,
    globals: &[],
    is_terse: false,
};

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub fn run(arguments: &[String]) -> Result<(), ToolError> {
    let line = TOOL.parse(arguments)?;
    let platform = Platform::os();
    let node = || NodeProperties::read(line.one("--config").unwrap_or_default());
    match line.command {
        "info" => info(&platform, &node()?),
        "format" => format::run(&platform, &node()?, &line),
        "version-mapping" => Ok(print(&release_features::mapping(line.one("--release-version"))?)?),
        "feature-dependencies" => {
            for feature in line.all("--feature") {
                print(&release_features::dependencies_of(feature)?)?;
            }
            Ok(())
        }
        _ => Ok(print(&format!("{}\n", random_uuid(&platform)))?),
    }
}

/// A random id of RFC 4122's version 4. Kafka avoids a leading dash, which command lines take for an option.
fn random_uuid(platform: &Platform) -> Uuid {
    loop {
        let mut bytes = platform.rng.uuid_bytes();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = Uuid(bytes);
        if !id.to_string().starts_with('-') {
            return id;
        }
    }
}

fn info(platform: &Platform, node: &NodeProperties) -> Result<(), ToolError> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    let mut first: Option<DirectoryIdentity> = None;
    for directory in &node.directories() {
        let path = Path::new(directory);
        if !path.exists() {
            problems.push(format!("{directory} does not exist"));
            continue;
        }
        if !path.is_dir() {
            problems.push(format!("{directory} is not a directory"));
            continue;
        }
        found.push(directory.clone());
        match (read_identity(platform, path), &first) {
            (Ok(None), _) => problems.push(format!("{directory} is not formatted.")),
            (Err(error), _) => problems.push(format!("Error loading {directory}/meta.properties: {error}")),
            (Ok(Some(identity)), None) => first = Some(identity),
            (Ok(Some(identity)), Some(first)) if identity.cluster_id != first.cluster_id => {
                problems.push("Mismatched cluster IDs between storage directories.".to_owned());
            }
            (Ok(Some(identity)), Some(first)) if identity.node_id != first.node_id => {
                problems.push("Mismatched node IDs between storage directories.".to_owned());
            }
            (Ok(Some(_)), Some(_)) => {}
        }
    }
    let mut text = section("Found log director", ["y", "ies"], &found);
    if let Some(identity) = first {
        let directory = identity.directory_id.map(|id| format!("directory.id={id}, ")).unwrap_or_default();
        let DirectoryIdentity { cluster_id, node_id, .. } = identity;
        text += &format!(
            "Found metadata: {{cluster.id={cluster_id}, {directory}node.id={node_id}, version=1}}\n\n"
        );
    }
    text += &section("Found problem", ["", "s"], &problems);
    print(&text)?;
    if problems.is_empty() { Ok(()) } else { Err(ToolError::Exit(1)) }
}

/// A heading, in singular or plural, the lines under it, and an empty one; nothing if there are no lines.
fn section(heading: &str, endings: [&str; 2], lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let ending = endings[usize::from(lines.len() > 1)];
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("{heading}{ending}:\n{lines}\n")
}

/// Paths once each, in order.
fn sorted(paths: impl IntoIterator<Item = String>) -> Vec<String> {
    paths.into_iter().collect::<BTreeSet<String>>().into_iter().collect()
}
