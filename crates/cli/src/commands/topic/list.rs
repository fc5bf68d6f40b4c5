//! `klamm topic list`.

use client::{Admin, Topic};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{OutputArguments, print_list};

/// Options of `topic list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm topic list
  klamm topic list --internal -o json
  klamm topic list -o name | xargs klamm topic get")]
pub struct ListArguments {
    /// Show internal topics too
    #[arg(short = 'i', long)]
    internal: bool,
    #[command(flatten)]
    output: OutputArguments,
}

/// A topic in the list.
#[derive(Debug, Serialize)]
struct ListedTopic {
    name: String,
    id: String,
    partitions: usize,
    replicas: usize,
    internal: bool,
}

impl From<Topic> for ListedTopic {
    fn from(topic: Topic) -> ListedTopic {
        ListedTopic {
            id: topic.id.to_string(),
            partitions: topic.partitions.len(),
            replicas: topic.partitions.first().map_or(0, |partition| partition.replicas.len()),
            internal: topic.is_internal,
            name: topic.name,
        }
    }
}

/// Lists topics by name.
///
/// # Errors
/// The cluster does not answer.
pub async fn run(arguments: &ListArguments, admin: &Admin) -> Result<(), Failure> {
    let topics = admin.list_topics().await?;
    let shown = topics.into_iter().filter(|topic| arguments.internal || !topic.is_internal);
    let shown: Vec<ListedTopic> = shown.map(ListedTopic::from).collect();
    print_list(arguments.output.format(), &["NAME", "PARTITIONS", "REPLICAS"], &shown, |topic| {
        vec![topic.name.clone(), topic.partitions.to_string(), topic.replicas.to_string()]
    })
}
