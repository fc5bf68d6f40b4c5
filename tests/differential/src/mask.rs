//! Makes the values of a response comparable that differ from run to run: ids, ports, the current time.
//!
//! Owns the rules that hold for every response (ids, times, names of this run); `fields.table` has those of single
//! fields. Never decides whether a difference is accepted.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::batch_tree;
use crate::side::Side;
use crate::tables::{Mask, Tables};
use crate::value::{Value, base64};

/// Two days: a number this close to the current time in ms is a time of this run.
const NEAR_MS: u64 = 2 * 86_400_000;

/// The ids that one side gave out during one run of a case, numbered by first appearance.
pub struct Masker<'t> {
    tables: &'t Tables,
    api: String,
    bootstrap: String,
    folder: Option<String>,
    port: i64,
    now_ms: i64,
    known_ids: BTreeMap<[u8; 16], String>,
    fresh: Vec<(String, String)>,
    numbers: BTreeMap<i64, usize>,
    ids: BTreeMap<String, usize>,
    /// While elements are sorted, ids that are not known yet all look alike.
    is_sorting: bool,
}

impl<'t> Masker<'t> {
    /// A masker for the answers of one side in one run.
    pub fn new(tables: &'t Tables, side: &Side<'_>) -> Masker<'t> {
        let now_ms = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as i64);
        Masker {
            tables,
            api: String::new(),
            bootstrap: side.bootstrap.clone(),
            folder: side.folder.clone(),
            port: side.bootstrap.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(-1),
            now_ms,
            known_ids: BTreeMap::new(),
            fresh: Vec::new(),
            numbers: BTreeMap::new(),
            ids: BTreeMap::new(),
            is_sorting: false,
        }
    }

    /// Takes over the names and ids that the side has learnt meanwhile.
    pub fn learn(&mut self, side: &Side<'_>) {
        self.known_ids.clone_from(&side.known_ids);
        for (name, value) in &side.variables {
            if let Json::String(text) = value
                && text.len() == 22
                && let Some(id) = crate::value::from_base64(text).and_then(|bytes| bytes.try_into().ok())
            {
                self.known_ids.entry(id).or_insert_with(|| format!("${name}"));
            }
        }
        self.fresh = side.fresh_names();
        // A longer name first, so that `t-12` is not taken for `t-1` with a 2 behind it.
        self.fresh.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    }

    /// The response of an API, made comparable.
    pub fn mask(&mut self, api: &str, value: Value) -> Value {
        self.api = api.to_owned();
        self.value(String::new(), value)
    }

    fn value(&mut self, path: String, value: Value) -> Value {
        let mask = self.tables.mask(&self.api, &path);
        match (mask, value) {
            (Mask::Ignored, _) => Value::Text("<ignored>".to_owned()),
            (Mask::Wording, Value::Text(text)) if !text.is_empty() => Value::Text("<words>".to_owned()),
            (Mask::Port, Value::Int(port)) if port == self.port => Value::Text("<port>".to_owned()),
            (Mask::Size, Value::Int(size)) if size >= 0 => Value::Text("<size>".to_owned()),
            (Mask::Number, Value::Int(number)) if number > 0 => self.number(number),
            (_, Value::Int(number)) if number.abs_diff(self.now_ms) < NEAR_MS => {
                Value::Text("<now>".to_owned())
            }
            (_, Value::Uuid(id)) => self.uuid(id),
            (_, Value::Text(text)) => Value::Text(self.text(&text)),
            (_, Value::Bytes(bytes)) if path.ends_with(".Records") && !path.contains("Records[]") => {
                let tree = batch_tree::tree(&bytes);
                self.value(path, tree)
            }
            (_, Value::Struct(fields)) => Value::Struct(
                fields
                    .into_iter()
                    .map(|(name, value)| {
                        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                        let masked = self.value(inner, value);
                        (name, masked)
                    })
                    .collect(),
            ),
            (_, Value::List(list)) => self.list(&path, list),
            (_, other) => other,
        }
    }

    fn list(&mut self, path: &str, mut list: Vec<Value>) -> Value {
        let inner = format!("{path}[]");
        let Some(rule) = self.tables.unordered(&self.api, path) else {
            return Value::List(list.into_iter().map(|value| self.value(inner.clone(), value)).collect());
        };
        let keys = &rule.keys;
        if !self.is_sorting {
            self.is_sorting = true;
            let mut sorted: Vec<(String, Value)> = list
                .into_iter()
                .map(|value| (self.value(inner.clone(), value.clone()).to_string(), value))
                .collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            list = sorted.into_iter().map(|(_, value)| value).collect();
            self.is_sorting = false;
        }
        let mut named: Vec<(String, Value)> = Vec::new();
        for value in list {
            let value = self.value(inner.clone(), value);
            let name = match keys.is_empty() {
                true => value.to_string(),
                false => keys
                    .iter()
                    .filter_map(|key| value.field(key).map(Value::to_string))
                    .collect::<Vec<_>>()
                    .join(","),
            };
            let twins =
                named.iter().filter(|(own, _)| own.trim_end_matches('\'') == format!("[{name}]")).count();
            named.push((format!("[{name}]{}", "'".repeat(twins)), value));
        }
        Value::Struct(named)
    }

    fn number(&mut self, number: i64) -> Value {
        if self.is_sorting {
            return Value::Text("<number>".to_owned());
        }
        let next = self.numbers.len() + 1;
        let place = *self.numbers.entry(number).or_insert(next);
        Value::Text(format!("<number {place}>"))
    }

    fn uuid(&mut self, id: [u8; 16]) -> Value {
        if id[..15] == [0; 15] {
            return Value::Uuid(id);
        }
        match self.known_ids.get(&id) {
            Some(name) => Value::Text(name.clone()),
            None => Value::Text(self.first_seen(&base64(&id))),
        }
    }

    fn first_seen(&mut self, id: &str) -> String {
        if self.is_sorting {
            return "<id>".to_owned();
        }
        let next = self.ids.len() + 1;
        let place = *self.ids.entry(id.to_owned()).or_insert(next);
        format!("<id {place}>")
    }

    fn text(&mut self, text: &str) -> String {
        let mut out = without_ports(&text.replace(&self.bootstrap, "<bootstrap>"));
        if let Some(folder) = &self.folder {
            out = out.replace(folder.as_str(), "<folder>");
        }
        for (name, shown) in &self.fresh {
            out = out.replace(name, shown);
        }
        let named: Vec<(String, String)> =
            self.known_ids.iter().map(|(id, name)| (base64(id), name.clone())).collect();
        for (id, name) in named {
            out = out.replace(&id, &name);
        }
        let mut at = 0;
        while let Some(id) = out.get(at..at + 36) {
            if is_uuid(id) {
                let id = id.to_owned();
                let shown = self.first_seen(&id);
                out.replace_range(at..at + 36, &shown);
            }
            at += out[at..].chars().next().map_or(1, char::len_utf8);
        }
        out
    }
}

/// The text without the ports of this machine, which its controllers have, too.
fn without_ports(text: &str) -> String {
    const LOOPBACK: &str = "127.0.0.1:";
    let mut parts = text.split(LOOPBACK);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(LOOPBACK);
        out.push_str("<port>");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}

/// Is this the long form of an id, as in member ids?
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
