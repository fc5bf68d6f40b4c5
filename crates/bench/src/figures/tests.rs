//! Median, spread and ratio.

use super::*;

const COST: Figure = Figure::less("cost", "s", "");

fn figures(klamm: &[f64], kafka: &[f64]) -> Figures {
    let mut figures = Figures::default();
    for value in klamm {
        figures.add("scenario", Kind::Klamm, vec![(COST, *value)]);
    }
    for value in kafka {
        figures.add("scenario", Kind::Kafka, vec![(COST, *value)]);
    }
    figures
}

#[test]
fn median_of_odd_and_even_counts() {
    let figures = figures(&[3.0, 1.0, 2.0], &[4.0, 1.0, 2.0, 3.0]);
    assert_eq!(figures.rows.len(), 1);
    assert_eq!(figures.rows[0].median(Kind::Klamm), Some(2.0));
    assert_eq!(figures.rows[0].median(Kind::Kafka), Some(2.5));
    assert_eq!(figures.rows[0].median(Kind::Null), None);
}

#[test]
fn spread_is_half_the_range_over_the_median() {
    let figures = figures(&[9.0, 10.0, 13.0], &[5.0]);
    assert_eq!(figures.rows[0].spread(Kind::Klamm), Some(0.2));
    assert_eq!(figures.rows[0].spread(Kind::Kafka), None);
}

#[test]
fn ratio_needs_both_brokers() {
    let figures = figures(&[1.0], &[4.0]);
    assert_eq!(figures.rows[0].ratio(Kind::Klamm, Kind::Kafka), Some(0.25));
    assert_eq!(figures.rows[0].ratio(Kind::Klamm, Kind::Null), None);
}

#[test]
fn figures_of_different_scenarios_stay_apart() {
    let mut figures = figures(&[1.0], &[]);
    figures.add("other", Kind::Klamm, vec![(COST, 7.0)]);
    assert_eq!(figures.rows.len(), 2);
    assert_eq!(figures.rows[1].median(Kind::Klamm), Some(7.0));
}

#[test]
fn bounds_are_judged_by_medians_and_by_rounds() {
    let figures = figures(&[1.0, 3.0, 2.0], &[2.0, 2.0, 5.0]);
    let judged = figures.rows[0].judge(Bound::Times(1.0, Kind::Kafka));
    let expected =
        Verdict { bound: Bound::Times(1.0, Kind::Kafka), ratio: 1.0, is_met: true, rounds: (2, 3) };
    assert_eq!(judged, Some(expected));
    let judged = figures.rows[0].judge(Bound::Value(1.5));
    assert!(judged.is_some_and(|verdict| !verdict.is_met && verdict.rounds == (1, 3)));
    assert_eq!(figures.rows[0].judge(Bound::Times(1.0, Kind::Null)), None);
    let more = Row { figure: Figure::more("rate", "1/s", ""), ..figures.rows.into_iter().next().unwrap() };
    assert!(more.judge(Bound::Times(2.0, Kind::Kafka)).is_some_and(|verdict| !verdict.is_met));
}
