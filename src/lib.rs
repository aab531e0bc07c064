//! # Highwater: a deterministic simulator of Apache Kafka's reliability
//!
//! A scenario goes in, a verdict comes out. A single-threaded discrete-event engine runs in-memory
//! brokers, a controller, producers and consumers, injects faults from a seed, and checks Kafka's
//! documented guarantees as invariants on *every step*. The same scenario and seed give the same
//! run, to the last event, on every machine.
//!
//! The command `highwater` is described in the README. As a library it has these parts:
//!
//! | To | there is |
//! |---|---|
//! | have a scenario | [`load`] (a file), [`load_str`] (a text), [`builder`] (in Rust); a [`Scenario`] has a [`Plan`](plan::Plan) for each version of Kafka |
//! | run it | [`run()`], or [`run_with`] applications of your own: a plan and a seed in, an [`Outcome`] out |
//! | have your own code in it | [`Application`], which is called back by its clients ([`client`]) |
//! | know what happened | [`report()`]: verdict, guarantees, numbers and the story of a run; or every [`Fact`](fact::Fact) by itself |
//!
//! A consumer of one's own reads prices under the checks of any scenario:
//!
//! ```
//! use highwater::builder::{Consumer, Producer, ScenarioBuilder, Topic};
//! use highwater::{Application, Clients, ConsumerRecord, Options, report, run_with};
//!
//! #[derive(Clone, Debug)]
//! struct Prices;
//!
//! impl Application for Prices {
//!     fn consumed(&mut self, record: &ConsumerRecord, _: &mut Clients<'_, '_>) {
//!         assert!(record.key.is_some_and(|key| key < 10));
//!     }
//! }
//!
//! let mut scenario = ScenarioBuilder::new("Prices are read")
//!     .topic(Topic::new("prices").replication_factor(3).config("min.insync.replicas", 2))
//!     .producer(Producer::new("feed").rate("10/s").keys(10).config("acks", "all"))
//!     .consumer(Consumer::new("reader").assign(&["prices-0"]))
//!     .never("dirty-read")
//!     .duration("5s")
//!     .build()?;
//! scenario.columns[0].own("reader").expect("there is one");
//! let own = vec![("reader", Box::new(Prices) as Box<dyn Application>)];
//! let outcome = run_with(&scenario.columns[0], own, 7, Options::default())?;
//! println!("{}", report(&scenario, 0, [outcome]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/own_consumer.rs` goes on from here: leaders and the consumer itself are killed.
//!
//! What is public is said at the end of `src/lib.rs`, and is all of the above. Before version 1.0
//! it may change with any version; what is stable is in the README.
//!
//! # Architecture
//!
//! The rest of this page is for whoever works on Highwater: what lies where, what may know what,
//! and why. `cargo doc --document-private-items` has a page for each module.
//!
//! ## Bird's eye
//!
//! ```text
//! scenario file ──► scenario ──► Plan ──┐
//!                                       ├──► run ──► World (sim) ──► nodes (kafka, app)
//!                              seed ────┘              │
//!                                                      ├─ events ──► fingerprint
//!                                                      └─ facts ───► checks, summary, timeline,
//!                                                                    recorder, trace
//!      report ◄── judge ◄── sweep (many seeds, in seed order) ◄── outcome of each run
//! ```
//!
//! **Two closed vocabularies and one hinge.** An *event* (`sim::event`) is what will happen: it
//! lies in the queue and may carry a message. A *fact* (`model::fact::Fact`) is what did happen:
//! small, `Copy`, past tense. Facts are *observed* (written by disk, network, machine, application
//! callbacks, and read off committed metadata) or *claimed* (written by nodes about themselves).
//! Data guarantees use observed facts only; claims explain. The hinge is `kafka::ctx::Ctx`: the
//! only thing a node's handler gets beside its input.
//!
//! A run is a function `(Plan, seed) → Outcome`. Nothing else enters: no wall clock, no ambient
//! randomness, no hash order, no thread count. The fingerprint hashes every event that reached a
//! handler (of a message its sender and all that it says) and, at the end, the committed metadata,
//! what every replica has in files and in memory, and the metadata logs; never facts, so that
//! adding a checker changes no fingerprint. A fact that no check and no number needs is made only
//! for a trace, or while a fault waits for one.
//!
//! A scenario that varies its configuration (`vary`) has a plan for each seed: it is drawn and
//! resolved before the run, on streams of its own (`Scenario::for_seed`), and judged by what that
//! plan promises (`judge::draws`).
//!
//! **One table of messages.** A message is a plain struct by Kafka's name, and a row of the table
//! in `model::message`: which lane of a broker works on it, what that costs, what it appends.
//! Its name, size, word in fingerprints and the return of its lists are derived, and dispatchers
//! name all messages, so that a new one does not compile before it is served (`docs/adding.md`).
//! What repeats in a message lies in pooled lists of one type each; what an entry weighs on the
//! wire and what it says is counted when it is pushed.
//!
//! ## Where things are, in reading order
//!
//! | Module | What it is | What it may name |
//! |---|---|---|
//! | `base` | time, luck, ids, lines of text | nothing of ours |
//! | `model` | nouns: batches, messages, metadata records, disks, facts, faults, rules, the plan | base |
//! | `kafka` | verbs: the protocol, sans IO: log, broker, controller, clients | base, model |
//! | `app` | what runs in a client process | base, model, `kafka::client` |
//! | `sim` | the machine room: queue, network, disks, clocks, lanes, faults, director, world | base, model, kafka |
//! | `check` | the oracle: ghosts and, in folders by subject, one property per file; facts only | base, model |
//! | [`report`](mod@report) | statistics, stories and formats, facts only | base, model, values of check |
//! | [`scenario`] | file → validated plan, diagnostics, schema | base, model, names of check, `kafka::client::config` |
//! | `record` | what a script binds by `as` | base, model, values of report |
//! | [`run`](mod@run) | one run: phases, tap, audit | all of the above |
//! | `judge`, `sweep`, `repro` | many runs, verdicts, repro files | all of the above |
//! | `cli` | the only module that prints | all of the above |
//! | `internals` | what tests and benches need of the inside | all of the above |
//!
//! `tests/tidy.rs` reads the last column and enforces it, and the absences below.
//!
//! Modules are private unless they are a part of the public API ([`run`](mod@run), [`scenario`],
//! [`report`](mod@report), and the lists at the end of `src/lib.rs`). In a private module `pub`
//! means "of this module's face", and is not a promise: what leaves the crate is decided here, and
//! in `internals` for tests and benches. So the compiler finds what nobody uses.
//!
//! ## One crate, not a workspace
//!
//! A workspace (an engine, Kafka on it, the tool) would let the compiler enforce the table above.
//! What it would save was measured on 2 shared vCPUs, in seconds of CPU (`time cargo …`, one
//! statement added to a function):
//!
//! | | from nothing | after an edit in `report` | after an edit in `kafka` |
//! |---|--:|--:|--:|
//! | check: `cargo check --lib` | 10 | 3 | 3 |
//! | tests: `cargo test --lib --no-run` | 227 | 100 | not measured |
//!
//! The check that one waits for all day takes 3 s wherever the edit is. A build of the tests would
//! gain by a split where the edit is in the tool (`report`, `scenario`, `judge`, `cli` and their
//! like: 17,000 of 62,000 lines, about 62 of the 227 s if it went by lines), hence some 40 s in a
//! fifth of the edits, and nothing where it is below, because all that lies above is built again.
//! The price is paid every day: no inlining across crates in tests, which have no link-time
//! optimisation, but for functions that are marked; `pub` for what only a neighbour needs; and no
//! engine to cut out, for of `sim` only queue, clock and tables name neither messages nor nodes.
//! The table costs a text search of 4 s that needs no build. So it is one crate, until what lies
//! above `check` outgrows the rest.
//!
//! ## Invariants, stated as absences
//!
//! * `kafka` does not know that it is simulated. Time, luck and the network reach it only through
//!   `Ctx`, and it learns the fate of a message only by an answer, a timer, or its connection
//!   closing.
//! * A checker has never seen a node. It has only heard facts, and a data guarantee has only heard
//!   observed ones. [`run`](mod@run) alone sees both sides, and audits one against the other.
//! * Nothing survives a crash but a `Disk` (a process: its `Store`), because nothing else is handed
//!   to `start`. Recovery is the constructor.
//! * Faults do not exist below `sim`; no code path runs only because a fault was injected.
//! * No domain type is serializable. `scenario`, `repro` and `report::json` translate at the rim.
//! * There are no floats, no hash order, no wall clock and no global state below the rim. Floats
//!   appear in `report` and `cli`; wall clock and threads in `cli` and `sweep`.
//!
//! ## Peers and timers
//!
//! Whoever sends requests does so through one type, `kafka::network_client`: connections on
//! demand, back-offs, time-outs, requests in flight. A channel is named by its peer: the controller
//! through one of a broker's five channels to it, a broker as leader, or the same broker as
//! coordinator, on a connection of its own. What differs between a client, a replica fetcher and a
//! channel to the controller are the terms that Kafka gives each, not code. The other end of a
//! connection is an inbox of `kafka::broker`: one request at a time.
//!
//! A node wakes itself by timers, an enum per kind of node (`kafka::timers`, which says how to
//! add one). The machine room sees a slot per variant and payload, and nothing of what it is for
//! but whether its handler writes to the disk.
//!
//! ## How a record travels
//!
//! An application submits an item; its producer partitions it (`Submitted`), batches it, and sends
//! a `ProduceRequest`, with an entry per batch, on a connection. The network draws a latency from
//! the link's own counter and keeps the connection FIFO. The message waits for the broker's lane;
//! the leader asks the rulings, appends to its log on its `Disk` (`Appended`) and parks the answer.
//! Followers fetch: their next fetch is their acknowledgement, and a `FetchResponse` has an entry
//! per partition with its slice of the batches. The leader moves its high watermark over the
//! maximal in-sync set, releases the answer, and the application hears of it (`Acked`). From here
//! on losing the record is a violation. Writeback syncs later: Kafka acknowledges from the page
//! cache, so what a power loss takes is the disk's business, and what that does to the promise is
//! the budget's.
//!
//! ## Logs, bodies, answers that wait
//!
//! There is one kind of log. A `base::ids::LogId` names a replica of a partition or the metadata
//! log (of a controller, or a broker's copy); each is a `kafka::log::Log` over a file of the node's
//! `model::disk::Disk`, which has a table of the logs that exist on it, and beside each its
//! checkpoint files. Appending, syncing, cutting, recovering and losing power are the same code for
//! all of them. What a batch holds is said by its type, `model::batch::Records`: a client's
//! records, a marker, or internal records, which are a `model::body::Body`. Bodies are counted by
//! the batches that name them, on disks and in messages, and go when there is none.
//!
//! What may be said only when a log has come to an offset waits in a `kafka::deferred::Deferred`
//! of whoever will say it: a leader's produce requests for the high watermark or a sync, the
//! controller's answers for the committed end. The machine room carries a sync out and says that it
//! is done; it holds nothing back.
//!
//! ## How the oracle is laid out
//!
//! `check` hears every fact through one match. *Machinery* lies beside it: ghosts (`canon`: logs;
//! `streams`: clients; `ghost`: committed states, sessions, configurations), the names of
//! properties, what is promised when, the audit. *Properties* lie in folders by subject (`log`,
//! `replication`, `client`, `cluster`, `liveness`), one file each; the `switchboard`, cut by the
//! subject of the facts, tells ghosts and properties. Ghosts exist for what exists: a partition is
//! known from the plan or from the fact of its creation on, lists go by hosted replica and by
//! client that was really told something, and a record that is a marker or internal has no producer
//! to be asked. The audit compares what is new every `run.audit` events, everything at the end.
//!
//! ## Cost follows what happens
//!
//! An event costs by what it changes, not by what there is. A node keeps state for what it holds,
//! leads or talks to, in `base::sparse::Sparse` tables, and what waits for its turn in
//! `base::number_set::NumberSet`s, which are walked in order: a sender finds the partitions with
//! a batch, a consumer those without a position, a fetcher those that have changed. Fetches are
//! incremental (KIP-227): a session remembers what was asked and told, a fetch names and looks at
//! what has changed since (`kafka/broker/fetch`), and its answer exposes a high watermark only
//! where it names one. The shortcuts in that are checked against the rulings wherever debug
//! assertions are on. `benches/growth.rs` measures it; `docs/speed.md` tells the other tricks, and
//! a note stands where one of them costs plainness.
//!
//! Memory follows what is retained, and what is retained is batches: one in the ghost of the
//! canonical log, and one on the disk of each replica. Long lists of them are
//! `base::chunked::Chunked`. What lies far enough back in replicas of a partition is the same in
//! memory while it is equal and retention has deleted nothing: a disk says for which of its full
//! chunks nobody was asked, and with the writeback the machine room asks the other replicas.
//! `tests/allocation.rs` says what a record costs.
//!
//! ## Faults
//!
//! Four sources (`at`, `when`, a script's `do`, random `every` and `swarm`) go through one door:
//! the director resolves targets, asks the budget whether the promise survives a random fault, and
//! hands a resolved `model::fault::Fault` to the world, which applies it as an event of the last
//! class of its moment. So every run has a concrete schedule that can be written back as `at` lines
//! and gives the same fingerprint: that is what a repro file holds.
//!
//! ## Applications of one's own
//!
//! What a process runs is an [`Application`]; ours are numbered producers and poll loops (`app`).
//! `model::plan::Plan::own` leaves a process to one of the reader's: it has the clients that the
//! plan has for it, sends with [`Clients`], sees what it reads ([`ConsumerRecord`]), and is under
//! the same faults and judged by the same checks, because checks know clients by the plan and by
//! facts, never by application. What records say is kept only in such a run.
//!
//! ## Where it departs from the first design
//!
//! * Lists are pooled `Vec`s, a pool per type of entry, that a message names by id. Where Kafka
//!   nests a list in an entry, the message has both lists and the entry a range of the inner one: a
//!   message stays small and `Copy`, and nothing is allocated.
//! * The controller's sync takes no service time: it handles on, and what it has to say waits for
//!   the sync of everything written so far. Kafka's raft thread blocks while it flushes, and the
//!   event queue of the controller goes on beside it.
//! * `record` and `judge` are rooms of their own beside `run`, which would have held three things.
//!
//! ## Glossary
//!
//! | Word | Means |
//! |---|---|
//! | log end offset | one past the last record of a replica's log |
//! | high watermark | everything below is committed; the *true* high watermark is the highest one any leader has shown to anybody |
//! | committed | below the true high watermark; written to memory is enough, no fsync is implied |
//! | lost | a leader of a later epoch lacks the record at that offset, or no disk holds it |
//! | unclean stop | kill -9, power loss, a halt; only power loss loses bytes |
//! | tainted | a replica whose broker stopped uncleanly and has not returned to a committed ISR |
//! | ISR, ELR | in-sync replicas; eligible leader replicas (KIP-966) |
//! | incarnation | one start of a process |
//! | drill | a deliberately wrong ruling, to test the checkers |
//! | ghost | what a checker believes the true state to be, from facts alone |
//! | canonical log (`canon`) | the log of the broker that leads a partition last; replicas are compared with it |
//! | lane | what a broker works on one message at a time in: requests, control, answers to its fetches |
//! | stream | what one producer process sends to one partition |
//! | timing | when the fault of a line happens: `at`, `when`, `every`, `swarm` |
//! | desk | where facts are stamped and handed to observers and the director |

