//! What can be written after `klamm`.
//!
//! Owns the tree of commands and the options that all of them share; each command's own options lie with the command.

use clap::{Parser, Subcommand};

use crate::commands::{applets, cluster, completion, consume, dev, group, produce, segment, server, topic};
use crate::connection::ConnectionArguments;

const EXAMPLES: &str = "Examples:
  klamm dev                                   start a node on this machine
  klamm produce hello 'first record'          write a record
  klamm consume hello                         read it back

Kafka's own tools are here too: klamm kafka-topics …, or links to them (klamm applets).
More: klamm help COMMAND, and docs/cli.md for ranges, formats and exit codes.";

/// A replacement for Apache Kafka: the node and its command line in one program
#[derive(Debug, Parser)]
#[command(name = "klamm", version, arg_required_else_help = true, after_help = EXAMPLES, max_term_width = 110)]
pub struct Arguments {
    /// Where the cluster is
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a node for development: no configuration, data in ./.klamm-dev
    Dev(dev::DevArguments),
    /// Start a node from a Kafka properties file
    Server(server::ServerArguments),
    /// Topics and their configuration
    #[command(visible_alias = "topics")]
    Topic(topic::TopicArguments),
    /// Write records
    Produce(produce::ProduceArguments),
    /// Read records
    Consume(consume::ConsumeArguments),
    /// Consumer groups, their members and offsets
    #[command(visible_alias = "groups")]
    Group(group::GroupArguments),
    /// The cluster as a whole
    Cluster(cluster::ClusterArguments),
    /// The files of logs, while no node runs on them: check, show, mend
    #[command(visible_alias = "segments")]
    Segment(segment::SegmentArguments),
    /// Kafka's own tools (kafka-topics, …) by their own names
    Applets(applets::AppletsArguments),
    /// Write a completion script for a shell
    Completion(completion::CompletionArguments),
}
