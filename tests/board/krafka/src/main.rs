//! Cases for the Rust client krafka: `krafka-check BOOTSTRAP FILE [NAME…]` appends one line "name, status, seconds, note"
//! for each case to FILE. Four cases at a time, each under a time limit. A case fails by a panic or an error.

mod admin;
mod groups;
mod records;
mod world;

use std::fmt::Write as _;
use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use world::World;

/// What a case comes to.
pub type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;
type Case = (&'static str, fn(Arc<World>) -> Pin<Box<dyn Future<Output = Outcome>>>);

const AT_A_TIME: usize = 4;
const LIMIT: Duration = Duration::from_secs(60);

/// A table row for each async function.
macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {{
        let rows: Vec<Case> = vec![$((stringify!($name), |world| Box::pin($module::$name(world)))),*];
        rows
    }};
}

fn cases() -> Vec<Case> {
    cases![
        records::codec_none,
        records::codec_gzip,
        records::codec_snappy,
        records::codec_lz4,
        records::codec_zstd,
        records::acks_leader,
        records::acks_all_not_idempotent,
        records::idempotent_order,
        records::headers_and_nulls,
        records::timestamps,
        records::watermarks_and_seek,
        records::offsets_for_times,
        records::pause_and_resume,
        records::too_large,
        records::auto_create,
        records::small_fetches,
        records::transactions,
        groups::classic_range,
        groups::classic_round_robin,
        groups::classic_cooperative,
        groups::consumer_protocol,
        groups::static_member,
        groups::commit_and_resume,
        groups::auto_commit_on_close,
        groups::share_group,
        admin::topics,
        admin::topic_errors,
        admin::partitions,
        admin::configs,
        admin::delete_records,
        admin::list_offsets,
        admin::consumer_groups,
        admin::group_offsets,
        admin::cluster,
        admin::log_dirs,
        admin::quorum_and_features,
        admin::producers,
        admin::elections,
        admin::reassignments,
        admin::quotas,
    ]
}

async fn run(world: Arc<World>, (name, case): Case) -> (&'static str, f64, String) {
    let began = Instant::now();
    let task = tokio::task::spawn_local(case(world));
    let abort = task.abort_handle();
    let note = match tokio::time::timeout(LIMIT, task).await {
        Ok(Ok(Ok(()))) => String::new(),
        Ok(Ok(Err(error))) => format!("error: {error}"),
        Ok(Err(panic)) => panic.try_into_panic().map_or_else(
            |_| "aborted".to_owned(),
            |reason| {
                let text = reason.downcast_ref::<String>().cloned();
                text.or_else(|| reason.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                    .unwrap_or_default()
            },
        ),
        Err(_) => {
            abort.abort();
            format!("not done within {} s", LIMIT.as_secs())
        }
    };
    (name, began.elapsed().as_secs_f64(), note)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    tokio::task::LocalSet::new().run_until(all()).await
}

async fn all() -> Outcome {
    let arguments: Vec<String> = std::env::args().collect();
    let only = &arguments[3..];
    let world = Arc::new(World::connect(&arguments[1]).await?);
    let mut file = std::fs::File::create(&arguments[2])?;
    let wanted = cases()
        .into_iter()
        .filter(|(name, _)| only.is_empty() || only.iter().any(|o| name.starts_with(o.as_str())));
    let mut results =
        futures::stream::iter(wanted.map(|case| run(world.clone(), case))).buffer_unordered(AT_A_TIME);
    while let Some((name, seconds, note)) = results.next().await {
        let status = if note.is_empty() { "pass" } else { "fail" };
        let mut line = String::new();
        let note: Vec<&str> = note.split_whitespace().collect();
        write!(line, "{name}\t{status}\t{seconds:.2}\t{}", note.join(" "))?;
        writeln!(file, "{line}")?;
        println!("{name} {status}");
    }
    std::process::exit(0)
}
