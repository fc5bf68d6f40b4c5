//! Rust for one field: type, default, read and write expressions. Owns the mapping from schema types to Rust;
//! never emits an item.

use std::fmt::Write as _;

use super::emit::{Scope, borrows, lifetime, min_bytes_expression};
use super::names;
use super::schema::{Field, Scalar, Type, Versions};

/// The field's identifier.
pub fn ident(field: &Field) -> String {
    names::field(&field.name)
}

/// `Field` of the message or `Struct.Field` of a nested struct, for errors.
pub fn path(scope: &Scope<'_>, field: &Field) -> String {
    if scope.owner.name == scope.message.name {
        field.name.clone()
    } else {
        format!("{}.{}", scope.owner.name, field.name)
    }
}

fn is_error_code(field: &Field) -> bool {
    field.name == "ErrorCode" && field.kind == Type::Scalar(Scalar::Int16)
}

fn scalar_type(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Bool => "bool",
        Scalar::Int8 => "i8",
        Scalar::Int16 => "i16",
        Scalar::Uint16 => "u16",
        Scalar::Int32 => "i32",
        Scalar::Uint32 => "u32",
        Scalar::Int64 => "i64",
        Scalar::Float64 => "f64",
        Scalar::Uuid => "Uuid",
        Scalar::String => "Cow<'a, str>",
        Scalar::Bytes => "Cow<'a, [u8]>",
        Scalar::Records => "Records<'a>",
    }
}

/// The reader's and writer's method for a scalar.
fn method(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Uuid => "uuid",
        Scalar::String => "string",
        Scalar::Bytes => "bytes",
        Scalar::Records => "records",
        other => scalar_type(other),
    }
}

/// The reader's and writer's method for an array of scalars.
fn list_method(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Int8 => "i8s",
        Scalar::Int16 => "i16s",
        Scalar::Int32 => "i32s",
        Scalar::Int64 => "i64s",
        Scalar::Uuid => "uuids",
        Scalar::String => "strings",
        other => panic!("no schema has an array of {other:?}"),
    }
}

fn is_records(field: &Field) -> bool {
    field.kind == Type::Scalar(Scalar::Records)
}

fn is_option(field: &Field) -> bool {
    field.nullable.is_some() && !is_records(field)
}

/// The type of the Rust field.
pub fn rust_type(scope: &Scope<'_>, field: &Field) -> String {
    let named = |name: &str| format!("{name}{}", lifetime(scope.message, scope.message.find(name)));
    let plain = match &field.kind {
        Type::Scalar(_) if is_error_code(field) => "ErrorCode".to_owned(),
        Type::Scalar(scalar) => scalar_type(*scalar).to_owned(),
        Type::ScalarArray(scalar) => format!("Vec<{}>", scalar_type(*scalar)),
        Type::Struct(name) => named(name),
        Type::StructArray(name) => format!("Vec<{}>", named(name)),
    };
    if is_option(field) { format!("Option<{plain}>") } else { plain }
}

/// A line of documentation for what the type does not say.
pub fn document(out: &mut String, field: &Field, outer: Versions) {
    let mut facts = Vec::new();
    if field.versions != outer {
        let Versions { lo, hi } = field.versions;
        facts.push(match (lo == hi, hi == outer.hi) {
            (true, _) => format!("version {lo}"),
            (false, true) => format!("versions {lo}+"),
            (false, false) => format!("versions {lo}-{hi}"),
        });
    }
    if let Some(nullable) = field.nullable.filter(|n| *n != field.versions) {
        facts.push(format!("null in versions {}-{}", nullable.lo, nullable.hi));
    }
    if let Some(tag) = field.tag {
        facts.push(format!("tag {tag}"));
    }
    if let Some(default) = &field.default {
        facts.push(format!("default {default}"));
    }
    if field.ignorable && field.versions != outer {
        facts.push("dropped in other versions".to_owned());
    }
    if let Some((first, rest)) = facts.split_first() {
        let (initial, tail) = first.split_at(1);
        let mut text = format!("{}{tail}", initial.to_uppercase());
        for fact in rest {
            let _ = write!(text, ", {fact}");
        }
        let _ = writeln!(out, "/// {text}.");
    }
}

/// True when `Default::default()` of the Rust type is the schema's default.
pub fn default_is_zero(field: &Field) -> bool {
    match field.default.as_deref() {
        Some("null") => true,
        Some(_) => false,
        None => !is_option(field),
    }
}

