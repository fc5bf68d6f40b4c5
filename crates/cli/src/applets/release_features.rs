//! Versions of Kafka and the features they begin with.
//!
//! Owns the table of Kafka 4.4: names of metadata versions, levels of features, what they need of each other, and the words
//! in which Kafka's tool refuses others. It says nothing about what this program serves.

use std::collections::BTreeMap;

use crate::applets::ToolError;

/// The feature that a version of Kafka is.
pub const METADATA_VERSION: &str = "metadata.version";
/// The feature of the quorum.
pub const KRAFT_VERSION: &str = "kraft.version";
/// First level of [`METADATA_VERSION`] that keeps passwords (3.5-IV2).
pub const SCRAM_METADATA_VERSION: i16 = 11;

/// Level of the first name in [`NAMES`].
const FIRST_LEVEL: i16 = 7;
/// Names of metadata versions, by level.
const NAMES: [&str; 28] = [
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0",
    "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2",
    "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0", "4.4-IV0", "4.4-IV1", "4.4-IV2",
    "4.5-IV0",
];
/// The newest metadata version that is finished.
const LATEST_STABLE: i16 = 33;

/// A feature beside [`METADATA_VERSION`].
struct Feature {
    name: &'static str,
    /// For each level from 1 on, the metadata version from which it is the default; [`i16::MAX`] if it never is.
    default_from: &'static [i16],
}

/// All of them, in Kafka's order.
const FEATURES: [Feature; 6] = [
    Feature { name: KRAFT_VERSION, default_from: &[21] },
    Feature { name: "transaction.version", default_from: &[24, 24] },
    Feature { name: "group.version", default_from: &[22] },
    Feature { name: "eligible.leader.replicas.version", default_from: &[26] },
    Feature { name: "share.version", default_from: &[28, 31] },
    Feature { name: "streams.version", default_from: &[29] },
];

impl Feature {
    fn default_level(&self, metadata_version: i16) -> i16 {
        self.default_from.iter().filter(|from| metadata_version >= **from).count() as i16
    }

    fn has_level(&self, level: i16) -> bool {
        usize::try_from(level).is_ok_and(|level| level <= self.default_from.len())
    }
}

fn feature(name: &str) -> Option<&'static Feature> {
    FEATURES.iter().find(|feature| feature.name == name)
}

/// Name of a metadata version.
pub fn version_name(level: i16) -> Option<&'static str> {
    let index = usize::try_from(level.checked_sub(FIRST_LEVEL)?).ok()?;
    NAMES.get(index).copied()
}

/// The metadata version that a version of Kafka ends with: `4.0`, `4.0.1` and `4.0-IV3` are one.
fn version_level(text: &str) -> Option<i16> {
    let key = text.split('.').take(2).collect::<Vec<_>>().join(".");
    let stable = NAMES.iter().zip(FIRST_LEVEL..).filter(|(_, level)| *level <= LATEST_STABLE);
    let found = stable.filter(|(name, _)| **name == key || name.split('-').next() == Some(key.as_str()));
    found.last().map(|(_, level)| level)
}

fn unknown_version(text: &str, names: &[&str]) -> ToolError {
    ToolError::failed(format!(
        "Unknown metadata.version '{text}'. Supported metadata.version are: {}",
        names.join(", ")
    ))
}

/// The features of a version of Kafka, or of the latest.
///
/// # Errors
/// There is no such version.
pub fn mapping(release: Option<&str>) -> Result<String, ToolError> {
    let (level, shown) = match release {
        None => (LATEST_STABLE, version_name(LATEST_STABLE).unwrap_or_default()),
        Some(text) => (version_level(text).ok_or_else(|| unknown_version(text, &NAMES))?, text),
    };
    let mut text = format!("{METADATA_VERSION}={level} ({shown})\n");
    for feature in &FEATURES {
        text += &format!("{}={}\n", feature.name, feature.default_level(level));
    }
    Ok(text)
}

/// What a level of a feature, `feature=level` as `kafka-storage` takes it, needs of others.
///
/// # Errors
/// There is no such feature or level.
pub fn dependencies_of(text: &str) -> Result<String, ToolError> {
    let Some((name, level)) = text.split_once('=').map(|(name, level)| (name.trim(), level.trim())) else {
        return Err(ToolError::failed(format!(
            "Invalid feature format: {text}. Expected format: 'feature=version' (e.g. 'group.version=1')"
        )));
    };
    let level: i16 = level
        .parse()
        .map_err(|_| ToolError::failed(format!("Invalid version format: {level} for feature {name}")))?;
    dependencies(name, level)
}

/// What a level of a feature needs of others.
///
/// # Errors
/// There is no such feature or level.
pub fn dependencies(name: &str, level: i16) -> Result<String, ToolError> {
    if name == METADATA_VERSION {
        let unknown = || ToolError::failed(format!("Unknown metadata.version {level}"));
        let version = version_name(level).ok_or_else(unknown)?;
        return Ok(format!("{name}={level} ({version}) has no dependencies.\n"));
    }
    let feature = feature(name).ok_or_else(|| ToolError::failed(format!("Unknown feature: {name}")))?;
    if !feature.has_level(level) {
        return Err(ToolError::failed(format!("Feature level {level} is not supported for feature {name}")));
    }
    Ok(match needed(name, level) {
        None => format!("{name}={level} has no dependencies.\n"),
        Some(needed) => {
            let version = version_name(needed).unwrap_or_default();
            format!("{name}={level} requires:\n    {METADATA_VERSION}={needed} ({version})\n")
        }
    })
}

