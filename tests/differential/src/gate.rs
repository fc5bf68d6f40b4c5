//! Requests that no broker should take: keys that do not exist, versions that are not served.
//!
//! Owns which of them are tried. The answer to all but ApiVersions is a closed connection.

use std::collections::BTreeMap;

use crate::Failure;
use crate::compare::compare;
use crate::mask::Masker;
use crate::run::Runner;
use crate::wire::PATIENCE;

/// Keys that Kafka once had, and keys that it never had.
const KEYS_OF_NOBODY: [i16; 9] = [-32768, -1, 4, 5, 6, 7, 500, 1000, 32767];

/// Tries every key at versions outside of what is served.
pub fn run(runner: &mut Runner<'_>, served: &BTreeMap<i16, (i16, i16)>) -> Result<(), Failure> {
    for key in KEYS_OF_NOBODY {
        for version in [-1, 0, 1, 32767] {
            attempt(runner, key, version, "nobody")?;
        }
    }
    for (key, (min, max)) in served {
        for version in [-32768, -1, min - 1, max + 1, 100, 32767] {
            if !(*min..=*max).contains(&version) {
                attempt(runner, *key, version, "version")?;
            }
        }
    }
    Ok(())
}

fn attempt(runner: &mut Runner<'_>, key: i16, version: i16, why: &str) -> Result<(), Failure> {
    // A key that nobody has is answered, if at all, by something that cannot be read.
    let api = match runner.schemas.by_key(key) {
        Some(api) => api,
        None => runner.schemas.api("ApiVersions")?,
    };
    runner.report.requests += 1;
    let kafka = runner.kafka.start_raw("gate", key, version, &[])?;
    let ours = runner.ours.start_raw("gate", key, version, &[])?;
    let kafka = runner.kafka.finish("gate", api, version, kafka, PATIENCE)?;
    let ours = runner.ours.finish("gate", api, version, ours, PATIENCE)?;
    let kafka = Masker::new(runner.tables, &runner.kafka).mask(&api.name, kafka.into_tree());
    let ours = Masker::new(runner.tables, &runner.ours).mask(&api.name, ours.into_tree());
    for difference in compare(&kafka, &ours) {
        runner.report.difference(&format!("{}/gate:{why}={key}", api.name), version, difference);
    }
    Ok(())
}