/// The schema's default as an expression.
pub fn default(field: &Field) -> String {
    if is_records(field) {
        return "Records::Null".to_owned();
    }
    if field.default.as_deref() == Some("null") {
        return "None".to_owned();
    }
    let plain = match (&field.kind, &field.default) {
        (Type::Scalar(_), Some(literal)) if is_error_code(field) => format!("ErrorCode({literal})"),
        (Type::Scalar(Scalar::String), Some(literal)) => format!("Cow::Borrowed(\"{literal}\")"),
        (Type::Scalar(_), Some(literal)) => literal.clone(),
        (Type::Scalar(_), None) if is_error_code(field) => "ErrorCode(0)".to_owned(),
        (Type::Scalar(Scalar::Bool), None) => "false".to_owned(),
        (Type::Scalar(Scalar::Float64), None) => "0.0".to_owned(),
        (Type::Scalar(Scalar::Uuid), None) => "Uuid::ZERO".to_owned(),
        (Type::Scalar(Scalar::String), None) => "Cow::Borrowed(\"\")".to_owned(),
        (Type::Scalar(Scalar::Bytes), None) => "Cow::Borrowed(&[])".to_owned(),
        (Type::Scalar(_), None) => "0".to_owned(),
        (Type::ScalarArray(_) | Type::StructArray(_), _) => "Vec::new()".to_owned(),
        (Type::Struct(name), _) => format!("{name}::default()"),
    };
    if is_option(field) { format!("Some({plain})") } else { plain }
}

/// An expression that is true when the field differs from its default.
pub fn is_set(field: &Field) -> String {
    let this = format!("self.{}", ident(field));
    let null_default = field.default.as_deref() == Some("null");
    if is_option(field) {
        return match &field.kind {
            _ if null_default => format!("{this}.is_some()"),
            Type::Struct(_) => format!("{this} != {}", default(field)),
            _ => format!("{this}.as_deref().is_none_or(|x| !x.is_empty())"),
        };
    }
    match &field.kind {
        Type::Scalar(Scalar::Bool) if field.default.as_deref() == Some("true") => format!("!{this}"),
        Type::Scalar(Scalar::Bool) => this,
        Type::Scalar(Scalar::Uuid) => format!("!{this}.is_zero()"),
        Type::Scalar(Scalar::Records) => format!("!{this}.is_null()"),
        Type::Scalar(Scalar::String | Scalar::Bytes) if field.default.is_none() => {
            format!("!{this}.is_empty()")
        }
        Type::ScalarArray(_) | Type::StructArray(_) => format!("!{this}.is_empty()"),
        Type::Scalar(_) | Type::Struct(_) => format!("{this} != {}", default(field)),
    }
}

/// Reads the field where it is present in the body.
pub fn read(scope: &Scope<'_>, field: &Field) -> String {
    read_as(scope, field, &scope.field_flexible(field))
}

fn read_as(scope: &Scope<'_>, field: &Field, f: &str) -> String {
    if let Type::Struct(name) = &field.kind {
        return match field.nullable {
            None => format!("{name}::read(r, v)?"),
            Some(_) => format!("if r.i8()? < 0 {{ None }} else {{ Some({name}::read(r, v)?) }}"),
        };
    }
    if is_error_code(field) {
        return "ErrorCode(r.i16()?)".to_owned();
    }
    let call = |null: &str| match &field.kind {
        Type::Scalar(s @ (Scalar::String | Scalar::Bytes | Scalar::Records)) => {
            format!("r.{null}{}({f})?", method(*s))
        }
        Type::Scalar(s) => format!("r.{}()?", method(*s)),
        Type::ScalarArray(s) => format!("r.{null}{}({f})?", list_method(*s)),
        Type::StructArray(name) => {
            let min = min_bytes_expression(scope, field, name);
            format!("r.{null}array({f}, {min}, v, {name}::read)?")
        }
        Type::Struct(_) => unreachable!("handled above"),
    };
    let Some(nullable) = field.nullable else { return call("") };
    match scope.condition(nullable, field.versions) {
        None => call("nullable_"),
        Some(condition) if is_records(field) => {
            format!("if {condition} {{ {} }} else {{ {} }}", call("nullable_"), call(""))
        }
        Some(condition) => {
            format!("if {condition} {{ {} }} else {{ Some({}) }}", call("nullable_"), call(""))
        }
    }
}

