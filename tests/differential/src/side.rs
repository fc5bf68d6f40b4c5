//! One of the two brokers as a case sees it: its connections, and the variables it filled with its own ids.
//!
//! Owns sending and decoding on one side. Never compares.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value as Json;

use crate::Failure;
use crate::brokers::Broker;
use crate::decode;
use crate::encode::{self, frame};
use crate::schemas::{Api, Schemas};
use crate::value::{Value, base64};
use crate::wire::{Arrival, Connection, PATIENCE};

/// What is done to a whole frame, beyond the values in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mangle {
    /// Sent as it is.
    None,
    /// The last byte is missing.
    CutLast,
    /// There is a header and no body.
    NoBody,
    /// Three bytes follow the body.
    Trailing,
    /// The client id is null.
    NullClient,
    /// The client id is not UTF-8.
    WildClient,
    /// The body's tag section has a tag that no schema knows.
    UnknownTag,
}

/// How a request ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// An answer; and is the connection still good for another request?
    Answer { value: Value, is_open: bool },
    /// The next request was answered, this one was not.
    NoAnswer,
    /// The connection ended without an answer.
    Closed,
    /// Nothing came in time.
    Silence,
    /// Bytes came that the schema does not describe.
    Garbage(String),
}

impl Outcome {
    /// The outcome as a tree: the response's fields and `connection`.
    pub fn into_tree(self) -> Value {
        let only = |text: &str| Value::Struct(vec![("connection".to_owned(), Value::Text(text.to_owned()))]);
        match self {
            Outcome::Answer { value: Value::Struct(mut fields), is_open } => {
                let text = if is_open { "open" } else { "closed after the answer" };
                fields.insert(0, ("connection".to_owned(), Value::Text(text.to_owned())));
                Value::Struct(fields)
            }
            Outcome::Answer { value, .. } => value,
            Outcome::NoAnswer => only("open, no answer"),
            Outcome::Closed => only("closed"),
            Outcome::Silence => only("silent"),
            Outcome::Garbage(error) => only(&format!("undecodable answer: {error}")),
        }
    }
}

/// A request that waits for its answer.
#[derive(Debug, Clone)]
struct Posted {
    api: String,
    version: i16,
    id: i32,
}

/// One broker.
pub struct Side<'s> {
    pub name: &'static str,
    pub bootstrap: String,
    pub folder: Option<String>,
    schemas: &'s Schemas,
    connections: BTreeMap<String, Connection>,
    posted: BTreeMap<String, Posted>,
    last: BTreeMap<String, Value>,
    /// What the prelude captured.
    globals: BTreeMap<String, Json>,
    /// What this run of a case captured.
    pub variables: BTreeMap<String, Json>,
    /// What the case's `each` stands for in this run; resolved where it is used.
    bindings: BTreeMap<String, Json>,
    /// Names that belong to this run of a case alone.
    pub fresh: BTreeSet<String>,
    instance: u64,
    client_id: Json,
    /// Ids that the requests of this run named, as they read in a report.
    pub known_ids: BTreeMap<[u8; 16], String>,
}

