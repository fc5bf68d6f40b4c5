//! Arrays of the smallest elements there are. Owns the check that the decoded form of any input stays within
//! sixteen times its size and 64 KiB, and a large one's within four times and 12 MiB.

use crate::allocator::{allowed_bytes, peak_bytes};
use crate::corpus::messages;
use crate::dynamic::{self, Value};
use crate::entry::Entry;
use crate::schema::{Field, Message, Scalar, Struct, Type};

/// Ways from the top to an array: the index of the field at each level.
fn paths(message: &Message, s: &Struct, version: i16) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    for (index, field) in s.fields.iter().enumerate().filter(|(_, f)| f.versions.contains(version)) {
        if matches!(field.kind, Type::ScalarArray(_) | Type::StructArray(_)) {
            all.push(vec![index]);
        }
        if let Some(name) = field.kind.struct_name() {
            let deeper = paths(message, message.find(name), version);
            all.extend(deeper.into_iter().map(|path| [vec![index], path].concat()));
        }
    }
    all
}

fn element(message: &Message, field: &Field, version: i16) -> Value {
    match &field.kind {
        Type::StructArray(name) | Type::Struct(name) => {
            dynamic::zero_struct(message, message.find(name), version)
        }
        Type::ScalarArray(Scalar::String) => Value::Text(String::new()),
        Type::ScalarArray(Scalar::Uuid) => Value::Uuid([0; 16]),
        _ => Value::Int(0),
    }
}

/// A struct with `inner` elements in the array at the end of `path` and `outer` in each array on the way.
fn swollen(message: &Message, s: &Struct, version: i16, path: &[usize], counts: (usize, usize)) -> Value {
    let Value::Struct(mut fields) = dynamic::zero_struct(message, s, version) else { unreachable!() };
    let (outer, inner) = counts;
    let field = &s.fields[path[0]];
    let next = || match field.kind.struct_name() {
        Some(name) => swollen(message, message.find(name), version, &path[1..], counts),
        None => unreachable!("only structs are on the way"),
    };
    fields[path[0]] = match &field.kind {
        _ if path.len() == 1 => Value::List(vec![element(message, field, version); inner]),
        Type::StructArray(_) => Value::List(vec![next(); outer]),
        _ => next(),
    };
    Value::Struct(fields)
}

fn check(entry: &Entry, version: i16, bytes: &[u8]) {
    let (outcome, peak) = peak_bytes(|| (entry.decode)(bytes, version));
    let allowed = allowed_bytes(bytes.len());
    assert!(peak <= allowed, "{} {version}: {} bytes cost {peak}, {outcome:?}", entry.name, bytes.len());
    if let Err(error) = outcome {
        let budget = matches!(error, protocol::DecodeError::BudgetExceeded { .. });
        assert!(budget, "{} {version}: {error}", entry.name);
    }
}

fn swell(target_bytes: usize, latest_only: bool, many_outer: bool) {
    for (entry, message) in messages() {
        for version in dynamic::versions(message).filter(|v| !latest_only || *v == entry.max_version) {
            for path in paths(message, &message.structs[0], version) {
                let encoded = |counts| {
                    let value = swollen(message, &message.structs[0], version, &path, counts);
                    dynamic::encode(message, &value, version).unwrap().0
                };
                let with = |n| if many_outer { (n, 1) } else { (1, n) };
                let each = encoded(with(2)).len() - encoded(with(1)).len();
                // Without an array on the way there is no outer one to repeat.
                if let Some(count) = target_bytes.checked_div(each) {
                    check(entry, version, &encoded(with(count)));
                }
            }
        }
    }
}

#[test]
fn many_small_elements_in_one_array() {
    swell(5_000, false, false);
}

#[test]
fn very_many_small_elements_in_one_array() {
    swell(20_000, true, false);
}

#[test]
fn a_large_frame_gets_less_for_each_byte() {
    let entry = crate::corpus::entry("MetadataRequest");
    let count: u32 = 4 << 20;
    // Empty names: two bytes each on the wire.
    let bytes = [&count.to_be_bytes()[..], &vec![0; 2 * count as usize]].concat();
    check(entry, 1, &bytes);
    let refused = (entry.decode)(&bytes, 1).expect_err("its decoded form is larger than allowed");
    assert!(matches!(refused, protocol::DecodeError::BudgetExceeded { .. }));
}

#[test]
fn many_small_arrays() {
    swell(5_000, true, true);
}

#[test]
fn strings_that_are_no_utf8() {
    let entry = crate::corpus::entry("DescribeGroupsRequest");
    for length in [1u16, 2, 10, 100, 1_000, 32_767] {
        let one = [&length.to_be_bytes()[..], &vec![0xff; usize::from(length)]].concat();
        let count = 200_000 / one.len();
        let bytes = [&(count as u32).to_be_bytes()[..], &one.repeat(count)].concat();
        check(entry, 0, &bytes);
    }
}
