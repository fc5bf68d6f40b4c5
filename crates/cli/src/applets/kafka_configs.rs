//! `kafka-configs`: shows and changes the configs of topics, brokers, groups, client metrics and loggers, and the quotas and
//! passwords of users, clients and addresses.
//!
//! Owns its options, which of them go together, and the changes that they spell.

mod changes;
mod entity;
mod quotas;
mod resources;
mod scram;

use client::{Admin, ClientError, ErrorCode};

use crate::applets::options::{CommandLine, OptionDef, flag, value};
use crate::applets::tool_client::{self, properties_file};
use crate::applets::{ToolError, java_exception};
use crate::output::print;
use entity::Entities;

/// The options of `kafka-configs`.
pub const OPTIONS: &[OptionDef] = &[
    value("bootstrap-server", "server to connect to", "Where the cluster is."),
    value("bootstrap-controller", "controller to connect to", "Not supported here: give --bootstrap-server."),
    value("command-config", "command config property file", "Properties of the admin client."),
    flag("alter", "Change configs."),
    flag("describe", "Show configs."),
    flag("all", "With --describe: those that nobody set, too."),
    value(
        "entity-type",
        "type",
        "What is meant: topics, clients, users, brokers, broker-loggers, ips, client-metrics, groups; users and clients \
         may be given together.",
    ),
    value("entity-name", "name", "Its name."),
    flag("entity-default", "What counts for all clients, users, brokers or ips without one of their own."),
    value(
        "add-config",
        "k1=v1,k2=[v1,v2,v2],k3=v3",
        "Configs to set; values with commas in them stand in brackets.",
    ),
    value("add-config-file", "file", "A properties file with configs to set."),
    value("delete-config", "k1,k2", "Configs to take away."),
    value("topic", "topic", "A topic."),
    value("client", "client id", "A client."),
    flag("client-defaults", "All clients."),
    value("user", "user principal", "A user."),
    flag("user-defaults", "All users."),
    value("broker", "broker id", "A broker."),
    flag("broker-defaults", "All brokers."),
    value("broker-logger", "broker id", "The loggers of a broker."),
    flag("ip-defaults", "All addresses."),
    value("ip", "ip", "An address."),
    value("group", "group id", "A group."),
    value("client-metrics", "name", "A subscription of client metrics."),
];

const ABOUT: &str = "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, \
                     client-metrics or group";

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub async fn run(arguments: &[String]) -> Result<(), ToolError> {
    let line = CommandLine::parse(OPTIONS, arguments)?;
    line.help_or_version(ABOUT)?;
    let entities = check(&line)?;
    let tool = Tool { arguments, line: &line, entities, admin: connect(&line).await? };
    if line.has("alter") {
        if tool.entities.types.len() != tool.entities.names.len() {
            return Err(ToolError::failed("An entity name must be specified for every entity type"));
        }
        alter(&tool).await
    } else {
        describe(&tool).await
    }
}

async fn connect(line: &CommandLine) -> Result<Admin, ToolError> {
    let mut properties = match line.one("command-config")? {
        Some(path) => properties_file(path)?,
        None => Vec::new(),
    };
    let Some(servers) = line.one("bootstrap-server")? else {
        return Err(ToolError::failed(
            "--bootstrap-controller is not supported here: give --bootstrap-server, which any broker answers",
        ));
    };
    properties.push(("bootstrap.servers".to_owned(), servers.to_owned()));
    Ok(tool_client::admin(&properties, "describeConfigs").await?)
}

/// The command line, what it is about, and the cluster.
struct Tool<'a> {
    arguments: &'a [String],
    line: &'a CommandLine,
    entities: Entities,
    admin: Admin,
}

