//! Rust for one message: structs, defaults, decoding and encoding. Owns how each type is encoded in generated
//! code; never reads files.

use std::fmt::Write as _;

use super::emit_field as fields;
use super::names::snake;
use super::schema::{Field, Message, Scalar, Struct, Type, Versions};

/// The field of a response that says how long the client is held off.
const THROTTLE_TIME: &str = "ThrottleTimeMs";

/// A struct and what its code depends on.
pub struct Scope<'m> {
    pub message: &'m Message,
    pub owner: &'m Struct,
}

impl Scope<'_> {
    /// `v >= 3 && v <= 7` within the versions of the struct; `None` if always true.
    pub fn condition(&self, range: Versions, outer: Versions) -> Option<String> {
        match (range.lo > outer.lo, range.hi < outer.hi) {
            (false, false) => None,
            (true, false) => Some(format!("v >= {}", range.lo)),
            (false, true) => Some(format!("v <= {}", range.hi)),
            (true, true) if range.lo == range.hi => Some(format!("v == {}", range.lo)),
            (true, true) => Some(format!("({}..={}).contains(&v)", range.lo, range.hi)),
        }
    }

    /// The expression that says whether the version is flexible.
    pub fn flexible(&self) -> String {
        match self.message.flexible_from {
            Some(from) if from <= self.owner.versions.lo => "true".to_owned(),
            Some(from) if from <= self.owner.versions.hi => format!("v >= {from}"),
            _ => "false".to_owned(),
        }
    }

    /// The flexible versions in which the struct can appear.
    fn flexible_versions(&self) -> Versions {
        let from = self.message.flexible_from.unwrap_or(i16::MAX);
        Versions { lo: from.max(self.owner.versions.lo), hi: self.owner.versions.hi }
    }

    /// Same, as used for one field.
    pub fn field_flexible(&self, field: &Field) -> String {
        let whole = self.flexible();
        match field.inflexible {
            true => "false".to_owned(),
            false if whole.starts_with('v') => "f".to_owned(),
            false => whole,
        }
    }
}

/// True when the struct borrows from the input.
pub fn borrows(message: &Message, s: &Struct) -> bool {
    s.fields.iter().any(|f| match &f.kind {
        Type::Scalar(t) | Type::ScalarArray(t) => {
            matches!(t, Scalar::String | Scalar::Bytes | Scalar::Records)
        }
        Type::Struct(name) | Type::StructArray(name) => borrows(message, message.find(name)),
    })
}

/// The smallest encoding of a struct in one version, in bytes.
fn min_bytes(message: &Message, s: &Struct, version: i16) -> usize {
    let flexible = message.flexible_from.is_some_and(|from| version >= from);
    let body = s.fields.iter().filter(|f| f.versions.contains(version) && f.tag.is_none());
    let sum: usize = body.map(|f| min_field_bytes(message, f, version, flexible && !f.inflexible)).sum();
    sum + usize::from(flexible)
}

fn min_field_bytes(message: &Message, field: &Field, version: i16, flexible: bool) -> usize {
    match &field.kind {
        Type::Scalar(Scalar::Bool | Scalar::Int8) => 1,
        Type::Scalar(Scalar::Int16 | Scalar::Uint16) => 2,
        Type::Scalar(Scalar::Int32 | Scalar::Uint32) => 4,
        Type::Scalar(Scalar::Int64 | Scalar::Float64) => 8,
        Type::Scalar(Scalar::Uuid) => 16,
        _ if flexible && field.kind.struct_name().is_none() => 1,
        Type::Scalar(Scalar::String) => 2,
        Type::StructArray(_) if flexible => 1,
        Type::Scalar(Scalar::Bytes | Scalar::Records) | Type::ScalarArray(_) | Type::StructArray(_) => 4,
        Type::Struct(_) if field.nullable.is_some_and(|n| n.contains(version)) => 1,
        Type::Struct(name) => min_bytes(message, message.find(name), version),
    }
}

/// The smallest encoding of an array's element as expression over `v`, for the versions of the referring struct.
pub fn min_bytes_expression(scope: &Scope<'_>, field: &Field, element: &str) -> String {
    let element = scope.message.find(element);
    let mut steps: Vec<(i16, usize)> = Vec::new();
    for version in field.versions.lo..=field.versions.hi {
        let bytes = min_bytes(scope.message, element, version);
        assert!(bytes > 0, "{}.{}: elements without a byte", scope.message.name, field.name);
        if steps.last().is_none_or(|(_, last)| *last != bytes) {
            steps.push((version, bytes));
        }
    }
    let (_, mut text) = (steps[0].0, steps[0].1.to_string());
    for (from, bytes) in &steps[1..] {
        text = if text.contains("if") {
            format!("if v >= {from} {{ {bytes} }} else {text}")
        } else {
            format!("if v >= {from} {{ {bytes} }} else {{ {text} }}")
        };
    }
    text
}

