//! Command lines as JOpt Simple reads them.

use super::*;

const OPTIONS: &[OptionDef] = &[
    flag("list", "Lists."),
    value("topic", "topic", "A topic."),
    value("partitions", "count", "How many."),
    optional_value("state", "state", "Perhaps a state."),
];

fn line(arguments: &[&str]) -> Result<CommandLine, ToolError> {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    CommandLine::parse(OPTIONS, &arguments)
}

/// What was read, or what was wrong with it.
fn check(arguments: &[&str], expected: &str) {
    let shown = match line(arguments) {
        Ok(line) => {
            let mut shown: Vec<String> =
                line.found.iter().map(|(name, values)| format!("{name}={values:?}")).collect();
            shown.extend(line.rest);
            shown.join(" ")
        }
        Err(error) => format!("{error}"),
    };
    assert_eq!(shown, expected, "{arguments:?}");
}

#[test]
fn options_are_read() {
    check(&["--list"], "list=[]");
    check(&["--topic", "a", "--topic=b"], r#"topic=["a", "b"]"#);
    check(&["-topic", "a"], r#"topic=["a"]"#);
    check(&["--topic", "--list"], r#"topic=["--list"]"#);
    check(&["--topic=a=b", "x", "-", "--", "--list"], r#"topic=["a=b"] x - --list"#);
    check(&["--state", "--list"], "list=[] state=[]");
    check(&["--state", "Empty", "--list"], r#"list=[] state=["Empty"]"#);
    check(&["--state=Empty", "Stable"], r#"state=["Empty"] Stable"#);
    check(&["--topik", "a"], "topik is not a recognized option");
    check(&["-xyz"], "x is not a recognized option");
    check(&["--topic"], "Option topic requires an argument");
}

#[test]
fn values_are_read() {
    let line = line(&["--topic", "a", "--topic", "b", "--partitions", "x"]).expect("it can be read");
    assert_eq!(
        line.one("topic").expect_err("twice").to_string(),
        "Found multiple arguments for option topic, but you asked for only one"
    );
    assert_eq!(
        line.number::<i32>("partitions").expect_err("no number").to_string(),
        "Cannot parse argument 'x' of option partitions"
    );
    assert_eq!(
        line.refuse_with("topic", &["list", "partitions"]).expect_err("both").to_string(),
        "Option \"[topic]\" can't be used with option \"[partitions]\""
    );
}

#[test]
fn help_has_every_option() {
    let text = help(OPTIONS);
    assert!(text.starts_with("Option                                   Description\n------ "), "{text}");
    let names: Vec<&str> =
        text.lines().skip(2).filter_map(|line| line.strip_prefix("--")?.split(' ').next()).collect();
    assert_eq!(names, ["help", "list", "partitions", "state", "topic", "version"]);
    assert!(text.contains("--state [String: state]                  Perhaps a state.\n"), "{text}");
}
