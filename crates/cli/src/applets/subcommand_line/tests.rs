//! Command lines as argparse4j reads them.

use super::*;

const TOOL: SubcommandTool = SubcommandTool {
    name: "kafka-thing",
    about: "A thing.",
    commands: &[
        Subcommand {
            name: "show",
            about: "Shows.",
            options: &[
                SubOption::value("--server", Some("-s"), "Where."),
                SubOption::value("--controller", Some("-c"), "Where else."),
                SubOption::value("--id", None, "Which.").required(),
                SubOption::value("--feature", None, "What."),
                SubOption::flag("--force", None, "Whether."),
            ],
            one_of: &["--server", "--controller"],
            at_most_one_of: &[],
        },
        Subcommand { name: "hide", about: "Hides.", options: &[], one_of: &[], at_most_one_of: &[] },
    ],
    help_exit: 1,
    globals: &[],
    is_terse: false,
};

fn read(arguments: &[&str]) -> Result<SubcommandLine, ToolError> {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    TOOL.parse(&arguments)
}

#[test]
fn commands_and_options_are_read() {
    let line =
        read(&["show", "-s", "a", "--id=7", "--fea", "x", "--feature", "y", "--force"]).expect("right");
    assert_eq!(line.command, "show");
    assert_eq!((line.one("--server"), line.one("--id")), (Some("a"), Some("7")));
    assert_eq!(line.all("--feature"), ["x", "y"]);
    assert!(line.has("--force") && !line.has("--controller"));
    assert_eq!(read(&["hide"]).expect("right").command, "hide");
}

#[test]
fn nonsense_ends_with_one() {
    for arguments in [
        &[][..],
        &["jump"],
        &["--force"],
        &["--help"],
        &["show", "--help"],
        &["show", "--id", "7"],
        &["show", "-s", "a"],
        &["show", "-s", "a", "-c", "b", "--id", "7"],
        &["show", "-s", "a", "--id"],
        &["show", "-s", "a", "--id", "--force"],
        &["show", "-s", "a", "--id", "7", "--f"],
        &["show", "-s", "a", "--id", "7", "more"],
    ] {
        assert!(matches!(read(arguments), Err(ToolError::Exit(1))), "{arguments:?}");
    }
}