/// Levels of all features in a version of Kafka, by name.
///
/// # Errors
/// There is no such version.
pub fn all_levels(release: &str) -> Result<BTreeMap<String, i16>, ToolError> {
    let level = version_level(release).ok_or_else(|| unknown_version(release, &NAMES))?;
    let others = FEATURES.iter().map(|feature| (feature.name.to_owned(), feature.default_level(level)));
    Ok(others.chain([(METADATA_VERSION.to_owned(), level)]).collect())
}

/// The metadata version that a level of a feature needs.
fn needed(name: &str, level: i16) -> Option<i16> {
    (name == "eligible.leader.replicas.version" && level >= 1).then_some(23)
}

/// Levels to begin with: of the metadata version, and of the other features by name, those at 0 left out.
#[derive(Debug, PartialEq, Eq)]
pub struct Levels {
    /// Of [`METADATA_VERSION`].
    pub metadata_version: i16,
    /// Of all others but [`KRAFT_VERSION`].
    pub features: BTreeMap<&'static str, i16>,
    /// Of [`KRAFT_VERSION`].
    pub kraft_version: i16,
}

/// What `--release-version` and `--feature` ask for. `is_dynamic` says that the log is to name the voters.
///
/// # Errors
/// As Kafka's tool.
pub fn levels(release: Option<&str>, asked: &[String], is_dynamic: bool) -> Result<Levels, ToolError> {
    let mut given = BTreeMap::new();
    for text in asked {
        let (name, level) = name_and_level(text)?;
        given.insert(name, level);
    }
    let metadata_version = metadata_version(release, given.remove(METADATA_VERSION))?;
    if let Some(name) = given.keys().find(|name| feature(name).is_none()) {
        let mut known: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
        known.sort_unstable();
        return Err(ToolError::failed(format!(
            "Unsupported feature: {name}. Supported features are: {}",
            known.join(", ")
        )));
    }
    let mut levels = BTreeMap::new();
    for feature in &FEATURES {
        let level =
            given.get(feature.name).copied().unwrap_or_else(|| feature.default_level(metadata_version));
        if !feature.has_level(level) {
            return Err(ToolError::failed(format!("No feature:{} with feature level {level}", feature.name)));
        }
        if let Some(needed) = needed(feature.name, level).filter(|needed| metadata_version < *needed) {
            return Err(ToolError::failed(format!(
                "{} could not be set to {level} because it depends on {METADATA_VERSION} level {needed}",
                feature.name
            )));
        }
        if level > 0 && feature.name != KRAFT_VERSION {
            levels.insert(feature.name, level);
        }
    }
    let kraft_version = kraft_version(given.get(KRAFT_VERSION).copied(), is_dynamic)?;
    Ok(Levels { metadata_version, features: levels, kraft_version })
}

/// A feature and its level, `feature=level`.
///
/// # Errors
/// The text is not of this form.
pub fn name_and_level(text: &str) -> Result<(String, i16), ToolError> {
    let wrong = |what: &str| ToolError::failed(format!("Can't parse feature=level string {text}: {what}"));
    let (name, level) = text.split_once('=').ok_or_else(|| wrong("equals sign not found."))?;
    let level = level.trim();
    let number = level.parse().map_err(|_| wrong(&format!("unable to parse {level} as a short.")))?;
    Ok((name.trim().to_owned(), number))
}

fn metadata_version(release: Option<&str>, given: Option<i16>) -> Result<i16, ToolError> {
    match (release, given) {
        (Some(_), Some(_)) => Err(ToolError::failed(
            "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.",
        )),
        (Some(text), None) => {
            let stable = &NAMES[..usize::from((LATEST_STABLE - FIRST_LEVEL) as u16) + 1];
            version_level(text).ok_or_else(|| unknown_version(text, stable))
        }
        (None, None) => Ok(LATEST_STABLE),
        (None, Some(level)) => match version_name(level) {
            None => Err(ToolError::failed(format!(
                "No MetadataVersion with feature level {level}. Valid feature levels are from {FIRST_LEVEL} to {}.",
                LATEST_STABLE + 1
            ))),
            Some(name) if level > LATEST_STABLE => {
                Err(ToolError::failed(format!("{METADATA_VERSION} {name} is not yet stable.")))
            }
            Some(_) => Ok(level),
        },
    }
}

fn kraft_version(given: Option<i16>, is_dynamic: bool) -> Result<i16, ToolError> {
    match (given, is_dynamic) {
        (Some(0), true) => Err(ToolError::failed(
            "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, \
             --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try removing the \
             --feature flag for kraft.version.",
        )),
        (Some(1..), false) => Err(ToolError::failed(
            "Cannot set kraft.version to 1 unless controller.quorum.voters is empty and one of the flags --standalone, \
             --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try using one of \
             --standalone, --initial-controllers, or --no-initial-controllers and removing controller.quorum.voters.",
        )),
        _ => Ok(i16::from(is_dynamic)),
    }
}

#[cfg(test)]
mod tests;
