//! Names in Rust's style. Owns the one rule from schema names to modules, fields and constants.

/// `TopicId` → `topic_id`, `KRaftVersion` → `kraft_version`.
pub fn snake(name: &str) -> String {
    let chars: Vec<char> = name.replace("KRaft", "Kraft").chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| chars[i]);
        let after = chars.get(i + 1);
        let starts_word = before.is_some_and(|b| {
            b.is_lowercase() || b.is_ascii_digit() || after.is_some_and(|a| a.is_lowercase())
        });
        if c.is_uppercase() && starts_word {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// A field's identifier; keywords become raw.
pub fn field(name: &str) -> String {
    let name = snake(name);
    match name.as_str() {
        "type" | "match" | "ref" | "move" | "use" | "mod" | "fn" => format!("r#{name}"),
        _ => name,
    }
}