/// Reads the field inside its slice of the tag section.
pub fn read_tagged(scope: &Scope<'_>, field: &Field) -> String {
    match (&field.kind, field.nullable) {
        (Type::Struct(name), Some(_)) => {
            format!("if r.uvarint()? == 0 {{ None }} else {{ Some({name}::read(r, v)?) }}")
        }
        // A tag section only exists in flexible versions.
        _ => read_as(scope, field, "true"),
    }
}

fn null_check(scope: &Scope<'_>, field: &Field) -> String {
    let refuse =
        format!("return Err(null_field(\"{}\", \"{}\", v));", scope.message.name, path(scope, field));
    let null = if is_records(field) { "is_null" } else { "is_none" };
    let this = ident(field);
    match field.nullable {
        None if is_records(field) => format!("if self.{this}.{null}() {{ {refuse} }}\n"),
        None => String::new(),
        Some(nullable) => match scope.condition(nullable, field.versions) {
            None => String::new(),
            Some(condition) => format!("if !({condition}) && self.{this}.{null}() {{ {refuse} }}\n"),
        },
    }
}

/// Writes the field where it is present in the body.
pub fn write(scope: &Scope<'_>, field: &Field) -> String {
    write_as(scope, field, &scope.field_flexible(field))
}

fn write_as(scope: &Scope<'_>, field: &Field, f: &str) -> String {
    let this = format!("self.{}", ident(field));
    let check = null_check(scope, field);
    let optional = is_option(field);
    let body = match &field.kind {
        Type::Scalar(_) if is_error_code(field) => format!("w.i16({this}.0);"),
        Type::Scalar(s @ (Scalar::String | Scalar::Bytes)) if optional => {
            format!("w.nullable_{}({f}, {this}.as_deref())?;", method(*s))
        }
        Type::Scalar(s @ (Scalar::String | Scalar::Bytes | Scalar::Records)) => {
            format!("w.{}({f}, &{this})?;", method(*s))
        }
        Type::Scalar(s) => format!("w.{}({this});", method(*s)),
        Type::ScalarArray(s) => array(&this, optional, f, |x| format!("w.{}({f}, {x})?", list_method(*s))),
        Type::StructArray(name) => {
            array(&this, optional, f, |x| format!("w.array({f}, {x}, v, {name}::write)?"))
        }
        Type::Struct(_) if optional => {
            format!("match &{this} {{ Some(x) => {{ w.i8(1); x.write(w, v)?; }} None => w.i8(-1), }}")
        }
        Type::Struct(_) => format!("{this}.write(w, v)?;"),
    };
    format!("{check}{body}\n")
}

fn array(this: &str, optional: bool, f: &str, call: impl Fn(&str) -> String) -> String {
    if optional {
        format!("match &{this} {{ Some(x) => {}, None => w.null({f}), }}", call("x"))
    } else {
        format!("{};", call(&format!("&{this}")))
    }
}

/// Writes the field inside the tag section.
pub fn write_tagged(scope: &Scope<'_>, field: &Field) -> String {
    match (&field.kind, field.nullable) {
        (Type::Struct(_), Some(_)) => format!(
            "match &self.{} {{ Some(x) => {{ w.uvarint(1); x.write(w, v)?; }} None => w.uvarint(0), }}",
            ident(field)
        ),
        _ => write_as(scope, field, "true"),
    }
}

/// The field's value without anything borrowed.
pub fn own(scope: &Scope<'_>, field: &Field) -> String {
    let this = format!("self.{}", ident(field));
    let by = |function: &str| match is_option(field) {
        true => format!("{this}.map({function})"),
        false => format!("{function}({this})"),
    };
    match &field.kind {
        Type::Scalar(Scalar::String) => by("own_string"),
        Type::Scalar(Scalar::Bytes) => by("own_bytes"),
        Type::Scalar(Scalar::Records) => format!("{this}.into_owned()"),
        Type::ScalarArray(Scalar::String) => by("own_strings"),
        Type::Scalar(_) | Type::ScalarArray(_) => this,
        Type::Struct(name) | Type::StructArray(name) if !borrows(scope.message, scope.message.find(name)) => {
            this
        }
        Type::Struct(name) => match is_option(field) {
            true => format!("{this}.map({name}::into_owned)"),
            false => format!("{this}.into_owned()"),
        },
        Type::StructArray(name) => match is_option(field) {
            true => format!("{this}.map(|x| x.into_iter().map({name}::into_owned).collect())"),
            false => format!("{this}.into_iter().map({name}::into_owned).collect()"),
        },
    }
}
