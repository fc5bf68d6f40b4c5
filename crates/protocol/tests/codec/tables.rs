//! The tables of API keys and error codes against what Kafka's classes print.

use protocol::{ApiKey, ErrorCode};

use crate::corpus::testdata;

fn rows(name: &str) -> Vec<Vec<String>> {
    let text = testdata(name);
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn api_keys() {
    let mut live = Vec::new();
    for row in rows("api-keys.tsv") {
        let key: i16 = row[0].parse().unwrap();
        let api = ApiKey::from_i16(key);
        if row[3] == "-1" {
            assert_eq!(api, None, "{key} was removed");
            continue;
        }
        let api = api.unwrap();
        live.push(api);
        assert_eq!((api as i16, api.name()), (key, row[1].as_str()));
        assert_eq!(api.min_version().to_string(), row[2]);
        assert_eq!(api.max_version().to_string(), row[3]);
        assert_eq!(api.latest_version().to_string(), row[4]);
        assert_eq!(api.on_broker(), row[5].contains("BROKER"));
        assert_eq!(api.on_controller(), row[5].contains("CONTROLLER"));
        assert_eq!(api.is_cluster_action().to_string(), row[6]);
        assert_eq!(api.is_forwardable().to_string(), row[7]);
        let flexible = if row[8] == "-" { i16::MAX } else { row[8].parse().unwrap() };
        assert_eq!(api.flexible_from(), flexible);
        for pair in row[9].split(',') {
            let (version, header) = pair.strip_prefix('v').unwrap().split_once(':').unwrap();
            assert_eq!(api.request_header_version(version.parse().unwrap()).to_string(), header);
        }
        for pair in row[10].split(',') {
            let (version, header) = pair.strip_prefix('v').unwrap().split_once(':').unwrap();
            assert_eq!(api.response_header_version(version.parse().unwrap()).to_string(), header, "{api}");
        }
    }
    assert_eq!(live.len(), 91);
    assert_eq!(ApiKey::all().collect::<Vec<_>>(), live);
}

#[test]
fn error_codes() {
    let rows = rows("errors.tsv");
    assert_eq!(ErrorCode::all().count(), rows.len());
    for (row, code) in rows.iter().zip(ErrorCode::all()) {
        assert_eq!(code.0.to_string(), row[0]);
        assert_eq!(code.name(), row[1]);
        assert_eq!(code.is_retriable().to_string(), row[2]);
        assert_eq!(code.means_stale_metadata().to_string(), row[3]);
        assert!(code.message().ends_with('.'), "{code}");
        assert_eq!(code.is_error(), code != ErrorCode::NONE);
    }
    let unknown = ErrorCode(999);
    assert_eq!((unknown.name(), unknown.is_retriable()), ("UNKNOWN", false));
    assert_eq!(format!("{:?} {}", ErrorCode::NOT_COORDINATOR, unknown), "NOT_COORDINATOR(16) UNKNOWN");
}
