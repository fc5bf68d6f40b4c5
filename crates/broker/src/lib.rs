//! The node.

mod api_versions;
mod authorized_operations;
mod context;
mod fetch_sessions;
mod topic_names;
mod waiters;
