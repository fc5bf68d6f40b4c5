//! OpenTelemetry's messages as prost encodes them: a codec that shares nothing with ours.

/// All metrics of a push.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MetricsData {
    #[prost(message, repeated, tag = "1")]
    resource_metrics: Vec<ResourceMetrics>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceMetrics {
    #[prost(message, repeated, tag = "2")]
    scope_metrics: Vec<ScopeMetrics>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeMetrics {
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<Metric>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Metric {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    description: String,
    #[prost(message, optional, tag = "5")]
    gauge: Option<Gauge>,
    #[prost(message, optional, tag = "7")]
    sum: Option<Sum>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Gauge {
    #[prost(message, repeated, tag = "1")]
    data_points: Vec<NumberDataPoint>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sum {
    #[prost(message, repeated, tag = "1")]
    data_points: Vec<NumberDataPoint>,
    #[prost(int32, tag = "2")]
    aggregation_temporality: i32,
    #[prost(bool, tag = "3")]
    is_monotonic: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NumberDataPoint {
    #[prost(fixed64, tag = "3")]
    time_unix_nano: u64,
    #[prost(double, optional, tag = "4")]
    as_double: Option<f64>,
    #[prost(sfixed64, optional, tag = "6")]
    as_int: Option<i64>,
    #[prost(message, repeated, tag = "7")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AnyValue {
    #[prost(string, optional, tag = "1")]
    string_value: Option<String>,
}

impl MetricsData {
    /// One resource per metric, as the Java client sends them.
    pub(super) fn of(metrics: Vec<Metric>) -> Self {
        let one = |metric| ResourceMetrics {
            scope_metrics: vec![ScopeMetrics { metrics: vec![metric] }],
            schema_url: String::new(),
        };
        Self { resource_metrics: metrics.into_iter().map(one).collect() }
    }
}

pub(super) fn gauge(name: &str, value: f64, attributes: &[(&str, &str)]) -> Metric {
    let attributes = attributes.iter().map(|(key, value)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue { string_value: Some((*value).to_owned()) }),
    });
    let point = NumberDataPoint {
        time_unix_nano: 1_700_000_000_000_000_000,
        as_double: Some(value),
        as_int: None,
        attributes: attributes.collect(),
    };
    let gauge = Some(Gauge { data_points: vec![point] });
    Metric { name: name.to_owned(), description: "words".to_owned(), gauge, sum: None }
}

pub(super) fn sum(name: &str, value: f64, is_monotonic: bool, is_delta: bool) -> Metric {
    let point = NumberDataPoint { as_int: Some(value as i64), ..NumberDataPoint::default() };
    let aggregation_temporality = if is_delta { 1 } else { 2 };
    let sum = Sum { data_points: vec![point], aggregation_temporality, is_monotonic };
    Metric { name: name.to_owned(), description: String::new(), gauge: None, sum: Some(sum) }
}