mod app;
mod base;
mod check;
mod cli;
#[doc(hidden)]
pub mod internals;
mod judge;
mod kafka;
mod model;
mod record;
pub mod report;
mod repro;
pub mod run;
pub mod scenario;
mod sim;
mod sweep;

/// What runs in a client process: [`client::Application`] is called back with [`client::Clients`],
/// by which it sends and reads.
pub mod client {
    pub use crate::app::{Applications, ApplicationsError};
    pub use crate::kafka::client::{
        Answer, Application, Clients, CloneApplication, Command, ConsumerRecord, Item, NewRecord,
        Polled, Sending,
    };
}

/// What happened in a run: every fact, with its moment.
pub mod fact {
    pub use crate::model::fact::{Fact, PositionAnswer, PositionChange, Stamp, StopKind, Subject};
    pub use crate::model::fault::FaultKind;
    pub use crate::model::metadata::PartitionState;
}

/// What a scenario comes to: one plan for each version of Kafka that it names.
pub mod plan {
    pub use crate::model::config::{
        Acks, ClientConfig, ConsumerConfig, OffsetReset, ProducerConfig, TopicKey,
    };
    pub use crate::model::names::{Names, TopicName};
    pub use crate::model::plan::{ClientsPlan, Plan};
    pub use crate::model::rules::Drill;
}

/// Small values that facts, records and answers are made of: time, ids, error codes.
pub mod types {
    pub use crate::base::ids::{
        BrokerEpoch, BrokerId, ConnectionId, ControllerId, LeaderEpoch, NodeId, Offset,
        PartitionEpoch, PartitionId, ProcessId, ProducerEpoch, ProducerId, ReplicaSet, TopicId,
    };
    pub use crate::base::time::{Span, Time};
    pub use crate::model::batch::{Marker, RecordId, Records, Sequence};
    pub use crate::model::body::BodyId;
    pub use crate::model::error::{ErrorClass, ErrorCode};
}

#[doc(no_inline)]
pub use client::{Application, Clients, ConsumerRecord};
pub use judge::report;
#[doc(no_inline)]
pub use run::{Options, Outcome, run, run_with};
#[doc(no_inline)]
pub use scenario::{Overrides, Scenario, Source, builder, load, load_str};
