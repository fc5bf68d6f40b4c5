//! Who gets a place and who does not.

use super::*;

#[test]
fn limits_hold_in_total_per_address_and_by_override() {
    let one: IpAddr = [127, 0, 0, 1].into();
    let two: IpAddr = [127, 0, 0, 2].into();
    let three: IpAddr = [127, 0, 0, 3].into();
    let count = ConnectionCount::new(ConnectionLimits {
        connections_max: 4,
        connections_per_ip_max: 1,
        per_ip_overrides: BTreeMap::from([(two, 2)]),
    });
    assert!(count.admit(one));
    assert!(!count.admit(one));
    assert!(count.admit(two));
    assert!(count.admit(two));
    assert!(!count.admit(two));
    assert!(count.admit(three));
    let four: IpAddr = [127, 0, 0, 4].into();
    assert!(!count.admit(four));
    count.release(one);
    assert!(count.admit(four));
}
