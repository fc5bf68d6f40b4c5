//! Tests of the code generator: the committed output is fresh, and the notation refuses nonsense.

use super::*;

#[test]
fn committed_output_is_fresh() {
    run(&["--check".to_owned()]).expect("committed files equal what the generator writes");
}
