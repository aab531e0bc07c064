//! A consumer of one's own under faults: it books each order that it reads. Is each booked once?
//!
//! `cargo run --release --example own_consumer` prints the report of a run, how it came about, and
//! what is in the books.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use highwater::builder::{Consumer, Fault, Producer, ScenarioBuilder, Topic};
use highwater::{Application, Clients, ConsumerRecord, Options, report, run_with};

/// Books orders in a database: what is behind the `Arc` outlives the process.
#[derive(Clone, Debug, Default)]
struct Ledger {
    bookings: Arc<Mutex<BTreeMap<u32, u32>>>,
}

impl Application for Ledger {
    fn consumed(&mut self, order: &ConsumerRecord, _: &mut Clients<'_, '_>) {
        *self.bookings.lock().expect("one thread").entry(order.value).or_default() += 1;
    }
}

/// A run of this seed, in words.
pub(crate) fn told(seed: u64) -> Result<String, Box<dyn Error>> {
    let orders = Topic::new("orders").replication_factor(3).config("min.insync.replicas", 2);
    let mut scenario = ScenarioBuilder::new("Every order is booked once")
        .brokers(3)
        .topic(orders)
        .producer(Producer::new("shop").rate("50/s").config("acks", "all"))
        .consumer(
            Consumer::new("ledger").assign(&["orders-0"]).config("auto.offset.reset", "earliest"),
        )
        .fault(Fault::new("crash").at("10s").target("leader:orders-0").lasts("20s"))
        .fault(Fault::new("crash").at("30s").target("consumer:ledger").lasts("2s"))
        .never("acked-lost")
        .never("dirty-read")
        .build()?;
    scenario.columns[0].own("ledger").ok_or("nobody is called ledger")?;

    let ledger = Ledger::default();
    let own = ("ledger", Box::new(ledger.clone()) as Box<dyn Application>);
    let options = Options { trace: true, ..Options::default() };
    let outcome = run_with(&scenario.columns[0], vec![own], seed, options)?;

    let bookings = ledger.bookings.lock().expect("one thread");
    let twice = bookings.values().filter(|times| **times > 1).count();
    let orders = bookings.len();
    let report = report(&scenario, 0, [outcome]);
    Ok(format!("{report}\nthe ledger has {orders} orders, {twice} of them booked again\n"))
}

fn main() -> Result<(), Box<dyn Error>> {
    print!("{}", told(7)?);
    Ok(())
}
