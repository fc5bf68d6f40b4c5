//! Two masked trees, field by field. Owns what counts as a difference and its path; never knows APIs.

use crate::value::Value;

/// A place where the two brokers differ. `None` is a field or element that is not there.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// With indexes and keys, for the reader: `Topics[0].Name`.
    pub path: String,
    pub kafka: Option<Value>,
    pub ours: Option<Value>,
}

impl Difference {
    /// The path without indexes and keys, for `accepted.table`: `Topics[].Name`.
    pub fn pattern_path(&self) -> String {
        let mut out = String::new();
        let mut depth = 0;
        for c in self.path.chars() {
            match c {
                '[' => {
                    if depth == 0 {
                        out.push_str("[]");
                    }
                    depth += 1;
                }
                ']' => depth -= 1,
                c if depth == 0 => out.push(c),
                _ => {}
            }
        }
        out
    }
}

/// All differences, in the order of the fields.
pub fn compare(kafka: &Value, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(String::new(), Some(kafka), Some(ours), &mut found);
    found
}

fn walk(path: String, kafka: Option<&Value>, ours: Option<&Value>, found: &mut Vec<Difference>) {
    match (kafka, ours) {
        (Some(a), Some(b)) if a == b => {}
        (Some(Value::Struct(a)), Some(Value::Struct(b))) => {
            let mut names: Vec<&str> = a.iter().map(|(name, _)| name.as_str()).collect();
            names.extend(
                b.iter().map(|(name, _)| name.as_str()).filter(|name| !a.iter().any(|(own, _)| own == name)),
            );
            for name in names {
                let inner = match (path.is_empty(), name.starts_with('[')) {
                    (true, _) => name.to_owned(),
                    (false, true) => format!("{path}{name}"),
                    (false, false) => format!("{path}.{name}"),
                };
                let of = |fields: &'_ [(String, Value)]| fields.iter().position(|(own, _)| own == name);
                walk(inner, of(a).map(|at| &a[at].1), of(b).map(|at| &b[at].1), found);
            }
        }
        (Some(Value::List(a)), Some(Value::List(b))) => {
            for at in 0..a.len().max(b.len()) {
                walk(format!("{path}[{at}]"), a.get(at), b.get(at), found);
            }
        }
        (kafka, ours) => found.push(Difference { path, kafka: kafka.cloned(), ours: ours.cloned() }),
    }
}