impl<'s> Side<'s> {
    /// A side without connections yet.
    pub fn new(name: &'static str, broker: &Broker, schemas: &'s Schemas) -> Side<'s> {
        Side {
            name,
            bootstrap: broker.bootstrap.clone(),
            folder: broker.folder.clone(),
            schemas,
            connections: BTreeMap::new(),
            posted: BTreeMap::new(),
            last: BTreeMap::new(),
            // A broker that somebody else started may have its files anywhere.
            globals: [("folder".to_owned(), broker.folder.clone().unwrap_or("/elsewhere".to_owned()).into())]
                .into(),
            variables: BTreeMap::new(),
            bindings: BTreeMap::new(),
            fresh: BTreeSet::new(),
            instance: 0,
            client_id: "differential".into(),
            known_ids: BTreeMap::new(),
        }
    }

    /// Begins a run of a case: fresh names end in `instance`.
    pub fn begin(&mut self, instance: u64) {
        self.instance = instance;
        self.variables = self.globals.clone();
        self.bindings.clear();
        self.fresh.clear();
        self.client_id = "differential".into();
        self.known_ids.clear();
        // An answer that nobody took would be read as the answer to something else.
        for label in std::mem::take(&mut self.posted).into_keys() {
            self.connections.remove(&label);
        }
    }

    /// Makes the variables of this run those that every later run begins with.
    pub fn keep_variables(&mut self) {
        self.globals = self.variables.clone();
    }

    /// Lets a variable stand for a value of a table in this run.
    pub fn bind(&mut self, name: &str, value: &Json) {
        self.bindings.insert(name.to_owned(), value.clone());
    }

    /// Sets the client id of this run's following requests.
    pub fn set_client(&mut self, id: &Json) -> Result<(), Failure> {
        self.client_id = self.resolve(id)?;
        Ok(())
    }

    /// Puts this side's variables into a request.
    pub fn resolve(&mut self, json: &Json) -> Result<Json, Failure> {
        Ok(match json {
            Json::String(text) => self.resolve_text(text)?,
            Json::Array(list) => {
                Json::Array(list.iter().map(|json| self.resolve(json)).collect::<Result<_, _>>()?)
            }
            Json::Object(object) => {
                let mut out = serde_json::Map::new();
                for (key, value) in object {
                    let key = if key.contains("${") { self.embed(key)? } else { key.clone() };
                    out.insert(key, self.resolve(value)?);
                }
                Json::Object(out)
            }
            other => other.clone(),
        })
    }

    fn resolve_text(&mut self, text: &str) -> Result<Json, Failure> {
        if text.contains("${") {
            return Ok(Json::String(self.embed(text)?));
        }
        match text.strip_prefix('$') {
            Some(name) => self.variable(name),
            None => {
                self.note_id(text);
                Ok(Json::String(text.to_owned()))
            }
        }
    }

    /// An id that the case spells out is known by its own spelling.
    fn note_id(&mut self, text: &str) {
        if text.len() == 22
            && let Some(id) = crate::value::from_base64(text).and_then(|bytes| bytes.try_into().ok())
        {
            self.known_ids.entry(id).or_insert_with(|| text.to_owned());
        }
    }

    fn variable(&mut self, name: &str) -> Result<Json, Failure> {
        if let Some(bound) = self.bindings.get(name) {
            return self.resolve(&bound.clone());
        }
        if let Some(value) = self.variables.get(name) {
            return Ok(value.clone());
        }
        if name.contains('.') {
            return Err(format!("${name} was never captured").into());
        }
        self.fresh.insert(name.to_owned());
        Ok(Json::String(format!("{name}-{}", self.instance)))
    }

    fn embed(&mut self, text: &str) -> Result<String, Failure> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}').ok_or_else(|| format!("{text} has an open ${{"))?;
            out.push_str(before);
            match self.variable(name)? {
                Json::String(text) => out.push_str(&text),
                other => out.push_str(&other.to_string()),
            }
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// The fresh names of this run, spelled out.
    pub fn fresh_names(&self) -> Vec<(String, String)> {
        self.fresh.iter().map(|name| (format!("{name}-{}", self.instance), format!("${name}"))).collect()
    }

    /// Remembers a value of the last response on a connection.
    pub fn capture(&mut self, label: &str, name: &str, path: &str) -> Result<(), Failure> {
        let last = self.last.get(label).ok_or("nothing was answered on this connection")?;
        let found = last.at(path).ok_or_else(|| format!("{}: no {path} in {last}", self.name))?.clone();
        self.set(name, &found)
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<(), Failure> {
        let json = match value {
            Value::Null => Json::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Text(text) => text.clone().into(),
            Value::Uuid(id) => base64(id).into(),
            other => return Err(format!("{other} cannot be captured").into()),
        };
        if let Value::Uuid(id) = value {
            self.known_ids.insert(*id, format!("${name}"));
        }
        self.variables.insert(name.to_owned(), json);
        Ok(())
    }

    fn connection(&mut self, label: &str) -> Result<&mut Connection, Failure> {
        let is_usable = self.connections.get(label).is_some_and(|connection| !connection.is_broken());
        if !is_usable {
            let opened = Connection::open(&self.bootstrap)
                .map_err(|error| format!("{} does not take connections any more: {error}", self.name))?;
            self.connections.insert(label.to_owned(), opened);
        }
        Ok(self.connections.get_mut(label).ok_or("was inserted above")?)
    }

    /// The frame of a request, with this side's variables in it.
    fn frame(
        &mut self,
        api: &Api,
        version: i16,
        id: i32,
        body: &Json,
        mangle: Mangle,
    ) -> Result<Vec<u8>, Failure> {
        let body = self.resolve(body)?;
        let mut bytes = encode::encode(&api.request, &body, version, mangle == Mangle::UnknownTag)?;
        match mangle {
            Mangle::CutLast => bytes.truncate(bytes.len().saturating_sub(1)),
            Mangle::NoBody => bytes.clear(),
            Mangle::Trailing => bytes.extend([0, 1, 2]),
            _ => {}
        }
        let client_id = match mangle {
            Mangle::NullClient => Json::Null,
            Mangle::WildClient => serde_json::json!({"$hex": "fffe41"}),
            _ => self.client_id.clone(),
        };
        Ok(frame(api.key, version, api.is_flexible(version), id, &client_id, &bytes))
    }

    /// Sends a request and, behind it, a question that every broker answers: so that no answer at all is told apart from
    /// a slow one, and a connection that is closed after the answer shows.
    pub fn start(
        &mut self,
        label: &str,
        api: &Api,
        version: i16,
        body: &Json,
        mangle: Mangle,
    ) -> Result<(i32, i32), Failure> {
        let connection = self.connection(label)?;
        let (id, probe) = (connection.next_id(), connection.next_id());
        let request = self.frame(api, version, id, body, mangle)?;
        let probe_frame = frame(18, 0, false, probe, &Json::String("probe".into()), &[]);
        self.connection(label)?.send(&[request, probe_frame]);
        Ok((id, probe))
    }

    /// Sends bytes that are no request of ours, and the question behind them.
    pub fn start_raw(
        &mut self,
        label: &str,
        key: i16,
        version: i16,
        body: &[u8],
    ) -> Result<(i32, i32), Failure> {
        let is_flexible = self.schemas.by_key(key).is_some_and(|api| api.is_flexible(version));
        let connection = self.connection(label)?;
        let (id, probe) = (connection.next_id(), connection.next_id());
        let request = frame(key, version, is_flexible, id, &Json::String("raw".into()), body);
        connection.send(&[request, frame(18, 0, false, probe, &Json::String("probe".into()), &[])]);
        Ok((id, probe))
    }

    /// Reads what [`Side::start`] asked for.
    pub fn finish(
        &mut self,
        label: &str,
        api: &Api,
        version: i16,
        ids: (i32, i32),
        patience: Duration,
    ) -> Result<Outcome, Failure> {
        let (id, probe) = ids;
        let connection = self.connections.get_mut(label).ok_or("was started")?;
        let outcome = match connection.receive(patience) {
            Arrival::Closed => Outcome::Closed,
            Arrival::Silence => Outcome::Silence,
            Arrival::Frame(frame) if frame.get(..4) == Some(&probe.to_be_bytes()) => {
                return Ok(Outcome::NoAnswer);
            }
            Arrival::Frame(frame) => {
                let is_open = matches!(connection.receive(patience), Arrival::Frame(_));
                match parse(api, version, &frame, id) {
                    Ok(value) => Outcome::Answer { value, is_open },
                    Err(error) => Outcome::Garbage(error),
                }
            }
        };
        if let Outcome::Answer { value, .. } = &outcome {
            self.last.insert(label.to_owned(), value.clone());
        }
        Ok(outcome)
    }

    /// Sends without reading the answer.
    pub fn post(&mut self, label: &str, api: &Api, version: i16, body: &Json) -> Result<(), Failure> {
        let id = self.connection(label)?.next_id();
        let request = self.frame(api, version, id, body, Mangle::None)?;
        self.connection(label)?.send(&[request]);
        self.posted.insert(label.to_owned(), Posted { api: api.name.clone(), version, id });
        Ok(())
    }

    /// Reads the answer to the request posted on this connection.
    pub fn take(&mut self, label: &str, patience: Duration) -> Result<(String, i16, Outcome), Failure> {
        let posted = self.posted.remove(label).ok_or("nothing was posted on this connection")?;
        let api = self.schemas.api(&posted.api)?;
        let connection = self.connections.get_mut(label).ok_or("was posted")?;
        let outcome = match connection.receive(patience) {
            Arrival::Closed => Outcome::Closed,
            Arrival::Silence => Outcome::Silence,
            Arrival::Frame(frame) => match parse(api, posted.version, &frame, posted.id) {
                Ok(value) => Outcome::Answer { value, is_open: true },
                Err(error) => Outcome::Garbage(error),
            },
        };
        if let Outcome::Answer { value, .. } = &outcome {
            self.last.insert(label.to_owned(), value.clone());
        }
        Ok((posted.api, posted.version, outcome))
    }

    /// A request of the set-up: anything but an answer is a failure.
    pub fn ask(&mut self, api: &str, version: i16, body: &Json) -> Result<Value, Failure> {
        let api = self.schemas.api(api)?;
        let ids = self.start("setup", api, version, body, Mangle::None)?;
        match self.finish("setup", api, version, ids, PATIENCE)? {
            Outcome::Answer { value, .. } => Ok(value),
            other => Err(format!("{}: {} of the set-up: {other:?}", self.name, api.name).into()),
        }
    }
}

/// An unsupported version of ApiVersions is answered in version 0.
fn parse(api: &Api, version: i16, frame: &[u8], id: i32) -> Result<Value, String> {
    let known = api.response.versions.contains(version);
    let version = if known { version } else { 0 };
    let (found, body) = decode::header(frame, api.has_flexible_response_header(version))?;
    if found != id {
        return Err(format!("the answer is for another request ({found}, not {id})"));
    }
    decode::decode(&api.response, body, version)
}
