//! `kafka-storage format`.
//!
//! Owns what may be formatted and what is said about it. How a directory is formatted is the broker's business.

use std::path::Path;

use broker::{BootstrapMetadata, BootstrapVoter, DirectoryIdentity, format_directory, read_identity};
use platform::Platform;
use protocol::{FeatureLevelRecord, MetadataRecord, UserScramCredentialRecord};

use super::node_properties::NodeProperties;
use super::scram_argument::parse_scram;
use super::voters_argument::parse_voters;
use crate::applets::ToolError;
use crate::applets::release_features::{self as features, Levels};
use crate::applets::subcommand_line::SubcommandLine;
use crate::output::print;

/// Who votes to begin with.
enum Voters {
    /// Whom `controller.quorum.voters` names.
    Fixed,
    /// These.
    Named(Vec<BootstrapVoter>),
    /// Who is formatted elsewhere.
    Elsewhere,
}

/// Formats the directories of a node that are not formatted yet.
///
/// # Errors
/// As Kafka's tool.
pub fn run(platform: &Platform, node: &NodeProperties, line: &SubcommandLine) -> Result<(), ToolError> {
    let voters = voters(platform, node, line)?;
    let is_dynamic = !matches!(voters, Voters::Fixed) && !node.has_fixed_quorum;
    let levels = features::levels(line.one("--release-version"), line.all("--feature"), is_dynamic)?;
    let passwords = passwords(platform, line, &levels)?;
    let cluster_id = line.one("--cluster-id").unwrap_or_default();
    let (formatted, empty) = sort_out(platform, node, cluster_id)?;
    if let Some(first) = formatted.first().filter(|_| !line.has("--ignore-formatted")) {
        return Err(ToolError::failed(format!(
            "Log directory {first} is already formatted. Use --ignore-formatted to ignore this directory and format the \
             others."
        )));
    }
    if empty.is_empty() {
        return Ok(print("All of the log directories are already formatted.\n")?);
    }
    print(&shown(&levels, &passwords))?;
    let own = match &voters {
        Voters::Named(voters) => voters.iter().find(|voter| voter.node_id == node.node_id),
        Voters::Fixed | Voters::Elsewhere => None,
    };
    let own_directory_id = own.map(|voter| voter.directory_id);
    let kind = match (&voters, own) {
        (Voters::Named(_), Some(_)) => "dynamic metadata voter directory",
        (Voters::Named(_), None) => "dynamic metadata directory",
        _ => "metadata directory",
    };
    let bootstrap = bootstrap(&levels, voters, passwords);
    let version = features::version_name(levels.metadata_version).unwrap_or_default();
    for directory in empty {
        let has_metadata = directory == node.metadata_log_dir;
        let kind = if has_metadata { kind } else { "data directory" };
        print(&format!("Formatting {kind} {directory} with metadata.version {version}.\n"))?;
        let directory_id = own_directory_id.filter(|_| has_metadata);
        let identity = DirectoryIdentity {
            cluster_id: cluster_id.to_owned(),
            node_id: node.node_id,
            directory_id: Some(directory_id.unwrap_or_else(|| super::random_uuid(platform))),
        };
        let bootstrap = Some(&bootstrap).filter(|_| has_metadata && node.is_controller);
        format_directory(platform, Path::new(&directory), identity, bootstrap).map_err(|error| {
            ToolError::failed(format!("Error while writing meta.properties file {directory}: {error}"))
        })?;
    }
    Ok(())
}

fn voters(platform: &Platform, node: &NodeProperties, line: &SubcommandLine) -> Result<Voters, ToolError> {
    if line.has("--standalone") && !node.is_controller {
        return Err(ToolError::failed("You can only use --standalone on a controller."));
    }
    if node.has_fixed_quorum && (line.has("--standalone") || line.has("--initial-controllers")) {
        return Err(ToolError::failed(
            "You cannot specify controller.quorum.voters and format the node with --initial-controllers or --standalone. \
             If you want to use dynamic quorum, please remove controller.quorum.voters and specify \
             controller.quorum.bootstrap.servers instead.",
        ));
    }
    if let Some(text) = line.one("--initial-controllers") {
        let listener = node.controller_listener.as_ref().map_or("CONTROLLER", |(name, ..)| name);
        return Ok(Voters::Named(parse_voters(text, listener)?));
    }
    if line.has("--standalone") {
        // A node without a controller's listener is reached by nobody, and needs not be.
        let endpoint = node.controller_listener.clone();
        let endpoint = endpoint.unwrap_or_else(|| ("CONTROLLER".to_owned(), "localhost".to_owned(), 9093));
        let directory_id = super::random_uuid(platform);
        return Ok(Voters::Named(vec![BootstrapVoter { node_id: node.node_id, directory_id, endpoint }]));
    }
    if line.has("--no-initial-controllers") {
        return Ok(Voters::Elsewhere);
    }
    if node.is_controller && !node.has_fixed_quorum {
        return Err(ToolError::failed(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: \
             --standalone, --initial-controllers, or --no-initial-controllers.",
        ));
    }
    Ok(Voters::Fixed)
}

