//! The schema notation: parser and model. Owns what a line of `crates/protocol/schemas` means (described in
//! its README); never knows Rust or how a field is encoded.

use std::collections::BTreeMap;

/// A closed range of versions; `hi` is clamped to the message's own highest version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub lo: i16,
    pub hi: i16,
}

impl Versions {
    /// True when `version` lies in the range.
    pub fn contains(self, version: i16) -> bool {
        self.lo <= version && version <= self.hi
    }
}

/// Wire types that need no struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
    Uuid,
    String,
    Bytes,
    Records,
}

/// The type of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    Scalar(Scalar),
    Struct(String),
    ScalarArray(Scalar),
    StructArray(String),
}

impl Type {
    /// The struct the type refers to, directly or as array element.
    pub fn struct_name(&self) -> Option<&str> {
        match self {
            Type::Struct(name) | Type::StructArray(name) => Some(name),
            _ => None,
        }
    }
}

/// One field of a struct, in wire order.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub kind: Type,
    /// Versions that carry the field.
    pub versions: Versions,
    /// Versions in which null is legal, within `versions`.
    pub nullable: Option<Versions>,
    /// Number in the tag section; `None` for a field of the body.
    pub tag: Option<u32>,
    /// The literal default, when it is not the type's zero value.
    pub default: Option<String>,
    /// A value that a version cannot carry is dropped instead of refused.
    pub ignorable: bool,
    /// Always encoded as in a classic version.
    pub inflexible: bool,
}

/// A named list of fields.
#[derive(Clone, Debug)]
pub struct Struct {
    pub name: String,
    /// Versions in which the struct can appear.
    pub versions: Versions,
    pub fields: Vec<Field>,
}

/// A message: a top-level struct (the first of `structs`) and those nested in it.
#[derive(Clone, Debug)]
pub struct Message {
    pub name: String,
    pub versions: Versions,
    pub flexible_from: Option<i16>,
    pub unstable: bool,
    pub structs: Vec<Struct>,
}

impl Message {
    /// The struct called `name`.
    pub fn find(&self, name: &str) -> &Struct {
        self.structs.iter().find(|s| s.name == name).expect("the parser checked every reference")
    }
}

/// What a file describes besides its messages.
#[derive(Clone, Debug)]
pub enum Owner {
    /// An API key; the messages are request and response, or none if it was removed.
    Api { key: i16, name: String, flags: Vec<String> },
    /// A record type; the messages are either the record, or its key and value.
    Record { key: i16, name: String },
    /// Free-standing structs.
    Data,
}

/// One parsed file.
#[derive(Clone, Debug)]
pub struct SchemaFile {
    pub owner: Owner,
    pub messages: Vec<Message>,
}

struct Line<'t> {
    number: usize,
    depth: usize,
    words: Vec<&'t str>,
}

/// Parses one file; the error names the line.
pub fn parse(text: &str) -> Result<SchemaFile, String> {
    let mut file = SchemaFile { owner: Owner::Data, messages: Vec::new() };
    let lines = split(text)?;
    let mut at = 0;
    while at < lines.len() {
        let line = &lines[at];
        let end = (at + 1..lines.len()).find(|&i| lines[i].depth == 0).unwrap_or(lines.len());
        top_level(&mut file, line, &lines[at + 1..end]).map_err(|e| format!("line {}: {e}", line.number))?;
        at = end;
    }
    Ok(file)
}

fn split(text: &str) -> Result<Vec<Line<'_>>, String> {
    let mut lines = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let body = raw.split('#').next().unwrap_or_default();
        if body.trim().is_empty() {
            continue;
        }
        let indent = body.len() - body.trim_start_matches(' ').len();
        if indent % 2 != 0 {
            return Err(format!("line {}: indentation is two spaces per level", index + 1));
        }
        lines.push(Line { number: index + 1, depth: indent / 2, words: body.split_whitespace().collect() });
    }
    Ok(lines)
}

