//! Input texts and the records they become, shown as `key=value [headers] @timestamp`.

use super::{InputFormat, InputRecord, RecordReader, is_json_number};

fn read(format: InputFormat, key_column: Option<&str>, text: &str) -> Result<Vec<String>, String> {
    let mut reader = RecordReader::new(text.as_bytes(), format, key_column)?;
    let mut shown = Vec::new();
    while let Some(record) = reader.next_record()? {
        shown.push(show(&record));
    }
    Ok(shown)
}

fn show(record: &InputRecord) -> String {
    let text = |bytes: &Option<Vec<u8>>| match bytes {
        None => "null".to_owned(),
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let mut shown = format!("{}={}", text(&record.key), text(&record.value));
    for (name, value) in &record.headers {
        shown.push_str(&format!(" [{name}={}]", text(value)));
    }
    if let Some(timestamp_ms) = record.timestamp_ms {
        shown.push_str(&format!(" @{timestamp_ms}"));
    }
    shown
}

#[test]
fn lines_are_values() {
    let records = read(InputFormat::Lines, None, "a\r\n\n{\"topic\":1}\nlast");
    assert_eq!(records.expect("readable"), ["null=a", "null=", "null={\"topic\":1}", "null=last"]);
}

#[test]
fn auto_takes_what_consume_printed_and_leaves_the_rest() {
    let text = "{\"hi\":1}\n\
        {\"topic\":\"t\",\"partition\":0,\"offset\":3,\"timestamp\":9,\"key\":\"k\",\"value\":\"v\",\"headers\":[{\"key\":\"a\",\"value\":\"1\"}]}\n\
        {\"topic\":\"mine\",\"value\":1}\n";
    let records = read(InputFormat::Auto, None, text).expect("readable");
    assert_eq!(records, ["null={\"hi\":1}", "k=v [a=1] @9", "null={\"topic\":\"mine\",\"value\":1}"]);
}

#[test]
fn json_lines_are_records() {
    let text = "{\"key\":1,\"value\":{\"b\":2,\"a\":[1]}}\n{\"value\":null,\"key\":\"k\"}\n\
                {\"value_base64\":\"AAE=\",\"headers\":{\"h\":null}}\n";
    let records = read(InputFormat::Json, None, text).expect("readable");
    assert_eq!(records[1..], ["k=null", "null=\0\u{1} [h=null]"]);
    assert!(records[0] == "1={\"b\":2,\"a\":[1]}" || records[0] == "1={\"a\":[1],\"b\":2}");
}

#[test]
fn json_refusals_name_the_line() {
    let refusal = |text| read(InputFormat::Json, None, text).expect_err("refused");
    assert!(refusal("{\"value\":1}\nx").starts_with("line 2: no JSON"));
    assert!(refusal("[1]").contains("use -f lines"));
    assert!(refusal("{\"vaule\":1}").contains("no field \"vaule\""));
    assert!(refusal("{\"value_base64\":\"?\"}").contains("no Base64"));
    assert!(refusal("{\"value\":1,\"timestamp\":\"now\"}").contains("milliseconds"));
}

#[test]
fn csv_rows_become_json_objects() {
    let text = "year,carrier,tailnum,dep_time,note\n2013,UA,N14228,517,\"a \"\"b\"\", c\"\n2013,AA,NA,,007\n";
    let records = read(InputFormat::Csv, Some("tailnum"), text).expect("readable");
    assert_eq!(
        records,
        [
            r#"N14228={"year":2013,"carrier":"UA","tailnum":"N14228","dep_time":517,"note":"a \"b\", c"}"#,
            r#"null={"year":2013,"carrier":"AA","tailnum":null,"dep_time":null,"note":"007"}"#,
        ]
    );
}

#[test]
fn csv_refusals() {
    let refusal = |text| read(InputFormat::Csv, Some("id"), text).expect_err("refused");
    assert_eq!(refusal("a,b\n1,2\n"), "there is no column \"id\"; the columns are a, b");
    assert!(refusal("id,b\n1\n").contains("line"), "{}", refusal("id,b\n1\n"));
    assert!(read(InputFormat::Lines, Some("id"), "").is_err());
}

#[test]
fn numbers_are_jsons() {
    for good in ["0", "-1", "10", "1.5", "1e5", "-0.0", "2E-3"] {
        assert!(is_json_number(good.as_bytes()), "{good}");
    }
    for bad in ["", "-", "01", "1.", ".5", "+1", "1e", "0x1", "1 ", "NaN", "1.5.2", "1e5x"] {
        assert!(!is_json_number(bad.as_bytes()), "{bad}");
    }
}
