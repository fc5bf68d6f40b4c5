//! Tests of the code generator: the committed output is fresh, and the notation says and refuses what it should.

use super::schema::{Scalar, Type, Versions};
use super::*;

#[test]
fn committed_output_is_fresh() {
    run(&["--check".to_owned()]).expect("committed files equal what the generator writes");
}

#[test]
fn a_file_is_read_as_its_readme_says() {
    let text = "api 1 Fetch on broker controller  # comment\n\n\
                request 4-18 flexible 12+ unstable\n\
                \x20 ClusterId string?13+ 12+ tag 3 = x ignorable\n\
                \x20 Topics []Topic 5-7\n\
                \x20   Name string inflexible\n\
                \x20   Owner Shared\n\
                \x20 struct Shared 3-7\n\
                \x20   Ids []int32\n\n\
                response none\n";
    let error = schema::parse(text).expect_err("Shared reaches below the message");
    assert!(error.contains("versions 3-7 lie outside 4-18"), "{error}");
    let file = schema::parse(&text.replace("3-7", "5-7")).expect("the text is right");
    let Owner::Api { key, name, flags } = &file.owner else { panic!("{:?}", file.owner) };
    assert_eq!((*key, name.as_str(), flags.join(" ")), (1, "Fetch", "on broker controller".to_owned()));
    let [message] = file.messages.as_slice() else { panic!("one part is live") };
    assert_eq!((message.name.as_str(), message.flexible_from), ("FetchRequest", Some(12)));
    assert!(message.unstable);
    let [cluster, topics] = message.structs[0].fields.as_slice() else { panic!("two fields") };
    assert_eq!(
        (cluster.versions, cluster.nullable),
        (Versions { lo: 12, hi: 18 }, Some(Versions { lo: 13, hi: 18 }))
    );
    assert_eq!((cluster.tag, cluster.default.as_deref(), cluster.ignorable), (Some(3), Some("x"), true));
    assert_eq!(
        (&topics.kind, topics.versions),
        (&Type::StructArray("Topic".into()), Versions { lo: 5, hi: 7 })
    );
    let topic = message.find("Topic");
    assert_eq!(topic.versions, topics.versions);
    assert!(topic.fields[0].inflexible && topic.fields[0].kind == Type::Scalar(Scalar::String));
    assert_eq!(message.find("Shared").fields[0].kind, Type::ScalarArray(Scalar::Int32));
}

#[test]
fn mistakes_are_named_with_their_line() {
    let cases = [
        ("data A 0\n Name string", "line 2: indentation is two spaces per level"),
        ("data A 0\n    Name string", "line 2: wrong indentation"),
        ("data A 0\n  Name", "line 2: a field needs a name and a type"),
        ("data A 0\n  Name string 2+", "line 2: versions 2+ lie outside 0-0"),
        ("data A 0-3\n  Name string? 2+ = null\n  Other string?2+ = null", "Other defaults to null"),
        ("data A 0\n  Name string ignored", "line 2: unknown word ignored"),
        ("data A 0\n  Name string tag x", "line 2: x is no tag number"),
        ("data A 0\n  Name Missing", "A.Name has the unknown type Missing"),
        ("data A 0\n  Name string\n    Inner int8", "not a struct"),
        ("data A 0\n  One []S\n    X int8\n  Two []S\n    X int8", "struct S is described twice"),
        ("data A 0\n  Self S\n  struct S\n    Next []S", "contains itself"),
        ("data A\n", "line 1: a message needs its versions"),
        ("request 0\n", "request without an api or record line above"),
        ("message A 0\n", "unknown keyword message"),
        ("data A 3-1\n", "versions 3-1 lie outside"),
    ];
    for (text, expected) in cases {
        let error = schema::parse(text).expect_err(text);
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn names_follow_rust() {
    let cases = [
        ("TopicId", "topic_id"),
        ("V3AndBelowTopics", "v3_and_below_topics"),
        ("KRaftVersionRecord", "kraft_version_record"),
        ("topicId", "topic_id"),
        ("ISR", "isr"),
        ("NoOpRecord", "no_op_record"),
    ];
    for (schema, rust) in cases {
        assert_eq!(names::snake(schema), rust);
    }
    assert_eq!(names::field("Type"), "r#type");
}

#[test]
fn error_lines_must_ascend_and_be_whole() {
    assert!(tables::error_codes("0 NONE: No error.\n3 X retriable stale-metadata: Why.\n").is_ok());
    assert!(tables::error_codes("3 X: a\n3 Y: b\n").is_err());
    assert!(tables::error_codes("3 X retriable\n").is_err());
    assert!(tables::error_codes("x X: a\n").is_err());
}
