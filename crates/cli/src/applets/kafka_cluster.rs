//! `kafka-cluster`: the cluster's id, its endpoints, and taking a broker out of it.
//!
//! Owns its commands.

use client::{Admin, ClientError, ClusterBroker};

use crate::applets::ToolError;
use crate::applets::subcommand_line::{SubOption, Subcommand, SubcommandLine, SubcommandTool};
use crate::applets::tool_client::{self, properties_file};
use crate::output::print;

const SERVER: SubOption = SubOption::value("--bootstrap-server", Some("-b"), "Brokers of the cluster.");
const CONTROLLER: SubOption =
    SubOption::value("--bootstrap-controller", Some("-C"), "Controllers of the cluster.");
const CONFIG: SubOption = SubOption::value("--config", None, "The old name of --command-config.");
const COMMAND_CONFIG: SubOption =
    SubOption::value("--command-config", Some("-c"), "Properties of the admin client.");

/// The commands of `kafka-cluster`.
pub const TOOL: SubcommandTool = SubcommandTool {
    name: "kafka-cluster",
    about: "The Kafka cluster tool.",
    commands: &[
        Subcommand {
            name: "cluster-id",
            about: "Print the id of the cluster.",
            options: &[SERVER, CONTROLLER, CONFIG, COMMAND_CONFIG],
            one_of: &["--bootstrap-server", "--bootstrap-controller"],
            at_most_one_of: &[],
        },
        Subcommand {
            name: "unregister",
            about: "Forget a broker that will not come back.",
            options: &[
                SERVER,
                CONTROLLER,
                CONFIG,
                COMMAND_CONFIG,
                SubOption::value("--id", Some("-i"), "Its node id.").required(),
            ],
            one_of: &["--bootstrap-server", "--bootstrap-controller"],
            at_most_one_of: &[],
        },
        Subcommand {
            name: "list-endpoints",
            about: "List the addresses of the brokers.",
            options: &[
                SERVER,
                CONTROLLER,
                CONFIG,
                COMMAND_CONFIG,
                SubOption::flag("--include-fenced-brokers", None, "Brokers that are not to be used, too."),
            ],
            one_of: &["--bootstrap-server", "--bootstrap-controller"],
            at_most_one_of: &[],
        },
    ],
    help_exit: 1,
    globals: &[],
    is_terse: false,
};

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub async fn run(arguments: &[String]) -> Result<(), ToolError> {
    let line = TOOL.parse(arguments)?;
    let id = line.one("--id").unwrap_or_default();
    if line.command == "unregister" && id.parse::<i32>().is_err() {
        let reason =
            format!("argument --id/-i: could not convert '{id}' to Integer (For input string: \"{id}\")");
        return TOOL.refuse(TOOL.commands.iter().find(|command| command.name == "unregister"), &reason);
    }
    let properties = properties(&line)?;
    match line.command {
        "cluster-id" => cluster_id(&tool_client::admin(&properties, "listNodes").await?).await,
        "unregister" => {
            let admin = tool_client::admin(&properties, "unregisterBroker").await?;
            unregister(&admin, id.parse().unwrap_or(-1)).await
        }
        _ => {
            let fenced_too = line.has("--include-fenced-brokers");
            list_endpoints(&tool_client::admin(&properties, "listNodes").await?, fenced_too).await
        }
    }
}

fn properties(line: &SubcommandLine) -> Result<Vec<(String, String)>, ToolError> {
    if line.has("--config") && line.has("--command-config") {
        return Err(ToolError::failed("--config and --command-config cannot be specified together."));
    }
    if line.has("--config") {
        print(
            "Option --config has been deprecated and will be removed in a future version. Use --command-config \
             instead.\n",
        )?;
    }
    let mut properties = match line.one("--command-config").or(line.one("--config")) {
        Some(path) => properties_file(path)?,
        None => Vec::new(),
    };
    let Some(servers) = line.one("--bootstrap-server") else {
        return Err(ToolError::failed(
            "--bootstrap-controller is not supported here: give --bootstrap-server, which any broker answers",
        ));
    };
    properties.push(("bootstrap.servers".to_owned(), servers.to_owned()));
    Ok(properties)
}

async fn cluster_id(admin: &Admin) -> Result<(), ToolError> {
    let line = match admin.describe_cluster().await?.cluster_id {
        Some(id) => format!("Cluster ID: {id}\n"),
        None => "No cluster ID found. The Kafka version is probably too old.\n".to_owned(),
    };
    Ok(print(&line)?)
}

async fn unregister(admin: &Admin, id: i32) -> Result<(), ToolError> {
    match admin.unregister_broker(id).await {
        Ok(()) => Ok(print(&format!("Broker {id} is no longer registered.\n"))?),
        Err(error) => {
            if matches!(error, ClientError::UnsupportedVersion { .. }) {
                print("The target cluster does not support the broker unregistration API.\n")?;
            }
            Err(ToolError::failed(crate::applets::java_exception::caused_by(&error)))
        }
    }
}

async fn list_endpoints(admin: &Admin, fenced_too: bool) -> Result<(), ToolError> {
    let cluster = admin.describe_cluster_brokers(fenced_too).await?;
    let rack = |broker: &ClusterBroker| broker.broker.rack.clone();
    let host_width = cluster.brokers.iter().map(|broker| broker.broker.host.len()).max().unwrap_or(100);
    let rack_width =
        cluster.brokers.iter().filter_map(|broker| Some(rack(broker)?.len())).max().unwrap_or(10);
    let row = |cells: [&str; 6]| {
        let [id, host, port, rack, state, kind] = cells;
        format!("{id:<10} {host:<host_width$} {port:<10} {rack:<rack_width$} {state:<10} {kind:<15}\n")
    };
    let mut text = row(["ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE"]);
    for broker in &cluster.brokers {
        let state = if broker.is_fenced { "fenced" } else { "unfenced" };
        let rack = rack(broker).unwrap_or_else(|| "null".to_owned());
        let broker = &broker.broker;
        text.push_str(&row([
            &broker.id.to_string(),
            &broker.host,
            &broker.port.to_string(),
            &rack,
            state,
            "broker",
        ]));
    }
    Ok(print(&text)?)
}
