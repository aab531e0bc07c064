//! A client process: one application, the clients it asked for, and what survives a crash.
//!
//! The process routes what happens to the client concerned, lets the clients act, and calls the
//! application back until nobody has anything more to do. Facts about callbacks are written by the
//! clients at the moment they call back.

use std::collections::VecDeque;

use crate::base::ids::{ConnectionId, NodeId, PartitionId, ProcessId};
use crate::kafka::client::application::{Answer, Application, Clients, Polled, Sending};
use crate::kafka::client::consumer::Consumer;
use crate::kafka::client::producer::Producer;
use crate::kafka::ctx::{CloseReason, Ctx};
use crate::kafka::rounds::Rounds;
use crate::kafka::start::{Command, ProcessStart};
use crate::kafka::timers::ClientTimer;
use crate::model::error::ErrorCode;
use crate::model::message::Message;

/// What survives a crash of the process.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// Per partition, how many records were made for it: a `RecordId` is never used twice.
    ordinals: Vec<u32>,
    workloads: u32,
}

impl Store {
    /// How many records were made for the partition so far.
    #[must_use]
    pub fn ordinal(&self, partition: PartitionId) -> u32 {
        self.ordinals.get(partition.index()).copied().unwrap_or(0)
    }

    pub(super) fn set_ordinal(&mut self, partition: PartitionId, next: u32) {
        *slot(&mut self.ordinals, partition.index()) = next;
    }

    pub(super) const fn workloads(&self) -> u32 {
        self.workloads
    }

    pub(super) const fn next_workload(&mut self) -> u32 {
        self.workloads += 1;
        self.workloads - 1
    }
}

fn slot(counts: &mut Vec<u32>, place: usize) -> &mut u32 {
    if counts.len() <= place {
        counts.resize(place + 1, 0);
    }
    &mut counts[place]
}

/// What a client has to tell the application.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Answered(Answer),
    Unblocked(u16, Sending),
    Flushed,
    Polled,
    Exception(PartitionId, ErrorCode),
}

/// Everything of a process but its application.
#[derive(Clone, Debug)]
pub(super) struct ClientSet {
    pub(super) process: ProcessId,
    pub(super) store: Store,
    pub(super) producer: Option<Producer>,
    pub(super) consumer: Option<Consumer>,
    calls: VecDeque<Call>,
    /// What the last poll returned, kept for its capacity.
    polled: Vec<Polled>,
}

/// A client process.
#[derive(Clone, Debug)]
pub struct Process {
    app: Box<dyn Application>,
    set: ClientSet,
    begun: bool,
}

impl Process {
    /// Starts the process on what survived. Its clients do nothing before its application begins.
    pub fn start(
        start: ProcessStart,
        app: Box<dyn Application>,
        store: Store,
        ctx: &mut Ctx<'_>,
    ) -> Self {
        let producer = start.clients.producer;
        let producer = producer.map(|config| Producer::new(&start, config));
        let consumer = start.clients.consumer.as_ref();
        let consumer = consumer.map(|(config, assigned)| Consumer::new(&start, *config, assigned));
        let set = ClientSet {
            process: start.id,
            store,
            producer,
            consumer,
            calls: VecDeque::new(),
            polled: Vec::new(),
        };
        let mut process = Self { app, set, begun: false };
        if start.begins {
            process.begin(ctx);
            process.act_until_idle(ctx);
        }
        process
    }

    /// A connection it asked for is open.
    pub fn on_opened(&mut self, connection: ConnectionId, _: NodeId, ctx: &mut Ctx<'_>) {
        if let Some(producer) = &mut self.set.producer {
            producer.on_opened(connection, ctx);
        }
        if let Some(consumer) = &mut self.set.consumer {
            consumer.on_opened(connection, ctx);
        }
        self.act_until_idle(ctx);
    }

    /// An answer arrived.
    pub fn on_message(&mut self, connection: ConnectionId, message: &Message, ctx: &mut Ctx<'_>) {
        let ClientSet { store, producer, consumer, calls, .. } = &mut self.set;
        if let Some(producer) = producer {
            producer.on_message(connection, message, store, ctx, calls);
        }
        if let Some(consumer) = consumer {
            consumer.on_message(connection, message, ctx);
        }
        self.act_until_idle(ctx);
    }