/// What a message is to an API.
pub enum Role {
    /// The request body of the API of this name.
    RequestOf(String),
    /// A response body.
    Response,
    /// A header, a stored record or a blob.
    Other,
}

/// The whole file of one message.
pub fn file(message: &Message, role: &Role) -> String {
    let mut out = String::new();
    let name = &message.name;
    let _ = writeln!(
        out,
        "//! Wire form of `{name}`. Generated by `cargo xtask codegen`; never edited by hand.\n"
    );
    out.push_str("use crate::prelude::*;\n\n");
    for s in &message.structs {
        let scope = Scope { message, owner: s };
        definition(&mut out, &scope);
        default(&mut out, &scope);
        let life = lifetime(message, s);
        let on = if life.is_empty() { "" } else { "<'a>" };
        let _ = writeln!(out, "impl{on} {}{life} {{", s.name);
        read(&mut out, &scope);
        write(&mut out, &scope);
        if !life.is_empty() {
            into_owned(&mut out, &scope);
        }
        out.push_str("}\n\n");
    }
    let life = lifetime(message, &message.structs[0]);
    let flexible = message.flexible_from.map_or("i16::MAX".to_owned(), |v| v.to_string());
    let Versions { lo, hi } = message.versions;
    let _ = writeln!(out, "message!({name}{life}, \"{name}\", {lo}, {hi}, {flexible});");
    match role {
        Role::RequestOf(api) => {
            let _ = writeln!(out, "\nimpl<'a> Request<'a> for {name}{life} {{");
            let _ = writeln!(out, "    const API_KEY: crate::ApiKey = crate::ApiKey::{api};\n}}");
        }
        Role::Response => response(&mut out, message, life),
        Role::Other => {}
    }
    out
}

fn response(out: &mut String, message: &Message, life: &str) {
    let is_throttled = message.structs[0].fields.iter().any(|field| field.name == THROTTLE_TIME);
    let value = if is_throttled { "Some(&mut self.throttle_time_ms)" } else { "None" };
    let _ = writeln!(out, "\nimpl<'a> Response<'a> for {}{life} {{", message.name);
    let _ = writeln!(out, "    fn throttle_time_ms(&mut self) -> Option<&mut i32> {{\n{value}\n}}\n}}");
}

/// `<'a>` for structs that borrow.
pub fn lifetime(message: &Message, s: &Struct) -> &'static str {
    if borrows(message, s) { "<'a>" } else { "" }
}

fn span(range: Versions) -> String {
    if range.lo == range.hi { range.lo.to_string() } else { format!("{}-{}", range.lo, range.hi) }
}

fn definition(out: &mut String, scope: &Scope<'_>) {
    let (message, s) = (scope.message, scope.owner);
    let _ = write!(out, "/// `{}`", s.name);
    if s.name != message.name {
        let _ = write!(out, " of [`{}`]", message.name);
    }
    let _ = write!(out, ", versions {}", span(s.versions));
    match message.flexible_from {
        Some(from) if s.name == message.name => {
            let _ = writeln!(out, ", flexible from {from}.");
        }
        _ => out.push_str(".\n"),
    }
    let derived = if s.fields.iter().all(fields::default_is_zero) { ", Default" } else { "" };
    let _ = writeln!(out, "#[derive(Debug, Clone, PartialEq{derived})]");
    let _ = writeln!(out, "pub struct {}{} {{", s.name, lifetime(message, s));
    for field in &s.fields {
        fields::document(out, field, s.versions);
        let _ = writeln!(out, "pub {}: {},", fields::ident(field), fields::rust_type(scope, field));
    }
    out.push_str("}\n\n");
}

fn default(out: &mut String, scope: &Scope<'_>) {
    let s = scope.owner;
    if s.fields.iter().all(fields::default_is_zero) {
        return;
    }
    let anonymous = if lifetime(scope.message, s).is_empty() { "" } else { "<'_>" };
    let _ = writeln!(out, "impl Default for {}{anonymous} {{\nfn default() -> Self {{\nSelf {{", s.name);
    for field in &s.fields {
        let _ = writeln!(out, "{}: {},", fields::ident(field), fields::default(field));
    }
    out.push_str("}\n}\n}\n\n");
}

fn bind_flexible(out: &mut String, scope: &Scope<'_>) {
    let flexible = scope.flexible();
    if flexible.starts_with('v') {
        let _ = writeln!(out, "let f = {flexible};");
    }
}

