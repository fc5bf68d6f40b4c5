//! `kafka-features`: features that the cluster has agreed on, and changing their levels.
//!
//! Owns its commands. Which level may follow which, the controller decides.

use std::collections::BTreeMap;

use client::{FeatureUpdate, FeatureUpgrade};

use crate::applets::ToolError;
use crate::applets::release_features::{self, METADATA_VERSION};
use crate::applets::subcommand_line::{SubOption, Subcommand, SubcommandLine, SubcommandTool};
use crate::applets::tool_client::{self, properties_file};
use crate::output::print;

const FEATURE: SubOption =
    SubOption::value("--feature", None, "A feature and its level: metadata.version=25.");
const RELEASE_VERSION: SubOption =
    SubOption::value("--release-version", None, "The version of Kafka whose features are meant.");
const METADATA: SubOption =
    SubOption::value("--metadata", None, "The old name of --release-version, for one feature.");
const DRY_RUN: SubOption = SubOption::flag("--dry-run", None, "Only say whether it could be done.");
const UNSAFE: SubOption = SubOption::flag("--unsafe", None, "Even if metadata is lost by it.");

const fn command(name: &'static str, about: &'static str, options: &'static [SubOption]) -> Subcommand {
    Subcommand { name, about, options, one_of: &[], at_most_one_of: &[] }
}

/// The commands of `kafka-features`.
pub const TOOL: SubcommandTool = SubcommandTool {
    name: "kafka-features",
    about: "This tool manages feature flags in Kafka.",
    globals: &[
        SubOption::value("--bootstrap-server", None, "Brokers of the cluster."),
        SubOption::value("--bootstrap-controller", None, "Controllers of the cluster."),
        SubOption::value("--command-config", None, "Properties of the admin client."),
    ],
    commands: &[
        command(
            "describe",
            "Show the features and their levels.",
            &[SubOption::value("--node-id", None, "The node to ask.")],
        ),
        command("upgrade", "Raise levels.", &[METADATA, FEATURE, RELEASE_VERSION, DRY_RUN]),
        command("downgrade", "Lower levels.", &[METADATA, FEATURE, RELEASE_VERSION, UNSAFE, DRY_RUN]),
        command(
            "disable",
            "Lower levels to 0.",
            &[SubOption::value("--feature", None, "A feature."), UNSAFE, DRY_RUN],
        ),
        command("version-mapping", "Show the features of a version of Kafka.", &[RELEASE_VERSION]),
        command("feature-dependencies", "Show what features need of each other.", &[FEATURE.required()]),
    ],
    help_exit: 0,
    is_terse: true,
};

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub async fn run(arguments: &[String]) -> Result<(), ToolError> {
    let line = TOOL.parse(arguments)?;
    match line.command {
        "version-mapping" => return Ok(print(&release_features::mapping(line.one("--release-version"))?)?),
        "feature-dependencies" => {
            for feature in line.all("--feature") {
                let (name, level) = release_features::name_and_level(feature)?;
                print(&release_features::dependencies(&name, level)?)?;
            }
            return Ok(());
        }
        _ => {}
    }
    let mut properties = line.one("--command-config").map_or(Ok(Vec::new()), properties_file)?;
    let Some(servers) = line.one("--bootstrap-server") else {
        return TOOL.refuse(None, "You must specify either --bootstrap-controller or --bootstrap-server.");
    };
    properties.push(("bootstrap.servers".to_owned(), servers.to_owned()));
    match line.command {
        "describe" => describe(&line, &properties).await,
        "disable" => change(&line, &properties, &disabled(&line)?, FeatureUpgrade::SafeDowngrade).await,
        "downgrade" => {
            let levels = asked(&line, true)?;
            change(&line, &properties, &levels, FeatureUpgrade::SafeDowngrade).await
        }
        _ => change(&line, &properties, &asked(&line, false)?, FeatureUpgrade::Upgrade).await,
    }
}

