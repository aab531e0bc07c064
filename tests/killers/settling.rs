//! A run is judged when everything has converged, not at a moment that only looks like it.

use highwater::run::{Options, run};
use highwater::scenario::{Overrides, Source, load};

/// A follower is killed and back within its session, so that all is well again, as far as the
/// controller knows, before that session ends. The way to the producer is long: while it flushes,
/// the session ends, and the ISR is short until the follower may register.
const SCENARIO: &str = r#"{
  "version": 1,
  "title": "a session that ends while the producer flushes",
  "cluster": { "config": { "broker.session.timeout.ms": 4500 } },
  "network": {
    "links": [
      {
        "from": "producer:p",
        "to": "all",
        "latency": { "p50": "500ms", "p99": "600ms", "max": "700ms" }
      }
    ]
  },
  "topics": [{ "name": "t", "partitions": 1, "config": { "min.insync.replicas": 2 } }],
  "producers": [{ "name": "p", "rate": "100/s" }],
  "faults": [{ "at": "4s", "do": { "crash": {} }, "target": "broker:3", "for": "500ms" }],
  "expect": [{ "liveness": "isr-fills", "within": "60s" }],
  "run": { "duration": "5s", "seeds": { "count": 1 } }
}"#;

/// Seed 17 of 60 was judged 2 ms after the session had ended; seed 339285600563136344 of the gate
/// had shown it.
#[test]
fn what_parts_while_producers_flush_may_converge_again() {
    let scenario =
        match load(&Source::Text { name: "settling", text: SCENARIO }, &Overrides::default()) {
            Ok(scenario) => scenario,
            Err(diagnostics) => panic!("{}", diagnostics.render(false)),
        };
    let plan = &scenario.columns[0];
    let mut fenced = 0;
    for seed in 0..60 {
        let outcome = run(plan, seed, Options::default());
        let found = outcome.violations();
        assert!(found.is_empty(), "seed {seed}: {found:?}");
        fenced += outcome.counts().fenced;
    }
    assert!(fenced > 0, "in no seed the session ended while the producer flushed");
}
