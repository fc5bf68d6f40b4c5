//! Tests of what a node for development has otherwise than a server.

use std::path::Path;

use super::defaults;
use crate::node_process;

#[test]
fn a_full_disk_is_the_developers_own_affair_unless_they_say_otherwise() {
    let full_percent = |settings: &[&str]| {
        let mut properties = defaults(9092, Path::new("data"));
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        assert!(node_process::apply_settings(&mut properties, &settings).is_ok());
        node_process::load(properties).map(|config| config.log_dir.log_dir_full_percent).ok()
    };
    assert_eq!(full_percent(&[]), Some(100));
    assert_eq!(full_percent(&["log.dir.full.percent=90"]), Some(90));
}
