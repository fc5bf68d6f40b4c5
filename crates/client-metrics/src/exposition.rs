//! Prometheus' text format: names, labels, values. Never knows where they come from.

use std::fmt::Write;

use crate::otlp::Kind;

/// A metric's name in Prometheus' alphabet: Kafka's dots become underscores.
pub(crate) fn metric_name(name: &str) -> String {
    in_alphabet(name, |c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// A label's name in Prometheus' alphabet.
pub(crate) fn label_name(name: &str) -> String {
    in_alphabet(name, |c| c.is_ascii_alphanumeric() || c == '_')
}

fn in_alphabet(name: &str, is_known: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(name.len() + 1);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        out.push('_');
    }
    out.extend(name.chars().map(|c| if is_known(c) { c } else { '_' }));
    out
}

/// `name="value"`, the value escaped.
pub(crate) fn label(name: &str, value: &str) -> String {
    let mut out = format!("{name}=\"");
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The line that says what a metric is.
pub(crate) fn write_type(out: &mut String, name: &str, kind: Kind) {
    let kind = match kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# TYPE {name} {kind}");
}

/// One series; empty parts of labels are left out.
pub(crate) fn write_value(out: &mut String, name: &str, labels: [&str; 2], value: f64) {
    out.push_str(name);
    let labels: Vec<&str> = labels.into_iter().filter(|part| !part.is_empty()).collect();
    if !labels.is_empty() {
        let _ = write!(out, "{{{}}}", labels.join(","));
    }
    let text = match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    };
    let _ = writeln!(out, " {text}");
}