fn top_level(file: &mut SchemaFile, line: &Line<'_>, body: &[Line<'_>]) -> Result<(), String> {
    let words = &line.words;
    let word = |i: usize| words.get(i).copied().ok_or("the line is too short");
    match word(0)? {
        "api" => {
            let flags = words[3.min(words.len())..].iter().map(|w| (*w).to_owned()).collect();
            file.owner = Owner::Api { key: number(word(1)?)?, name: word(2)?.to_owned(), flags };
            Ok(())
        }
        "record" if words.len() == 3 => {
            file.owner = Owner::Record { key: number(word(1)?)?, name: word(2)?.to_owned() };
            Ok(())
        }
        "record" => {
            let name = word(2)?.to_owned();
            file.owner = Owner::Record { key: number(word(1)?)?, name: name.clone() };
            message(file, name, &words[3..], body)
        }
        "data" => message(file, word(1)?.to_owned(), &words[2..], body),
        part @ ("request" | "response" | "key" | "value") => {
            let (Owner::Api { name, .. } | Owner::Record { name, .. }) = &file.owner else {
                return Err(format!("{part} without an api or record line above"));
            };
            let (first, rest) = part.split_at(1);
            let full = format!("{name}{}{rest}", first.to_uppercase());
            message(file, full, &words[1..], body)
        }
        other => Err(format!("unknown keyword {other}")),
    }
}