async fn describe(line: &SubcommandLine, properties: &[(String, String)]) -> Result<(), ToolError> {
    let node = match line.one("--node-id") {
        None => None,
        Some(text) => match text.parse::<i32>() {
            Ok(id) => Some(id),
            Err(_) => {
                let reason = format!(
                    "argument --node-id: could not convert '{text}' to Integer (For input string: \"{text}\")"
                );
                return TOOL.refuse(None, &reason);
            }
        },
    };
    let admin = tool_client::admin(properties, "describeFeatures").await?;
    let features = admin.describe_features(node).await?;
    let mut names: Vec<&String> = features.supported.keys().chain(features.finalized.keys()).collect();
    names.sort();
    names.dedup();
    let epoch = match features.finalized_epoch {
        -1 => "-".to_owned(),
        epoch => epoch.to_string(),
    };
    for name in names {
        let shown = |level: i16| match release_features::version_name(level) {
            _ if name != METADATA_VERSION => level.to_string(),
            Some(version) => version.to_owned(),
            None => format!("UNKNOWN {level}"),
        };
        let (min, max) = features.supported.get(name).copied().unwrap_or((0, 0));
        let level = features.finalized.get(name).copied().unwrap_or(0);
        print(&format!(
            "Feature: {name:<42}SupportedMinVersion: {:<17}SupportedMaxVersion: {:<17}FinalizedVersionLevel: {:<17}Epoch: \
             {epoch}\n",
            shown(min),
            shown(max),
            shown(level)
        ))?;
    }
    Ok(())
}

type Levels = BTreeMap<String, i16>;

/// Levels that are asked for. A release says nothing of what it does not have, unless levels are to go down.
fn asked(line: &SubcommandLine, with_zeros: bool) -> Result<Levels, ToolError> {
    let mut levels = Levels::new();
    if let Some(release) = line.one("--release-version") {
        if line.has("--metadata") || line.has("--feature") {
            return Err(ToolError::failed("Can not specify `release-version` with other feature flags."));
        }
        let all = release_features::all_levels(release)?.into_iter();
        return Ok(all.filter(|(_, level)| with_zeros || *level > 0).collect());
    }
    if let Some(release) = line.one("--metadata") {
        print(" `metadata` flag is deprecated and may be removed in a future release.\n")?;
        let level = release_features::all_levels(release)?.remove(METADATA_VERSION).unwrap_or_default();
        levels.insert(METADATA_VERSION.to_owned(), level);
    }
    for text in line.all("--feature") {
        let (name, level) = release_features::name_and_level(text)?;
        if levels.insert(name.clone(), level).is_some() {
            return Err(ToolError::failed(format!("Feature {name} was specified more than once.")));
        }
    }
    if levels.is_empty() {
        return Err(ToolError::failed(format!("You must specify at least one feature to {}", line.command)));
    }
    Ok(levels)
}

fn disabled(line: &SubcommandLine) -> Result<Levels, ToolError> {
    let mut levels = Levels::new();
    for name in line.all("--feature") {
        if levels.insert(name.clone(), 0).is_some() {
            return Err(ToolError::failed(format!("Feature {name} was specified more than once.")));
        }
    }
    if levels.is_empty() {
        return Err(ToolError::failed("You must specify at least one feature to disable"));
    }
    Ok(levels)
}

async fn change(
    line: &SubcommandLine,
    properties: &[(String, String)],
    levels: &Levels,
    upgrade: FeatureUpgrade,
) -> Result<(), ToolError> {
    let upgrade = if line.has("--unsafe") { FeatureUpgrade::UnsafeDowngrade } else { upgrade };
    let is_dry = line.has("--dry-run");
    let updates: Vec<FeatureUpdate> = levels
        .iter()
        .map(|(feature, level)| FeatureUpdate { feature: feature.clone(), level: *level, upgrade })
        .collect();
    let admin = tool_client::admin(properties, "updateFeatures").await?;
    let outcomes = match admin.update_features(&updates, is_dry).await {
        Ok(outcomes) => outcomes,
        // What is refused as a whole is refused for each.
        Err(error) => levels.keys().map(|name| (name.clone(), Err(error.clone()))).collect(),
    };
    let verb = line.command;
    let mut failed = 0;
    for (name, outcome) in &outcomes {
        let to = match verb {
            "disable" => String::new(),
            _ => format!(" to {}", levels.get(name).copied().unwrap_or_default()),
        };
        let text = match outcome {
            Ok(()) => {
                let done =
                    format!("{}d", if verb.ends_with('e') { verb.to_owned() } else { format!("{verb}e") });
                let be = if is_dry { "can be" } else { "was" };
                format!("{name} {be} {done}{to}.\n")
            }
            Err(error) => {
                failed += 1;
                let not = if is_dry { "Can not" } else { "Could not" };
                format!("{not} {verb} {name}{to}. {}\n", tool_client::words(error))
            }
        };
        print(&text)?;
    }
    if failed == 0 {
        return Ok(());
    }
    Err(ToolError::failed(format!("{failed} out of {} operation(s) failed.", outcomes.len())))
}
