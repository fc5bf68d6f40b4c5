//! What counts as a place.

use super::*;

#[test]
fn calls_are_read_from_a_trace() {
    let trace = "\
12 openat(AT_FDCWD</>, \"/d/klamm-wal-0\", O_RDWR|O_CREAT|O_DIRECT|O_CLOEXEC, 0666) = 5</d/klamm-wal-0>
12 openat(AT_FDCWD</>, \"/d/meta.properties\", O_RDONLY|O_CLOEXEC) = 6</d/meta.properties>
13 fdatasync(5</d/t-0/00000000000000000007.log> <unfinished ...>
13 <... fdatasync resumed>) = 0
12 rename(\"/d/a.tmp\", \"/d/a\") = 0
12 write(2</dev/null>, \"\"..., 3) = 3
";
    let calls = calls_in(trace, Path::new("/d"));
    let told: Vec<(String, String)> =
        calls.into_iter().map(|(call, path)| (call, kind_of(&path, Path::new("/d")))).collect();
    let expected = [("openat", "klamm-wal-0"), ("fdatasync", "t-0/0.log"), ("rename", "a.tmp")];
    assert_eq!(told, expected.map(|(call, kind)| (call.to_owned(), kind.to_owned())));
}

#[test]
fn topics_of_the_workload_are_alike() {
    let data = Path::new("/d");
    assert_eq!(kind_of(Path::new("/d/lasting-1-2/00000000000000000012.index"), data), "topic-0/0.index");
    assert_eq!(kind_of(Path::new("/d/passing-0-0/00000000000000000000.index"), data), "topic-0/0.index");
    assert_eq!(
        kind_of(Path::new("/d/compacted-0/00000000000000000000.log.cleaned"), data),
        "compacted-0/0.log.cleaned"
    );
}
