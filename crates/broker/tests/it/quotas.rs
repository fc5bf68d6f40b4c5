//! Client quotas are stored and described by filters.

use protocol::alter_client_quotas_request::{EntityData, EntryData, OpData};
use protocol::describe_client_quotas_request::ComponentData;
use protocol::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest,
    DescribeClientQuotasResponse, ErrorCode,
};
use testkit::{TestConnection, TestNode};

pub type Entity = &'static [(&'static str, Option<&'static str>)];

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const SPECIFIED: i8 = 2;

/// Sets a quota, or removes it.
pub async fn set(connection: &mut TestConnection, entity: Entity, key: &'static str, value: Option<f64>) {
    for version in 0..=1 {
        let parts = entity.iter().map(|(entity_type, name)| EntityData {
            entity_type: (*entity_type).into(),
            entity_name: name.map(Into::into),
        });
        let op = OpData { key: key.into(), value: value.unwrap_or(0.0), remove: value.is_none() };
        let entry = EntryData { entity: parts.collect(), ops: vec![op] };
        let request = AlterClientQuotasRequest { entries: vec![entry], validate_only: false };
        let response: AlterClientQuotasResponse<'static> = connection.ask(version, &request).await;
        assert_eq!(response.entries[0].error_code, ErrorCode::NONE, "{:?}", response.entries[0]);
    }
}

type Component = (&'static str, i8, Option<&'static str>);

async fn describe(
    connection: &mut TestConnection,
    version: i16,
    components: &[Component],
    strict: bool,
) -> DescribeClientQuotasResponse<'static> {
    let components = components.iter().map(|(entity_type, match_type, name)| ComponentData {
        entity_type: (*entity_type).into(),
        match_type: *match_type,
        r#match: name.map(Into::into),
    });
    connection.ask(version, &DescribeClientQuotasRequest { components: components.collect(), strict }).await
}

/// The entities that fit, as text.
async fn fitting(connection: &mut TestConnection, components: &[Component], strict: bool) -> Vec<String> {
    let old = describe(connection, 0, components, strict).await;
    let new = describe(connection, 1, components, strict).await;
    assert_eq!(old, new, "both versions say the same");
    assert_eq!(new.error_code, ErrorCode::NONE);
    let entities = new.entries.expect("an answer without an error has entries").into_iter().map(|entry| {
        let parts = entry
            .entity
            .iter()
            .map(|part| format!("{}={}", part.entity_type, part.entity_name.as_deref().unwrap_or("*")));
        parts.collect::<Vec<_>>().join(",")
    });
    entities.collect()
}

#[tokio::test]
async fn filters_find_what_is_stored_after_a_restart_too() {
    let mut node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    let rate = "consumer_byte_rate";
    set(&mut connection, &[("user", Some("u"))], rate, Some(1e9)).await;
    set(&mut connection, &[("user", Some("u")), ("client-id", Some("c"))], rate, Some(1e9)).await;
    set(&mut connection, &[("user", None), ("client-id", Some("c"))], rate, Some(1e9)).await;
    set(&mut connection, &[("client-id", None)], rate, Some(1e9)).await;
    set(&mut connection, &[("ip", Some("10.1.2.3"))], "connection_creation_rate", Some(100.0)).await;
    node.restart().await;
    let c = &mut node.connect().await;
    let all = ["client-id=*", "client-id=c,user=*", "client-id=c,user=u", "ip=10.1.2.3", "user=u"];
    assert_eq!(fitting(c, &[], false).await, all);
    assert!(fitting(c, &[], true).await.is_empty(), "a strict filter without components fits nothing");
    assert_eq!(fitting(c, &[("user", EXACT, Some("u"))], false).await, ["client-id=c,user=u", "user=u"]);
    assert_eq!(fitting(c, &[("user", EXACT, Some("u"))], true).await, ["user=u"]);
    assert_eq!(fitting(c, &[("user", DEFAULT, None)], false).await, ["client-id=c,user=*"]);
    assert_eq!(fitting(c, &[("client-id", SPECIFIED, None)], true).await, ["client-id=*"]);
    let both: [Component; 2] = [("user", SPECIFIED, None), ("client-id", EXACT, Some("c"))];
    assert_eq!(fitting(c, &both, true).await, ["client-id=c,user=*", "client-id=c,user=u"]);
    assert_eq!(fitting(c, &[("ip", SPECIFIED, None)], true).await, ["ip=10.1.2.3"]);
    set(c, &[("user", Some("u"))], rate, None).await;
    assert_eq!(fitting(c, &[("user", EXACT, Some("u"))], true).await, [""; 0]);
}

#[tokio::test]
async fn filters_that_make_no_sense_are_refused() {
    let node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    let cases: &[(&[Component], ErrorCode)] = &[
        (&[("", EXACT, Some("u"))], ErrorCode::INVALID_REQUEST),
        (&[("topic", EXACT, Some("t"))], ErrorCode::UNSUPPORTED_VERSION),
        (&[("user", EXACT, None)], ErrorCode::INVALID_REQUEST),
        (&[("user", DEFAULT, Some("u"))], ErrorCode::INVALID_REQUEST),
        (&[("user", SPECIFIED, Some("u"))], ErrorCode::INVALID_REQUEST),
        (&[("user", 3, None)], ErrorCode::INVALID_REQUEST),
        (&[("user", DEFAULT, None), ("user", SPECIFIED, None)], ErrorCode::INVALID_REQUEST),
        (&[("user", DEFAULT, None), ("ip", SPECIFIED, None)], ErrorCode::INVALID_REQUEST),
    ];
    for (components, expected) in cases {
        for version in 0..=1 {
            let response = describe(&mut connection, version, components, false).await;
            assert_eq!(response.error_code, *expected, "{components:?}");
            assert_eq!(response.entries, None);
        }
    }
}
