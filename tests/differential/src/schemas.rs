//! The schemas of all APIs, read at run time from the protocol crate's own files.
//!
//! Owns the lookup by name and key. Never encodes.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Failure;
use crate::schema::{Message, Owner, parse};

/// An API: how its requests and responses look.
pub struct Api {
    pub key: i16,
    pub name: String,
    pub request: Message,
    pub response: Message,
}

impl Api {
    /// Does a request of this version have a header with a tag section?
    pub fn is_flexible(&self, version: i16) -> bool {
        self.request.flexible_from.is_some_and(|from| version >= from)
    }

    /// Does a response of this version have a header with a tag section? ApiVersions never has, so that a client of any
    /// age can read the answer to its first question.
    pub fn has_flexible_response_header(&self, version: i16) -> bool {
        self.is_flexible(version) && self.name != "ApiVersions"
    }
}

/// All APIs.
pub struct Schemas {
    by_name: BTreeMap<String, Api>,
}

impl Schemas {
    /// Reads every schema file that describes an API.
    pub fn load(folder: &Path) -> Result<Schemas, Failure> {
        let mut by_name = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "kafka") {
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let file = parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
            let Owner::Api { key, name, .. } = file.owner else { continue };
            let mut messages = file.messages.into_iter();
            if let (Some(request), Some(response)) = (messages.next(), messages.next()) {
                by_name.insert(name.clone(), Api { key, name, request, response });
            }
        }
        Ok(Schemas { by_name })
    }

    /// The API of this name.
    pub fn api(&self, name: &str) -> Result<&Api, Failure> {
        self.by_name.get(name).ok_or_else(|| format!("no API is called {name}").into())
    }

    /// The API of this key, if it still exists.
    pub fn by_key(&self, key: i16) -> Option<&Api> {
        self.by_name.values().find(|api| api.key == key)
    }
}
