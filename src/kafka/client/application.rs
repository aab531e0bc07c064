//! What a process does: the trait that applications implement, and their handle on the clients.
//!
//! An application is called back once per answer, poll, timer or command, and asks for more through
//! [`Clients`]. It cannot see brokers, connections or batches; two things it cannot know are the
//! number of a record that has not been partitioned and the fate of one that was given up. Which
//! clients it has is for the plan of its process to say (`AppPlan::clients`).

use std::fmt::Debug;

use crate::base::ids::{BrokerId, LeaderEpoch, Offset, PartitionId, ProcessId, TopicId};
use crate::base::time::{Span, Time};
use crate::kafka::client::accumulator::Item;
use crate::kafka::client::process::ClientSet;
use crate::kafka::ctx::Ctx;
use crate::kafka::start::Command;
use crate::kafka::timers::ClientTimer;
use crate::model::batch::RecordId;
use crate::model::error::ErrorCode;
use crate::model::fact::Fact;
use crate::model::payload::Payload;

/// How an application is copied. Whatever is `Clone` has it.
pub trait CloneApplication {
    /// A copy: for the next start of its process, and for forking a run.
    fn clone_box(&self) -> Box<dyn Application>;
}

impl<T: Application + Clone + 'static> CloneApplication for T {
    fn clone_box(&self) -> Box<dyn Application> {
        Box::new(self.clone())
    }
}

/// What a process runs. Every callback may use its clients.
///
/// An application that says nothing polls in a loop, hands each record to
/// [`Application::consumed`], and stops when it is told to. It dies with its process: the next
/// start begins with a copy of it as it was before the run. What it shares by an `Arc` is outside
/// of its process, as a database would be, and stays.
pub trait Application: CloneApplication + Debug + Send {
    /// It begins by itself, or by `Command::Start`. A first poll by default.
    fn begin(&mut self, clients: &mut Clients<'_, '_>) {
        clients.poll();
    }

    /// The operator wants something other than `Command::Start`. By default it seeks, and on
    /// `Command::Stop` it flushes its producer and polls no more.
    fn command(&mut self, command: Command, clients: &mut Clients<'_, '_>) {
        match command {
            Command::Stop => {
                clients.stop_polling();
                if clients.set.producer.is_some() {
                    clients.flush();
                } else {
                    clients.stopped();
                }
            }
            Command::Seek { partition, offset } => clients.seek(partition, offset),
            Command::Start | Command::Send { .. } => {}
        }
    }

    /// The producer completed consecutive records.
    fn answered(&mut self, _answer: &Answer, _clients: &mut Clients<'_, '_>) {}

    /// A send that blocked has returned: queued, or failed.
    fn unblocked(&mut self, _thread: u16, _sending: Sending, _clients: &mut Clients<'_, '_>) {}

    /// Everything that was sent before [`Clients::flush`] has been answered. By default that was
    /// asked for by `Command::Stop`.
    fn flushed(&mut self, clients: &mut Clients<'_, '_>) {
        clients.stopped();
    }

    /// A poll returned records, in the order of each partition. By default each is consumed, and
    /// the next poll begins.
    fn polled(&mut self, records: &[Polled], clients: &mut Clients<'_, '_>) {
        for polled in records {
            for n in 0..polled.count {
                let record = clients.record(polled, n);
                self.consumed(&record, clients);
            }
        }
        clients.poll();
    }

    /// One record of a poll.
    fn consumed(&mut self, _record: &ConsumerRecord, _clients: &mut Clients<'_, '_>) {}

    /// A poll threw. By default that ends the loop.
    fn exception(&mut self, _: PartitionId, _: ErrorCode, _clients: &mut Clients<'_, '_>) {}

    /// A timer of its own fired.
    fn wake(&mut self, _timer: u16, _clients: &mut Clients<'_, '_>) {}
}

impl Clone for Box<dyn Application> {
    fn clone(&self) -> Self {
        self.clone_box()
    }
}

/// A record to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// To this topic.
    pub topic: TopicId,
    /// To this partition; the partitioner chooses if `None`.
    pub partition: Option<PartitionId>,
    /// Number of its key.
    pub key: Option<u32>,
    /// Size of its value.
    pub value_bytes: u32,
    /// The application's number for it, printed behind `r` or behind the label.
    pub workload: u32,
    /// Label of its value, if it is a scripted send.
    pub label: Option<u16>,
    /// Which of the application's threads sends; comes back with [`Application::unblocked`].
    pub thread: u16,
}

impl NewRecord {
    /// A record of 100 bytes without a key, from thread 0.
    #[must_use]
    pub const fn new(topic: TopicId, workload: u32) -> Self {
        let (value_bytes, thread) = (100, 0);
        Self { topic, partition: None, key: None, value_bytes, workload, label: None, thread }
    }

    /// What the record says, sent now by the wall clock.
    pub(super) const fn payload(&self, now: Time) -> Payload {
        Payload {
            key: self.key,
            value: self.workload,
            value_bytes: self.value_bytes,
            label: self.label,
            timestamp: now,
        }
    }
}

/// What became of a send so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// It has a partition and waits there; its answer will come.
    Queued(PartitionId, RecordId),
    /// It waits for metadata or memory; the thread does nothing else until it has returned.
    Blocked,
    /// It failed before it had a partition.
    Failed(ErrorCode),
}

/// What the producer says of consecutive records of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of this partition.
    pub partition: PartitionId,
    /// The first record.
    pub first: RecordId,
    /// How many.
    pub count: u32,
    /// `ErrorCode::None` if they were acknowledged.
    pub error: ErrorCode,
    /// Offset of the first; none with acks=0 and after a failure.
    pub base: Option<Offset>,
}

