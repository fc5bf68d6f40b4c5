//! The differential oracle: the same scripted requests to Apache Kafka and to Klamm, and every field in which the
//! answers differ.
//!
//! Owns the command line. The cases are tables beside `src`; the README describes their notation.

mod batch_tree;
mod blobs;
mod brokers;
mod compare;
mod decode;
mod encode;
mod errors;
mod gate;
mod mask;
mod report;
mod run;
#[allow(dead_code, reason = "shared with the code generator, which uses the rest")]
#[path = "../../../xtask/src/codegen/schema.rs"]
mod schema;
mod schemas;
mod script;
mod side;
mod tables;
mod value;
mod vary;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use crate::brokers::Broker;
use crate::report::Report;
use crate::run::{Runner, Selection};
use crate::schemas::Schemas;
use crate::script::Scripts;
use crate::side::Side;
use crate::tables::{Accepted, Tables};
use crate::value::Value;

/// What can go wrong in a tool that a person watches: the text is the whole story.
type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
#[command(name = "differential", about = "Compares Klamm's answers with Apache Kafka's, field by field")]
struct Arguments {
    /// Only this API.
    #[arg(long)]
    api: Option<String>,
    /// Only cases that match `Api/case` or `Api/case:variation`; `*` stands for anything.
    #[arg(long)]
    case: Option<String>,
    /// Only this version of the request under test.
    #[arg(long)]
    version: Option<i16>,
    /// The fast selection: requests as they are at every version, variations at the highest.
    #[arg(long)]
    fast: bool,
    /// List each difference, not one line for all of a kind.
    #[arg(long)]
    all: bool,
    /// Print both answers to each request that is compared.
    #[arg(long)]
    show: bool,
    /// Write each difference into this file as it is found.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Say nothing between the start and the result.
    #[arg(long)]
    quiet: bool,
    /// A folder with other cases and tables than those of the repository, to try things out.
    #[arg(long)]
    tables: Option<PathBuf>,
    /// The broker under test: klamm, kafka or host:port.
    #[arg(long, default_value = "klamm")]
    broker: String,
    /// The broker that is right: kafka, klamm or host:port.
    #[arg(long, default_value = "kafka")]
    against: String,
    /// The `klamm` to start; by default what tests/compat would start.
    #[arg(long)]
    klamm: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("differential: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = here.parent().and_then(Path::parent).ok_or("the crate lies in tests/differential")?;
    let schemas = Schemas::load(&repository.join("crates/protocol/schemas"))?;
    let folder = arguments.tables.as_deref().unwrap_or(here);
    let tables = Tables::load(folder)?;
    let scripts = Scripts::load(&folder.join("cases"))?;
    let accepted = Accepted::load(&folder.join("accepted.table"))?;
    let selection = Selection {
        api: arguments.api.clone(),
        case: arguments.case.clone(),
        version: arguments.version,
        shows: arguments.show,
        is_fast: arguments.fast,
    };
    let kafka = Broker::start(repository, &arguments.against, arguments.klamm.as_deref())?;
    let ours = Broker::start(repository, &arguments.broker, arguments.klamm.as_deref())?;
    let log = arguments.log.as_ref().map(std::fs::File::create).transpose()?;
    let report = Report::new(accepted, arguments.quiet, log);
    let mut runner = Runner::new(&schemas, &tables, &scripts, &kafka, &ours, report);
    runner.prelude()?;
    let served = served(&mut runner.ours, &schemas)?;
    if selection.api.is_none() && selection.case.as_deref().is_none_or(|case| case == "gate") {
        gate::run(&mut runner, &served)?;
    }
    runner.cases(&selection, &served)?;
    if selection.api.is_none() && selection.case.is_none() && selection.version.is_none() {
        let names = served
            .iter()
            .filter_map(|(key, (min, max))| Some((schemas.by_key(*key)?.name.clone(), *min, *max)));
        let names: Vec<_> = names.collect();
        runner.report.holes(names.into_iter());
    }
    let (text, is_well) = runner.report.render(selection.is_whole(), arguments.all);
    print!("{text}");
    Ok(is_well)
}

/// The versions that a broker says it serves and that the schemas describe, by key: Produce is advertised from version 0
/// for old clients' sake, and served from 3.
fn served(side: &mut Side<'_>, schemas: &Schemas) -> Result<BTreeMap<i16, (i16, i16)>, Failure> {
    let answer = side.ask("ApiVersions", 0, &json!({}))?;
    let Some(Value::List(rows)) = answer.at("ApiKeys") else {
        return Err("ApiVersions lists no APIs".into());
    };
    let mut served = BTreeMap::new();
    for row in rows {
        let number = |name: &str| match row.field(name) {
            Some(Value::Int(number)) => i16::try_from(*number).map_err(Failure::from),
            _ => Err(Failure::from(format!("no {name} in {row}"))),
        };
        let (key, min, max) = (number("ApiKey")?, number("MinVersion")?, number("MaxVersion")?);
        let lowest = schemas.by_key(key).map_or(min, |api| api.request.versions.lo);
        served.insert(key, (min.max(lowest), max));
    }
    Ok(served)
}
