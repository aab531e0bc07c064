//! `vary`: what seeds draw, what is drawn around, and what is wrong with a file that varies.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::super::{Overrides, Scenario, Source, load, load_str};

/// A scenario with these lines of `vary`.
fn text(vary: &str) -> String {
    format!(
        r#"{{ "version": 1, "title": "t", "vary": {{ {vary} }},
  "cluster": {{ "brokers": 3 }},
  "topics": [{{ "name": "t", "config": {{ "min.insync.replicas": 2 }} }}],
  "producers": [{{ "name": "p", "rate": "50/s" }}, {{ "name": "q", "records": 10 }}],
  "run": {{ "duration": "2s", "settle": "20s" }} }}"#
    )
}

fn scenario(vary: &str) -> Scenario {
    load_str("v.json", &text(vary)).unwrap_or_else(|found| panic!("{found}"))
}

/// What is wrong with a file with these lines of `vary`.
fn wrong(vary: &str) -> String {
    match load_str("v.json", &text(vary)) {
        Ok(_) => panic!("{vary} is taken"),
        Err(found) => found.to_string(),
    }
}

/// What a seed draws, as `path=value`.
fn draw(scenario: &Scenario, seed: u64) -> Vec<String> {
    let drawn = scenario.for_seed(seed).unwrap_or_else(|found| panic!("{found}"));
    drawn.draw.iter().map(|draw| format!("{}={}", draw.path, draw.value)).collect()
}

const LINGER: &str = r#""producer.linger.ms": { "from": 0, "to": 20, "step": 10 }"#;
const BROKERS: &str = r#""cluster.brokers": { "one-of": [1, 3, 5] }"#;
const FACTOR: &str = r#""topic.replication-factor": { "one-of": [2, 4] }"#;

#[test]
fn a_seed_draws_the_same_whatever_else_is_varied() {
    let brokers = r#""cluster.brokers": { "one-of": [3, 4, 5] }"#;
    let (alone, both) = (scenario(LINGER), scenario(&format!("{LINGER}, {brokers}")));
    let mut taken = BTreeSet::new();
    for seed in 0..30 {
        let drawn = draw(&alone, seed);
        assert_eq!(drawn, draw(&alone, seed));
        assert_eq!(drawn[0], draw(&both, seed)[1], "seed {seed}");
        taken.extend(drawn);
    }
    assert_eq!(taken.len(), 3, "{taken:?}");
}

#[test]
fn values_that_rules_never_allow_are_told_before_anything_runs() {
    let found = wrong(&format!("{BROKERS}, {FACTOR}"));
    assert!(found.contains("vary[cluster.brokers]: no draw keeps the rules"), "{found}");
    assert!(found.contains("`replication-factor` is at most `cluster.brokers`"), "{found}");
    assert!(found.contains("v.json:1:"), "{found}");
    let brokers = r#""cluster.brokers": { "one-of": [3, 4, 5] }"#;
    let scenario = scenario(&format!("{LINGER}, {brokers}, {FACTOR}"));
    let mut taken = BTreeSet::new();
    for seed in 0..100 {
        let drawn = scenario.for_seed(seed).unwrap_or_else(|found| panic!("{found}"));
        let plan = &drawn.columns[0];
        let factor = plan.topics[0].replicas[0].len();
        assert!(factor <= plan.brokers.len(), "seed {seed}");
        taken.extend(draw(&scenario, seed));
    }
    assert_eq!(taken.len(), 3 + 3 + 2, "{taken:?}");
}