impl Answer {
    /// Whether it speaks of this record.
    #[must_use]
    pub fn covers(&self, record: RecordId) -> bool {
        record.process == self.first.process
            && (self.first.ordinal..self.first.ordinal + self.count).contains(&record.ordinal)
    }
}

/// Consecutive records that a poll returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polled {
    /// Of this partition.
    pub partition: PartitionId,
    /// Offset of the first.
    pub base: Offset,
    /// How many.
    pub count: u32,
    /// Leader epoch of their batch.
    pub leader_epoch: LeaderEpoch,
    /// The first record.
    pub first: RecordId,
    /// Who served them.
    pub broker: BrokerId,
}

/// A record as its consumer sees it (Kafka's `ConsumerRecord`). Headers are not modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Its topic.
    pub topic: TopicId,
    /// Number of its partition within the topic.
    pub partition: u16,
    /// Its offset.
    pub offset: Offset,
    /// Leader epoch of its batch.
    pub leader_epoch: LeaderEpoch,
    /// `CreateTime`: when it was sent, by the wall clock of its producer.
    pub timestamp: Time,
    /// Number of its key, whose text is `key-n`.
    pub key: Option<u32>,
    /// Its value: the number that its application gave it ([`NewRecord::workload`]).
    pub value: u32,
    /// Size of its value, in bytes.
    pub value_bytes: u32,
    /// Label of its value, if a script sent it.
    pub label: Option<u16>,
}

/// An application's handle on its clients, its clock and its counters.
#[derive(Debug)]
pub struct Clients<'a, 'c> {
    pub(super) set: &'a mut ClientSet,
    pub(super) ctx: &'a mut Ctx<'c>,
}

impl Clients<'_, '_> {
    /// Which process this is.
    #[must_use]
    pub const fn process(&self) -> ProcessId {
        self.set.process
    }

    /// The process's monotonic clock.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.ctx.monotonic()
    }

    /// Sets the application's timer of that number.
    pub fn set_timer(&mut self, timer: u16, after: Span) {
        self.ctx.set(ClientTimer::Application(timer), after);
    }

    /// The next number of a paced record; survives a crash of the process.
    #[must_use]
    pub const fn next_workload(&mut self) -> u32 {
        self.set.store.next_workload()
    }

    /// How many numbers [`Clients::next_workload`] has given out.
    #[must_use]
    pub const fn workloads(&self) -> u32 {
        self.set.store.workloads()
    }

    /// Sends a record. The thread of a blocked record must not send before that has returned.
    ///
    /// # Panics
    /// If the application has not asked for a producer.
    ///
    /// Kafka: KafkaProducer.send
    #[inline]
    pub fn send(&mut self, record: NewRecord) -> Sending {
        let producer = self.set.producer.as_mut().expect("the application asked for no producer");
        producer.send(record, &mut self.set.store, self.ctx)
    }

    /// What the application said of a record whose answer it is hearing, or that has none yet.
    #[must_use]
    pub fn item(&self, partition: PartitionId, ordinal: u32) -> Option<Item> {
        self.set.producer.as_ref()?.item(partition, ordinal)
    }

    /// Flushes: lingering ends, and `flushed` is called when nothing is unanswered.
    ///
    /// Kafka: KafkaProducer.flush
    pub fn flush(&mut self) {
        if let Some(producer) = &mut self.set.producer {
            producer.flush();
        }
    }

    /// Polls: `polled` or `exception` is called once there is something to return.
    ///
    /// Kafka: KafkaConsumer.poll
    pub fn poll(&mut self) {
        if let Some(consumer) = &mut self.set.consumer {
            consumer.poll();
        }
    }

    /// What the `n`-th of some polled records says, counted from 0.
    ///
    /// # Panics
    /// If no process of the run is planned to run an application of the reader's own: then nobody
    /// keeps what records say. If there is no such record.
    #[must_use]
    pub fn record(&self, polled: &Polled, n: u32) -> ConsumerRecord {
        let payloads = self.ctx.bodies.payloads.as_ref().expect("the run keeps payloads");
        let payload = payloads.get(polled.partition, polled.first.plus(n));
        let Payload { key, value, value_bytes, label, timestamp } =
            payload.expect("what was polled was sent");
        let (topic, partition) = payloads.within_topic(polled.partition);
        ConsumerRecord {
            topic,
            partition,
            offset: polled.base + u64::from(n),
            leader_epoch: polled.leader_epoch,
            timestamp,
            key,
            value,
            value_bytes,
            label,
        }
    }

    /// The topic of this name. `None` also if the run keeps no payloads, as [`Clients::record`] has
    /// it.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<TopicId> {
        self.ctx.bodies.payloads.as_ref()?.topic(name)
    }

    /// Polls no more until told to; positions stay.
    pub fn stop_polling(&mut self) {
        if let Some(consumer) = &mut self.set.consumer {
            consumer.stop_polling();
        }
    }

    /// Moves the position of a partition.
    ///
    /// Kafka: KafkaConsumer.seek
    pub fn seek(&mut self, partition: PartitionId, offset: Offset) {
        if let Some(consumer) = &mut self.set.consumer {
            consumer.seek(partition, offset, self.ctx);
        }
    }

    /// The application has done what `Command::Stop` asked for.
    pub fn stopped(&mut self) {
        self.ctx.note(Fact::ClientStopped { process: self.set.process });
    }
}