impl Tool<'_> {
    /// An error that Kafka's tool did not expect: it names the command line.
    fn unexpected(&self, error: &ClientError) -> ToolError {
        let cause = java_exception::caused_by(error);
        self.unexpected_cause(&format!("java.util.concurrent.ExecutionException: {cause}"))
    }

    fn unexpected_cause(&self, cause: &str) -> ToolError {
        let arguments = self.arguments.join(" ");
        ToolError::failed(format!("Error while executing config command with args '{arguments}'\n{cause}"))
    }

    /// An error of an operation that old clusters do not have.
    fn refused(&self, error: &ClientError) -> ToolError {
        match error {
            ClientError::UnsupportedVersion { .. } => ToolError::failed(error.to_string()),
            _ if error.code() == Some(ErrorCode::UNSUPPORTED_VERSION) => {
                ToolError::failed(tool_client::words(error))
            }
            _ => self.unexpected(error),
        }
    }
}

async fn describe(tool: &Tool<'_>) -> Result<(), ToolError> {
    match tool.entities.head_type() {
        "users" | "clients" => {
            quotas::describe(tool).await?;
            scram::describe(tool).await
        }
        "ips" => quotas::describe(tool).await,
        _ => resources::describe(tool).await,
    }
}

async fn alter(tool: &Tool<'_>) -> Result<(), ToolError> {
    let file = match tool.line.one("add-config-file")? {
        Some(path) => properties_file(path)
            .map_err(|error| tool.unexpected_cause(&format!("java.nio.file.NoSuchFileException: {error}")))?,
        None => Vec::new(),
    };
    let set = changes::to_set(file, tool.line.one("add-config")?)?;
    let delete = changes::to_delete(tool.line);
    let kind = tool.entities.head_type();
    match kind {
        "users" | "clients" => quotas::alter_user_or_client(tool, &set, &delete).await?,
        "ips" => quotas::alter_ip(tool, &set, &delete).await?,
        _ => resources::alter(tool, &set, &delete).await?,
    }
    let name = tool.entities.head_name();
    let done = if name.is_empty() {
        format!("Completed updating default config for {kind} in the cluster.\n")
    } else {
        format!("Completed updating config for {} {name}.\n", &kind[..kind.len() - 1])
    };
    Ok(print(&done)?)
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, ToolError> {
    Err(ToolError::failed(reason))
}

fn check(line: &CommandLine) -> Result<Entities, ToolError> {
    if ["alter", "describe"].iter().filter(|action| line.has(action)).count() != 1 {
        return Err(ToolError::usage("Command must include exactly one action: --describe, --alter"));
    }
    line.refuse_with("describe", &["add-config", "delete-config"])?;
    let entities = Entities::read(line)?;
    entities.check_types(line)?;
    if line.has("bootstrap-server") && line.has("bootstrap-controller") {
        return refuse("Only one of --bootstrap-server or --bootstrap-controller can be specified");
    }
    entities.check_names(line)?;
    let types = entities.types.join(",");
    let has_name = entities.names.iter().any(|name| !name.is_empty());
    let has_default = entities.names.iter().any(String::is_empty);
    let may_be_default =
        entities.types.iter().any(|kind| matches!(&**kind, "users" | "clients" | "brokers" | "ips"));
    if line.has("describe") {
        if !may_be_default && line.has("entity-default") {
            return refuse(format!("--entity-default must not be specified with --describe of {types}"));
        }
        if entities.types.iter().any(|kind| kind == "broker-loggers") && !has_name {
            return refuse(format!("An entity name must be specified with --describe of {types}"));
        }
        return Ok(entities);
    }
    if may_be_default {
        if !has_name && !has_default {
            return refuse(
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
            );
        }
    } else if !has_name {
        return refuse(format!("An entity name must be specified with --alter of {types}"));
    }
    if line.has("add-config") && line.has("add-config-file") {
        return refuse("Only one of --add-config or --add-config-file must be specified");
    }
    if !["add-config", "add-config-file", "delete-config"].iter().any(|option| line.has(option)) {
        return refuse(
            "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
        );
    }
    Ok(entities)
}
