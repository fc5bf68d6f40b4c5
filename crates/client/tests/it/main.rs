//! The client against a whole node, on loopback.

mod admin;
mod group_consumer;

use client::ClientConfig;
use platform::Platform;
use testkit::TestNode;

/// A node, and a client's configuration that finds it.
async fn node(properties: &[(&str, &str)]) -> (TestNode, ClientConfig) {
    let node = TestNode::start(properties).await;
    let config = ClientConfig::new(&node.address().to_string()).expect("an address");
    (node, config)
}

async fn admin(config: &ClientConfig) -> client::Admin {
    client::Admin::connect(&Platform::os(), config.clone()).await.expect("the node answers")
}