fn passwords(
    platform: &Platform,
    line: &SubcommandLine,
    levels: &Levels,
) -> Result<Vec<UserScramCredentialRecord<'static>>, ToolError> {
    let texts = line.all("--add-scram");
    if !texts.is_empty() && levels.metadata_version < features::SCRAM_METADATA_VERSION {
        return Err(ToolError::failed("SCRAM is only supported in metadata.version 3.5-IV2 or later."));
    }
    texts.iter().map(|text| parse_scram(platform, text)).collect()
}

/// Directories that are formatted, and those that are not. One that cannot be read is neither.
fn sort_out(
    platform: &Platform,
    node: &NodeProperties,
    cluster_id: &str,
) -> Result<(Vec<String>, Vec<String>), ToolError> {
    let (mut formatted, mut empty) = (Vec::new(), Vec::new());
    for directory in node.directories() {
        let path = Path::new(&directory);
        let identity = match read_identity(platform, path) {
            Ok(identity) if !path.exists() || path.is_dir() => identity,
            Ok(_) | Err(_) => {
                print(&format!("I/O error trying to read log directory {directory}. Ignoring...\n"))?;
                continue;
            }
        };
        let Some(identity) = identity else {
            empty.push(directory);
            continue;
        };
        let file = format!("{directory}/meta.properties");
        if identity.cluster_id != cluster_id {
            return Err(ToolError::failed(format!(
                "Invalid cluster.id in: {file}. Expected {cluster_id}, but read {}",
                identity.cluster_id
            )));
        }
        if identity.node_id != node.node_id {
            return Err(ToolError::failed(format!(
                "Stored node id {} doesn't match previous node id {} in {file}. If you moved your data, make sure your \
                 configured node id matches. If you intend to create a new node, you should remove all data in your data \
                 directories.",
                identity.node_id, node.node_id
            )));
        }
        formatted.push(directory);
    }
    Ok((formatted, empty))
}

fn bootstrap(
    levels: &Levels,
    voters: Voters,
    passwords: Vec<UserScramCredentialRecord<'static>>,
) -> BootstrapMetadata {
    let features = all_levels(levels).map(|(name, feature_level)| {
        MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.into(), feature_level })
    });
    let passwords = passwords.into_iter().map(MetadataRecord::UserScramCredential);
    BootstrapMetadata {
        kraft_version: levels.kraft_version,
        voters: match voters {
            Voters::Named(voters) => voters,
            Voters::Fixed | Voters::Elsewhere => Vec::new(),
        },
        records: features.chain(passwords).collect(),
    }
}

fn all_levels(levels: &Levels) -> impl Iterator<Item = (&'static str, i16)> {
    let first = (features::METADATA_VERSION, levels.metadata_version);
    [first].into_iter().chain(levels.features.iter().map(|(name, level)| (*name, *level)))
}

/// What the cluster begins with, in the words of Kafka's tool.
fn shown(levels: &Levels, passwords: &[UserScramCredentialRecord<'_>]) -> String {
    let mut records: Vec<String> = all_levels(levels)
        .map(|(name, level)| format!("FeatureLevelRecord(name='{name}', featureLevel={level})"))
        .collect();
    records.extend(passwords.iter().map(|record| {
        format!(
            "UserScramCredentialRecord(name='{}', mechanism={}, salt={}, storedKey={}, serverKey={}, iterations={})",
            record.name,
            record.mechanism,
            java_bytes(&record.salt),
            java_bytes(&record.stored_key),
            java_bytes(&record.server_key),
            record.iterations
        )
    }));
    let records: Vec<String> =
        records.into_iter().map(|record| format!("ApiMessageAndVersion({record} at version 0)")).collect();
    format!(
        "Bootstrap metadata: BootstrapMetadata(records=[{}], metadataVersionLevel={}, source=format command)\n",
        records.join(", "),
        levels.metadata_version
    )
}

/// Bytes as Java prints an array of them.
fn java_bytes(bytes: &[u8]) -> String {
    let numbers: Vec<String> = bytes.iter().map(|byte| byte.cast_signed().to_string()).collect();
    format!("[{}]", numbers.join(", "))
}