    /// A connection is gone.
    pub fn on_closed(&mut self, connection: ConnectionId, _: CloseReason, ctx: &mut Ctx<'_>) {
        let ClientSet { producer, consumer, calls, .. } = &mut self.set;
        if let Some(producer) = producer {
            producer.on_closed(connection, ctx, calls);
        }
        if let Some(consumer) = consumer {
            consumer.on_closed(connection, ctx);
        }
        self.act_until_idle(ctx);
    }

    /// A timer fired.
    pub fn on_timer(&mut self, timer: ClientTimer, ctx: &mut Ctx<'_>) {
        if let ClientTimer::Application(number) = timer {
            let mut clients = Clients { set: &mut self.set, ctx };
            self.app.wake(number, &mut clients);
        } else {
            let ClientSet { producer, consumer, calls, .. } = &mut self.set;
            if let Some(producer) = producer {
                producer.on_timer(timer, ctx, calls);
            }
            if let Some(consumer) = consumer {
                consumer.on_timer(timer, ctx);
            }
        }
        self.act_until_idle(ctx);
    }

    /// The operator wants something.
    pub fn on_command(&mut self, command: Command, ctx: &mut Ctx<'_>) {
        if command == Command::Start {
            self.begin(ctx);
        } else {
            self.open(ctx);
            let mut clients = Clients { set: &mut self.set, ctx };
            self.app.command(command, &mut clients);
        }
        self.act_until_idle(ctx);
    }

    /// The process is killed: its store stays.
    #[must_use]
    pub fn stop(self) -> Store {
        self.set.store
    }

    fn begin(&mut self, ctx: &mut Ctx<'_>) {
        self.open(ctx);
        let mut clients = Clients { set: &mut self.set, ctx };
        self.app.begin(&mut clients);
    }

    /// Makes the clients, as `new KafkaProducer(..)` would: from now on they talk to brokers.
    fn open(&mut self, ctx: &mut Ctx<'_>) {
        if self.begun {
            return;
        }
        self.begun = true;
        if let Some(producer) = &mut self.set.producer {
            producer.open(ctx);
        }
        if let Some(consumer) = &mut self.set.consumer {
            consumer.open();
        }
    }

    /// Lets clients and application act until neither has anything to do. Callbacks of ours lead to
    /// finitely many more: each consumes an answer, a poll or a blocked send. An application of a
    /// reader's own may go round for ever.
    fn act_until_idle(&mut self, ctx: &mut Ctx<'_>) {
        if !self.begun {
            return;
        }
        let (mut rounds, process, now) = (Rounds::default(), self.set.process, ctx.monotonic());
        loop {
            let ClientSet { store, producer, consumer, calls, polled, .. } = &mut self.set;
            if let Some(producer) = producer {
                producer.run(store, ctx, calls);
            }
            if let Some(consumer) = consumer {
                consumer.run(ctx, calls, polled);
            }
            if self.set.calls.is_empty() {
                return;
            }
            while let Some(call) = self.set.calls.pop_front() {
                rounds.count(&call, &process, now);
                self.call(call, ctx);
            }
        }
    }

    fn call(&mut self, call: Call, ctx: &mut Ctx<'_>) {
        let app = &mut self.app;
        let mut clients = Clients { set: &mut self.set, ctx };
        match call {
            Call::Answered(answer) => {
                app.answered(&answer, &mut clients);
                if let Some(producer) = &mut self.set.producer {
                    producer.forget(&answer);
                }
            }
            Call::Unblocked(thread, sending) => app.unblocked(thread, sending, &mut clients),
            Call::Flushed => app.flushed(&mut clients),
            Call::Exception(partition, error) => app.exception(partition, error, &mut clients),
            Call::Polled => {
                let records = std::mem::take(&mut clients.set.polled);
                app.polled(&records, &mut clients);
                self.set.polled = records;
            }
        }
    }
}