#[test]
fn a_drawn_file_is_the_file_with_the_draw_set() {
    let vary =
        format!(r#"{LINGER}, {FACTOR}, "disk.writeback": {{ "one-of": ["default", "5s"] }}"#);
    let vary = vary.replace("[2, 4]", "[2, 3]");
    let varied = scenario(&vary);
    for seed in 0..8 {
        let drawn = varied.for_seed(seed).unwrap_or_else(|found| panic!("{found}"));
        let set = drawn.draw.iter().map(|d| (d.path.clone(), d.value.clone())).collect();
        let overrides = Overrides { set, ..Overrides::default() };
        let plain = load(&Source::Text { name: "p.json", text: &text("") }, &overrides);
        let plain = plain.unwrap_or_else(|found| panic!("{found}"));
        assert_eq!(drawn.resolved, plain.resolved, "seed {seed}");
        assert!(drawn.resolved.get("vary").is_none());
        assert_eq!(drawn.varied(), [], "a drawn scenario is varied no more");
    }
}

#[test]
fn nothing_is_drawn_where_nothing_varies() {
    let plain = scenario("");
    assert!(matches!(plain.for_seed(3), Ok(Cow::Borrowed(_))));
    assert_eq!(plain.varied(), []);
}

#[test]
fn what_the_command_line_sets_is_not_drawn() {
    let text = text(&format!("{LINGER}, {FACTOR}").replace("[2, 4]", "[2, 3]"));
    for (set, left) in [
        (("producer.linger.ms", "7"), vec!["topic.replication-factor"]),
        (("producer.linger.ms", "default"), vec!["topic.replication-factor"]),
        // Of two producers one is left to the draw.
        (
            ("producers[p].config[linger.ms]", "7"),
            vec!["producer.linger.ms", "topic.replication-factor"],
        ),
    ] {
        let overrides =
            Overrides { set: vec![(set.0.to_owned(), set.1.to_owned())], ..Overrides::default() };
        let loaded = load(&Source::Text { name: "v.json", text: &text }, &overrides);
        let loaded = loaded.unwrap_or_else(|found| panic!("{found}"));
        let varied = loaded.varied();
        assert_eq!(varied.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), left);
        let drawn = loaded.for_seed(1).unwrap_or_else(|found| panic!("{found}"));
        let linger = &drawn.resolved["producers"][0]["config"]["linger.ms"];
        assert_eq!(linger.is_null(), set.1 == "default", "{linger}");
        assert!(linger.is_null() || *linger == 7, "{linger}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let cases = [
        (r#""producer.lingr.ms": { "one-of": [1] }"#, "did you mean `linger.ms`"),
        (r#""clster.brokers": { "one-of": [3] }"#, "did you mean `cluster`"),
        (r#""topics[x].partitions": { "one-of": [3] }"#, "has no element `x`"),
        (r#""producer.linger.ms": { "one-of": [5, "soon"] }"#, "soon"),
        (r#""producer.linger.ms": { "one-of": [] }"#, "there is no value"),
        (r#""producer.linger.ms": { "one-of": [1, 1] }"#, "this value is already there"),
        (r#""producer.linger.ms": { "from": 5, "to": 4 }"#, "an empty or uneven range"),
        (r#""producer.linger.ms": { "from": 0, "to": 5, "step": 2 }"#, "uneven range"),
        (r#""producer.linger.ms": { "from": 0, "to": 5, "step": 0 }"#, "uneven range"),
        (r#""producer.linger.ms": { "from": 0, "to": 1000 }"#, "1001 values, at most 1000"),
        (r#""producer.linger.ms": { "from": 0 }"#, "values are a list or a range"),
        (r#""producer.linger.ms": { "one-of": [1], "to": 3 }"#, "values are a list or a range"),
        (r#""producer.linger.ms": { "oneof": [1] }"#, "did you mean `one-of`"),
        (r#""producer.linger.ms": [1, 2]"#, "values are a list or a range"),
        (r#""producer.linger.ms": 7"#, "values are a list or a range"),
        (r#""title": { "one-of": ["a"] }"#, "cannot be varied"),
        (r#""cluster.kafka": { "one-of": [["4.1"]] }"#, "cannot be varied"),
        (r#""run.seeds.count": { "one-of": [1] }"#, "cannot be varied"),
        (
            r#""producer.linger.ms": { "one-of": [1] },
               "producers[q].config[linger.ms]": { "one-of": [1] }"#,
            "name one place",
        ),
        (r#""producer.delivery.timeout.ms": { "one-of": [100] }"#, "`linger.ms` + `request"),
        (r#""cluster.brokers": { "one-of": [3, 4000] }"#, "4000"),
    ];
    for (vary, told) in cases {
        let found = wrong(vary);
        assert!(found.contains(told), "{vary}:\n{found}");
        assert!(found.contains("v.json:"), "{vary}:\n{found}");
    }
}