fn read(out: &mut String, scope: &Scope<'_>) {
    let s = scope.owner;
    let life = if lifetime(scope.message, s).is_empty() { "'_" } else { "'a" };
    let _ =
        writeln!(out, "pub(crate) fn read(r: &mut Reader<{life}>, v: i16) -> Result<Self, DecodeError> {{");
    bind_flexible(out, scope);
    let tagged: Vec<&Field> = s.fields.iter().filter(|f| f.tag.is_some()).collect();
    let flexible = scope.flexible();
    out.push_str(if tagged.is_empty() && flexible == "false" { "Ok(Self {\n" } else { "let m = Self {\n" });
    for field in &s.fields {
        let value = if field.tag.is_some() {
            fields::default(field)
        } else {
            let value = fields::read(scope, field);
            match scope.condition(field.versions, s.versions) {
                None => value,
                Some(condition) => {
                    format!("if {condition} {{ {value} }} else {{ {} }}", fields::default(field))
                }
            }
        };
        let _ = writeln!(out, "{}: {value},", fields::ident(field));
    }
    if tagged.is_empty() && flexible == "false" {
        out.push_str("})\n}\n\n");
        return;
    }
    out.push_str("};\n");
    if !tagged.is_empty() {
        out.push_str("let mut m = m;\n");
    }
    if flexible != "true" {
        out.push_str("if f {\n");
    }
    if tagged.is_empty() {
        out.push_str("r.skip_tags()?;\n");
    } else {
        read_tags(out, scope, &tagged);
    }
    if flexible != "true" {
        out.push_str("}\n");
    }
    out.push_str("Ok(m)\n}\n\n");
}

fn read_tags(out: &mut String, scope: &Scope<'_>, tagged: &[&Field]) {
    out.push_str("let mut tags = r.tags()?;\nwhile let Some((tag, outer)) = r.next_tag(&mut tags)? {\n");
    out.push_str("match tag {\n");
    for field in tagged {
        let tag = field.tag.unwrap_or_default();
        let guard = scope
            .condition(field.versions, scope.flexible_versions())
            .map_or(String::new(), |c| format!(" if {c}"));
        let value = fields::read_tagged(scope, field);
        let _ = writeln!(out, "{tag}{guard} => m.{} = {value},", fields::ident(field));
    }
    out.push_str("_ => {\nr.skip(outer);\ncontinue;\n}\n}\nr.leave(outer)?;\n}\n");
}

fn write(out: &mut String, scope: &Scope<'_>) {
    let s = scope.owner;
    out.push_str("pub(crate) fn write(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {\n");
    bind_flexible(out, scope);
    for field in &s.fields {
        let condition = scope.condition(field.versions, s.versions);
        let refuse = (!field.ignorable).then(|| refusal(scope, field));
        if field.tag.is_some() {
            if let (Some(condition), Some(refuse)) = (condition, refuse) {
                let _ = writeln!(out, "if !({condition}) && {} {{ {refuse} }}", fields::is_set(field));
            }
            continue;
        }
        let body = fields::write(scope, field);
        let Some(condition) = condition else {
            out.push_str(&body);
            continue;
        };
        let _ = write!(out, "if {condition} {{ {body} }}");
        if let Some(refuse) = refuse {
            let _ = write!(out, " else if {} {{ {refuse} }}", fields::is_set(field));
        }
        out.push('\n');
    }
    write_tags(out, scope);
    out.push_str("Ok(())\n}\n\n");
}

fn refusal(scope: &Scope<'_>, field: &Field) -> String {
    format!(
        "return Err(field_not_in_version(\"{}\", \"{}\", v));",
        scope.message.name,
        fields::path(scope, field)
    )
}

fn write_tags(out: &mut String, scope: &Scope<'_>) {
    let flexible = scope.flexible();
    if flexible == "false" {
        return;
    }
    if flexible != "true" {
        out.push_str("if f {\n");
    }
    let mut tagged: Vec<&Field> = scope.owner.fields.iter().filter(|f| f.tag.is_some()).collect();
    tagged.sort_by_key(|f| f.tag);
    let mut sum = Vec::new();
    for field in &tagged {
        let tag = field.tag.unwrap_or_default();
        let mut set = fields::is_set(field);
        if let Some(condition) = scope.condition(field.versions, scope.flexible_versions()) {
            set = format!("{condition} && {set}");
        }
        let _ = writeln!(out, "let t{tag} = {set};");
        sum.push(format!("u32::from(t{tag})"));
    }
    let sum = if sum.is_empty() { "0".to_owned() } else { sum.join(" + ") };
    let _ = writeln!(out, "w.uvarint({sum});");
    for field in &tagged {
        let tag = field.tag.unwrap_or_default();
        let body = fields::write_tagged(scope, field);
        let _ = writeln!(out, "if t{tag} {{\nw.tagged({tag}, &|w| {{\n{body}\nOk(())\n}})?;\n}}");
    }
    if flexible != "true" {
        out.push_str("}\n");
    }
}

fn into_owned(out: &mut String, scope: &Scope<'_>) {
    let name = &scope.owner.name;
    out.push_str("/// Copies everything that is borrowed.\n");
    let _ = writeln!(out, "pub fn into_owned(self) -> {name}<'static> {{\n{name} {{");
    for field in &scope.owner.fields {
        let _ = writeln!(out, "{}: {},", fields::ident(field), fields::own(scope, field));
    }
    out.push_str("}\n}\n");
}

/// The module of a message.
pub fn module(message: &Message) -> String {
    snake(&message.name)
}
