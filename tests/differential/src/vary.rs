//! From one request to many: each field with each value of its class, each array empty, null and doubled, each frame cut.
//!
//! Owns which variations there are and their names. Never sends.

use serde_json::Value as Json;

use crate::Failure;
use crate::schema::{Field, Message, Scalar, Struct, Type};
use crate::schemas::Api;
use crate::side::Mangle;
use crate::tables::Tables;

/// A request and what is odd about it.
#[derive(Debug, Clone)]
pub struct Variation {
    /// `plain`, or such as `Topics[0].Name=unknown`.
    pub name: String,
    pub body: Json,
    pub mangle: Mangle,
}

const MANGLES: &[(&str, Mangle)] = &[
    ("frame=cut", Mangle::CutLast),
    ("frame=no-body", Mangle::NoBody),
    ("frame=trailing", Mangle::Trailing),
    ("frame=null-client", Mangle::NullClient),
    ("frame=wild-client", Mangle::WildClient),
    ("frame=unknown-tag", Mangle::UnknownTag),
];

/// The request as it is.
pub fn plain(body: &Json) -> Variation {
    Variation { name: "plain".to_owned(), body: body.clone(), mangle: Mangle::None }
}

/// All variations of a request at a version; only those below `paths` if any are given.
pub fn variations(
    api: &Api,
    tables: &Tables,
    body: &Json,
    version: i16,
    paths: &[String],
) -> Result<Vec<Variation>, Failure> {
    let mut walk = Walk { api, tables, version, body, out: Vec::new() };
    walk.structure(&api.request, &api.request.structs[0], body, "", "", "")?;
    let mut out = walk.out;
    if !paths.is_empty() {
        out.retain(|variation| paths.iter().any(|path| variation.name.starts_with(path.as_str())));
        return Ok(out);
    }
    for (name, mangle) in MANGLES {
        if *mangle != Mangle::UnknownTag || api.is_flexible(version) {
            out.push(Variation { name: (*name).to_owned(), body: body.clone(), mangle: *mangle });
        }
    }
    Ok(out)
}

struct Walk<'w> {
    api: &'w Api,
    tables: &'w Tables,
    version: i16,
    body: &'w Json,
    out: Vec<Variation>,
}

impl Walk<'_> {
    /// `pointer` is the JSON pointer of the struct, `shown` its path with indexes, `path` without.
    fn structure(
        &mut self,
        message: &Message,
        s: &Struct,
        json: &Json,
        pointer: &str,
        shown: &str,
        path: &str,
    ) -> Result<(), Failure> {
        let version = self.version;
        for field in s.fields.iter().filter(|field| field.versions.contains(version)) {
            let join = |outer: &str| match outer {
                "" => field.name.clone(),
                outer => format!("{outer}.{}", field.name),
            };
            let place =
                Place { pointer: format!("{pointer}/{}", field.name), shown: join(shown), path: join(path) };
            self.field(message, field, json.get(&field.name), &place)?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        message: &Message,
        field: &Field,
        json: Option<&Json>,
        place: &Place,
    ) -> Result<(), Failure> {
        if field.kind == Type::Scalar(Scalar::Bool) {
            self.push(place, "false", Json::Bool(false));
            self.push(place, "true", Json::Bool(true));
            return Ok(());
        }
        if let Type::Scalar(_) = field.kind {
            return self.scalar(place);
        }
        if field.nullable.is_some_and(|range| range.contains(self.version))
            || !matches!(field.kind, Type::Struct(_))
        {
            self.push(place, "null", Json::Null);
        }
        match (&field.kind, json) {
            (Type::Struct(name), Some(json @ Json::Object(_))) => {
                let inner = message.find(name);
                self.structure(message, inner, json, &place.pointer, &place.shown, &place.path)?;
            }
            (Type::Struct(_), _) => {}
            (kind, Some(Json::Array(list))) => {
                self.push(place, "empty", Json::Array(Vec::new()));
                let Some(first) = list.first() else { return Ok(()) };
                let twice: Vec<Json> = [first].into_iter().chain(list).cloned().collect();
                self.push(place, "twice", Json::Array(twice));
                let element = Place {
                    pointer: format!("{}/0", place.pointer),
                    shown: format!("{}[0]", place.shown),
                    path: format!("{}[]", place.path),
                };
                match kind {
                    Type::StructArray(name) => {
                        let inner = message.find(name);
                        self.structure(
                            message,
                            inner,
                            first,
                            &element.pointer,
                            &element.shown,
                            &element.path,
                        )?;
                    }
                    _ => self.scalar(&element)?,
                }
            }
            (_, _) => self.push(place, "empty", Json::Array(Vec::new())),
        }
        Ok(())
    }

    fn scalar(&mut self, place: &Place) -> Result<(), Failure> {
        let values = self.tables.values_for(&self.api.name, &place.path)?.to_vec();
        for value in values {
            self.push(place, &value.name, value.value);
        }
        Ok(())
    }

    fn push(&mut self, place: &Place, name: &str, value: Json) {
        let mut body = self.body.clone();
        let (parent, key) = place.pointer.rsplit_once('/').unwrap_or_default();
        let slot = match body.pointer_mut(parent) {
            Some(Json::Object(object)) => Some(object.entry(key.to_owned()).or_insert(Json::Null)),
            Some(Json::Array(list)) => list.get_mut(0),
            _ => None,
        };
        if let Some(slot) = slot
            && *slot != value
        {
            *slot = value;
            self.out.push(Variation { name: format!("{}={name}", place.shown), body, mangle: Mangle::None });
        }
    }
}

struct Place {
    pointer: String,
    shown: String,
    path: String,
}
