//! Tables recorded from the real Java client, held against the pure functions that model it.

use highwater::internals::kafka::{Adjustment, effective_producer, murmur2, partition_for_key};
use highwater::plan::{Acks, ProducerConfig};
use highwater::types::Span;
use serde_json::Value;

fn table(text: &str) -> Vec<Value> {
    let recording: Value = serde_json::from_str(text).expect("a recording is JSON");
    recording["exact"]["rows"].as_array().expect("a recording has rows").clone()
}

/// The value of a property as the client's own configuration would show it.
fn shown(config: &ProducerConfig, adjustments: &[Adjustment], property: &str) -> String {
    let millis = |span: Span| span.as_millis().to_string();
    match property {
        "acks" => match config.acks {
            Acks::None => "0".to_owned(),
            Acks::Leader => "1".to_owned(),
            Acks::All => "-1".to_owned(),
        },
        "enable.idempotence" => config.idempotence.to_string(),
        "retries" => config.retries.to_string(),
        "max.in.flight.requests.per.connection" => config.max_in_flight.to_string(),
        "request.timeout.ms" => millis(config.client.request_timeout),
        "linger.ms" => millis(config.linger),
        // Kafka raises it inside the producer, and its configuration does not show that.
        "delivery.timeout.ms" => adjustments
            .iter()
            .find(|a| a.property == property)
            .map_or(millis(config.delivery_timeout), |a| a.from.clone()),
        other => panic!("the recording shows a property that is not compared: {other}"),
    }
}

#[test]
fn a_producers_configuration_is_adjusted_or_refused_as_recorded() {
    let rows = table(include_str!("../conformance/producer-config.json"));
    assert_eq!(rows.len(), 35);
    for row in rows {
        let given: Vec<(String, String)> = row["given"]
            .as_object()
            .expect("what was given is a map")
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
            .collect();
        match (effective_producer(&given), row["error"].as_str()) {
            (Err(refusal), Some(recorded)) => {
                let (class, sentence) = recorded.split_once(": ").expect("class and sentence");
                assert_eq!(refusal.exception, class, "{given:?}");
                assert!(sentence.contains(refusal.property), "{given:?}: {refusal:?}");
            }
            (Ok((config, adjustments)), None) => {
                for (property, value) in row["effective"].as_object().expect("a map") {
                    let own = shown(&config, &adjustments, property);
                    assert_eq!(Some(own.as_str()), value.as_str(), "{property} of {given:?}");
                }
            }
            (own, recorded) => panic!("{given:?}: {own:?}, recorded {recorded:?}"),
        }
    }
}

#[test]
fn keys_have_the_recorded_hashes_and_partitions() {
    const COUNTS: [u16; 7] = [1, 2, 3, 7, 12, 50, 1000];
    let rows = table(include_str!("../conformance/key-partitions.json"));
    assert!(rows.len() > 50);
    for row in rows {
        let key = row[0].as_str().expect("a key").as_bytes();
        assert_eq!(Some(i64::from(murmur2(key))), row[1].as_i64(), "{row}");
        for (place, count) in COUNTS.into_iter().enumerate() {
            let partition = i64::from(partition_for_key(key, count));
            assert_eq!(Some(partition), row[place + 2].as_i64(), "{row}");
        }
    }
}
