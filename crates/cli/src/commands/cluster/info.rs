//! `klamm cluster info`.

use client::Admin;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{OutputArguments, print_one, table};

/// Options of `cluster info`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm cluster info
  klamm cluster info -b broker-1:9092 -o json")]
pub struct InfoArguments {
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Serialize)]
struct ClusterInfo {
    id: Option<String>,
    controller: i32,
    quorum: Option<QuorumInfo>,
    brokers: Vec<BrokerInfo>,
    topics: usize,
    partitions: usize,
}

#[derive(Debug, Serialize)]
struct QuorumInfo {
    leader: i32,
    epoch: i32,
    high_watermark: i64,
    voters: Vec<i32>,
}

#[derive(Debug, Serialize)]
struct BrokerInfo {
    id: i32,
    host: String,
    port: u16,
    rack: Option<String>,
    fenced: bool,
}

/// Shows the cluster.
///
/// # Errors
/// The cluster does not answer.
pub async fn run(arguments: &InfoArguments, admin: &Admin) -> Result<(), Failure> {
    let cluster = admin.describe_cluster().await?;
    // A broker that tells nothing of its quorum is no reason to show nothing.
    let quorum = admin.describe_quorum().await.ok();
    let topics = admin.list_topics().await?;
    let info = ClusterInfo {
        id: cluster.cluster_id,
        controller: cluster.controller_id,
        quorum: quorum.map(|quorum| QuorumInfo {
            leader: quorum.leader_id,
            epoch: quorum.leader_epoch,
            high_watermark: quorum.high_watermark,
            voters: quorum.voters.iter().map(|voter| voter.id).collect(),
        }),
        brokers: cluster
            .brokers
            .into_iter()
            .map(|described| BrokerInfo {
                id: described.broker.id,
                host: described.broker.host,
                port: described.broker.port,
                rack: described.broker.rack,
                fenced: described.is_fenced,
            })
            .collect(),
        topics: topics.iter().filter(|topic| !topic.is_internal).count(),
        partitions: topics.iter().map(|topic| topic.partitions.len()).sum(),
    };
    let name = info.id.clone().unwrap_or_default();
    print_one(arguments.output.format(), &info, &name, || render(&info))
}

fn render(info: &ClusterInfo) -> String {
    let mut text = format!("cluster {}\n", info.id.as_deref().unwrap_or("without id"));
    if let Some(quorum) = &info.quorum {
        let voters: Vec<String> = quorum.voters.iter().map(ToString::to_string).collect();
        text.push_str(&format!(
            "quorum  leader {} in epoch {}, voters {}, metadata up to offset {}\n",
            quorum.leader,
            quorum.epoch,
            voters.join(","),
            quorum.high_watermark
        ));
    }
    text.push_str(&format!(
        "data    {} topics, {} partitions with internal ones\n\n",
        info.topics, info.partitions
    ));
    text.push_str(&table(
        &["BROKER", "ADDRESS", "RACK", "STATE"],
        info.brokers.iter().map(|broker| {
            vec![
                broker.id.to_string(),
                format!("{}:{}", broker.host, broker.port),
                broker.rack.clone().unwrap_or_default(),
                if broker.fenced { "fenced".to_owned() } else { "active".to_owned() },
            ]
        }),
    ));
    text
}
