//! The shapes of JSON are those that docs/cli.md promises.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::node::NodeProcess;
use crate::printed;

/// What a table of docs/cli.md says of a command's JSON, or what a JSON document is.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    Plain,
    List(Box<Shape>),
    /// Keys; whether a key may be missing.
    Object(BTreeMap<String, (Shape, bool)>),
}

impl Shape {
    /// Reads `[{a, b: {c}, d?}]`.
    fn parse(text: &mut &str) -> Shape {
        if let Some(rest) = text.strip_prefix('[') {
            *text = rest;
            let inner = Shape::parse(text);
            *text = text.strip_prefix(']').expect("a list ends");
            return Shape::List(Box::new(inner));
        }
        let Some(rest) = text.strip_prefix('{') else { return Shape::Plain };
        *text = rest;
        let mut keys = BTreeMap::new();
        loop {
            let end = text
                .find(|letter: char| !letter.is_ascii_lowercase() && letter != '_')
                .expect("an object ends");
            let key = text[..end].to_owned();
            *text = &text[end..];
            let is_optional = text.strip_prefix('?').inspect(|rest| *text = rest).is_some();
            let shape = match text.strip_prefix(": ") {
                Some(rest) => {
                    *text = rest;
                    Shape::parse(text)
                }
                None => Shape::Plain,
            };
            keys.insert(key, (shape, is_optional));
            match text.strip_prefix(", ") {
                Some(rest) => *text = rest,
                None => {
                    *text = text.strip_prefix('}').expect("an object ends");
                    return Shape::Object(keys);
                }
            }
        }
    }

    /// Whether a document has this shape, down to its keys.
    fn fits(&self, value: &Value) -> bool {
        match (self, value) {
            (Shape::Plain, Value::Object(_)) => false,
            (Shape::Plain, Value::Array(items)) => items.iter().all(|item| !item.is_object()),
            (Shape::Plain, _) => true,
            (Shape::List(inner), Value::Array(items)) => {
                assert!(!items.is_empty(), "an empty list shows nothing");
                items.iter().all(|item| inner.fits(item))
            }
            (Shape::Object(keys), Value::Object(found)) => {
                let known = found.keys().all(|key| keys.contains_key(key));
                let fit = |(key, (shape, is_optional)): (&String, &(Shape, bool))| {
                    found.get(key).map_or(*is_optional, |value| shape.fits(value))
                };
                known && keys.iter().all(fit)
            }
            _ => false,
        }
    }
}

/// Commands and shapes of the table.
fn promised() -> Vec<(String, Shape)> {
    let page = include_str!("../../../../docs/cli.md");
    let (_, table) = page.split_once("| command | prints |\n|---|---|\n").expect("the table is there");
    let mut rows = Vec::new();
    for line in table.lines().take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let mut shape = cells[1].trim_matches('`');
        for command in cells[0].split(", ") {
            rows.push((command.trim_matches('`').to_owned(), Shape::parse(&mut { shape })));
        }
        let whole = Shape::parse(&mut shape);
        assert!(shape.is_empty(), "{whole:?} is followed by {shape}");
    }
    rows
}

#[test]
fn the_shapes_are_those_of_the_page() {
    let node = NodeProcess::start(&["dev", "--memory", "--port", "0"]);
    printed(&node.klamm(&["topic", "create", "t", "-c", "retention.ms=60000"]));
    printed(&node.klamm(&["produce", "t", "x"]));
    printed(&node.klamm(&["group", "seek", "g", "--set", "t:0=0", "-y"]));
    let arguments = |command: &str| match command {
        "topic get" | "topic offsets" | "topic partitions list" => vec!["t"],
        "group get" => vec!["g"],
        "group seek" => vec!["g", "--to", "end", "-y"],
        "group clone" => vec!["g", "h", "-y"],
        _ => vec![],
    };
    let promised = promised();
    assert!(promised.len() >= 12, "{promised:?}");
    for (command, shape) in promised {
        // Members need a consumer, which the tests of groups have; they compare the whole document.
        if command == "group members" {
            continue;
        }
        let words: Vec<&str> = command.split(' ').chain(arguments(&command)).chain(["--json"]).collect();
        let json: Value = serde_json::from_str(&printed(&node.klamm(&words))).expect("JSON");
        let members_are_empty = command == "group get";
        let json = match json {
            Value::Object(mut object) if members_are_empty => {
                let member = serde_json::json!({
                    "id": "", "instance_id": null, "client_id": "", "host": "", "partitions": []
                });
                object.insert("members".to_owned(), Value::Array(vec![member]));
                Value::Object(object)
            }
            other => other,
        };
        assert!(shape.fits(&json), "{command} prints {json:#}, and the page says {shape:?}");
    }
}