fn message(file: &mut SchemaFile, name: String, head: &[&str], body: &[Line<'_>]) -> Result<(), String> {
    let range = *head.first().ok_or("a message needs its versions")?;
    if range == "none" {
        return Ok(());
    }
    let versions = range_of(range, Versions { lo: 0, hi: i16::MAX })?;
    let mut parsed = Message { name, versions, flexible_from: None, unstable: false, structs: Vec::new() };
    let mut rest = &head[1..];
    while let Some((&word, tail)) = rest.split_first() {
        rest = match (word, tail.split_first()) {
            ("flexible", Some((range, tail))) => {
                parsed.flexible_from = Some(range_of(range, versions)?.lo);
                tail
            }
            ("unstable", _) => {
                parsed.unstable = true;
                tail
            }
            _ => return Err(format!("unknown word {word}")),
        };
    }
    let name = parsed.name.clone();
    struct_body(&mut parsed, &name, versions, body, 1)?;
    settle(&mut parsed)?;
    file.messages.push(parsed);
    Ok(())
}

/// Parses the lines at `depth` as fields of `name`; deeper lines belong to the field above them.
fn struct_body(
    message: &mut Message,
    name: &str,
    versions: Versions,
    lines: &[Line<'_>],
    depth: usize,
) -> Result<(), String> {
    if message.structs.iter().any(|s| s.name == name) {
        return Err(format!("struct {name} is described twice"));
    }
    let place = message.structs.len();
    message.structs.push(Struct { name: name.to_owned(), versions, fields: Vec::new() });
    let mut at = 0;
    while at < lines.len() {
        let line = &lines[at];
        let end = (at + 1..lines.len()).find(|&i| lines[i].depth <= depth).unwrap_or(lines.len());
        let children = &lines[at + 1..end];
        let within = |e: String| format!("line {}: {e}", line.number);
        if line.depth != depth {
            return Err(within("wrong indentation".to_owned()));
        }
        if line.words[0] == "struct" {
            let own = *line.words.get(1).ok_or_else(|| within("struct needs a name".to_owned()))?;
            let range = match line.words.get(2) {
                Some(range) => range_of(range, message.versions).map_err(within)?,
                None => message.versions,
            };
            struct_body(message, own, range, children, depth + 1)?;
        } else {
            let field = field(&line.words, versions).map_err(within)?;
            if !children.is_empty() {
                let own =
                    field.kind.struct_name().ok_or_else(|| within("not a struct".to_owned()))?.to_owned();
                struct_body(message, &own, field.versions, children, depth + 1)?;
            }
            message.structs[place].fields.push(field);
        }
        at = end;
    }
    Ok(())
}

fn field(words: &[&str], outer: Versions) -> Result<Field, String> {
    let [name, kind, rest @ ..] = words else { return Err("a field needs a name and a type".to_owned()) };
    let (kind, null) = match kind.split_once('?') {
        Some((kind, range)) => (kind, Some(range)),
        None => (*kind, None),
    };
    let mut rest = rest;
    let mut versions = outer;
    if let Some((range, tail)) = rest.split_first()
        && range.starts_with(|c: char| c.is_ascii_digit())
    {
        versions = range_of(range, outer)?;
        rest = tail;
    }
    let nullable = match null {
        None => None,
        Some("") => Some(versions),
        Some(range) => Some(range_of(range, versions)?),
    };
    let mut field = Field {
        name: (*name).to_owned(),
        kind: type_of(kind),
        versions,
        nullable,
        tag: None,
        default: None,
        ignorable: false,
        inflexible: false,
    };
    while let Some((&word, tail)) = rest.split_first() {
        rest = match (word, tail.split_first()) {
            ("tag", Some((tag, tail))) => {
                field.tag = Some(tag.parse().map_err(|_| format!("{tag} is no tag number"))?);
                tail
            }
            ("=", Some((literal, tail))) => {
                field.default = Some((*literal).to_owned());
                tail
            }
            ("ignorable", _) => {
                field.ignorable = true;
                tail
            }
            ("inflexible", _) => {
                field.inflexible = true;
                tail
            }
            _ => return Err(format!("unknown word {word}")),
        };
    }
    if field.default.as_deref() == Some("null") && field.nullable != Some(field.versions) {
        return Err(format!("{name} defaults to null but is not nullable in all its versions"));
    }
    Ok(field)
}

fn type_of(word: &str) -> Type {
    let (array, element) = match word.strip_prefix("[]") {
        Some(element) => (true, element),
        None => (false, word),
    };
    let scalar = match element {
        "bool" => Scalar::Bool,
        "int8" => Scalar::Int8,
        "int16" => Scalar::Int16,
        "uint16" => Scalar::Uint16,
        "int32" => Scalar::Int32,
        "uint32" => Scalar::Uint32,
        "int64" => Scalar::Int64,
        "float64" => Scalar::Float64,
        "uuid" => Scalar::Uuid,
        "string" => Scalar::String,
        "bytes" => Scalar::Bytes,
        "records" => Scalar::Records,
        name if array => return Type::StructArray(name.to_owned()),
        name => return Type::Struct(name.to_owned()),
    };
    if array { Type::ScalarArray(scalar) } else { Type::Scalar(scalar) }
}

/// Checks every reference and that no struct contains itself, so that decoding has a fixed depth.
fn settle(message: &mut Message) -> Result<(), String> {
    let mut depths: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..=message.structs.len() {
        for s in &message.structs {
            let mut depth = 0;
            for field in &s.fields {
                if let Some(inner) = field.kind.struct_name() {
                    if !message.structs.iter().any(|s| s.name == inner) {
                        return Err(format!("{}.{} has the unknown type {inner}", s.name, field.name));
                    }
                    depth = depth.max(1 + depths.get(inner).copied().unwrap_or(0));
                }
            }
            depths.insert(s.name.clone(), depth);
        }
    }
    match depths.iter().find(|(_, depth)| **depth > message.structs.len()) {
        Some((name, _)) => Err(format!("struct {name} contains itself")),
        None => Ok(()),
    }
}

fn range_of(word: &str, outer: Versions) -> Result<Versions, String> {
    let parsed = if let Some(lo) = word.strip_suffix('+') {
        Versions { lo: number(lo)?, hi: outer.hi }
    } else if let Some((lo, hi)) = word.split_once('-') {
        Versions { lo: number(lo)?, hi: number(hi)? }
    } else {
        let only = number(word)?;
        Versions { lo: only, hi: only }
    };
    if parsed.lo > parsed.hi || parsed.lo < outer.lo || parsed.hi > outer.hi {
        return Err(format!("versions {word} lie outside {}-{}", outer.lo, outer.hi));
    }
    Ok(parsed)
}

fn number(word: &str) -> Result<i16, String> {
    word.parse().map_err(|_| format!("{word} is no number"))
}
