//! A producer of numbered records: at a steady pace, and as a script tells it.
//!
//! The pace is that of a loop that sends, adds the period to the time of the next send and sleeps
//! until then, never waiting for an answer: a send that blocks delays the following ones, which
//! then catch up. Scripted sends are a thread of their own that waits for each answer.

use std::collections::VecDeque;

use crate::base::ids::PartitionId;
use crate::base::rng::mix64;
use crate::base::time::{Span, Time};
use crate::kafka::client::{Answer, Application, Clients, Command, NewRecord, Sending};
use crate::model::batch::RecordId;
use crate::model::error::ErrorCode;
use crate::model::plan::ProducerPlan;

/// The thread that sends at a pace, and again what failed.
const PACED: u16 = 0;
/// The thread that sends what a script wants.
const SCRIPTED: u16 = 1;
/// The timer of the pace.
const NEXT_SEND: u16 = 0;
/// Where the keys of workload numbers come from; any constant would do.
const KEY_SALT: u64 = 0x6b65_7973;

/// A run of scripted sends.
#[derive(Clone, Copy, Debug)]
struct Scripted {
    left: u32,
    /// The label of the next record, and the number behind it.
    label: Option<(u16, u32)>,
    partition: Option<PartitionId>,
    awaits: bool,
    /// The record whose answer it waits for; none while its send blocks.
    sent: Option<(PartitionId, RecordId)>,
}

/// Sends numbered records.
#[derive(Clone, Debug)]
pub struct NumberedProducer {
    plan: ProducerPlan,
    /// When the next paced record is due; none while it does not send by itself.
    next: Option<Time>,
    /// Failed records that are to be sent again.
    again: VecDeque<u32>,
    /// The paced record whose send blocks.
    paced_blocks: Option<u32>,
    scripted: VecDeque<Scripted>,
    stopping: bool,
}

impl NumberedProducer {
    /// Sends as the plan says.
    #[must_use]
    pub const fn new(plan: ProducerPlan) -> Self {
        Self {
            plan,
            next: None,
            again: VecDeque::new(),
            paced_blocks: None,
            scripted: VecDeque::new(),
            stopping: false,
        }
    }

    /// The record of a workload number: always the same topic and key.
    fn record(&self, workload: u32) -> NewRecord {
        let topics = &self.plan.topics;
        let mixed = mix64(KEY_SALT, u64::from(workload));
        let keys = u64::from(self.plan.keys);
        NewRecord {
            topic: topics[workload as usize % topics.len()],
            partition: None,
            key: (keys > 0).then(|| (mixed % keys) as u32),
            value_bytes: self.plan.size,
            workload,
            label: None,
            thread: PACED,
        }
    }

    /// Sends what is due, until a send blocks or nothing is left. What failed before is tried once.
    fn pace(&mut self, clients: &mut Clients<'_, '_>) {
        let period = self.plan.period.unwrap_or(Span::ZERO).max(Span::nanos(1));
        let now = clients.now();
        let mut failed_before = self.again.len();
        while self.paced_blocks.is_none() {
            let workload = if failed_before > 0 {
                failed_before -= 1;
                self.again.pop_front()
            } else {
                self.next_due(period, now, clients)
            };
            let Some(workload) = workload else { return };
            match clients.send(self.record(workload)) {
                Sending::Queued(..) => {}
                Sending::Blocked => self.paced_blocks = Some(workload),
                Sending::Failed(error) => self.resend(workload, error, clients),
            }
        }
    }

    /// The next record by the schedule, if it is due; sets the timer for it if it is not.
    fn next_due(&mut self, period: Span, now: Time, clients: &mut Clients<'_, '_>) -> Option<u32> {
        let due = self.next?;
        let sent = u64::from(clients.workloads());
        if self.plan.records.is_some_and(|records| sent >= records) {
            self.next = None;
            return None;
        }
        if due > now {
            clients.set_timer(NEXT_SEND, due.since(now));
            return None;
        }
        self.next = Some(due + period);
        Some(clients.next_workload())
    }

    /// A send failed before it had a partition. A record that is too large stays too large; what
    /// time decided is tried again, not before the next tick.
    fn resend(&mut self, workload: u32, error: ErrorCode, clients: &mut Clients<'_, '_>) {
        if self.plan.resend && !self.stopping && error != ErrorCode::MessageTooLarge {
            self.again.push_back(workload);
            if self.next.is_none() {
                clients.set_timer(NEXT_SEND, self.plan.period.unwrap_or(Span::secs(1)));
            }
        }
    }

    /// Sends the next scripted record, unless one is under way.
    fn script(&mut self, clients: &mut Clients<'_, '_>) {
        while let Some(scripted) = self.scripted.front_mut() {
            if scripted.sent.is_some() {
                return;
            }
            if scripted.left == 0 {
                self.scripted.pop_front();
                continue;
            }
            scripted.left -= 1;
            let Scripted { label, partition, awaits, .. } = *scripted;
            if let Some((_, number)) = &mut scripted.label {
                *number += 1;
            }
            let workload = label.map_or_else(|| clients.next_workload(), |(_, number)| number);
            let label = label.map(|(label, _)| label);
            let record = NewRecord { partition, label, thread: SCRIPTED, ..self.record(workload) };
            match clients.send(record) {
                Sending::Queued(partition, id) if awaits => {
                    if let Some(scripted) = self.scripted.front_mut() {
                        scripted.sent = Some((partition, id));
                    }
                    return;
                }
                Sending::Queued(..) => {}
                Sending::Blocked => return,
                Sending::Failed(_) => {}
            }
        }
    }

    fn stop_if_quiet(&mut self, clients: &mut Clients<'_, '_>) {
        if self.stopping && self.paced_blocks.is_none() && self.scripted.is_empty() {
            clients.flush();
        }
    }
}

impl Application for NumberedProducer {
    fn begin(&mut self, clients: &mut Clients<'_, '_>) {
        self.stopping = false;
        if self.plan.period.is_some() && self.next.is_none() {
            self.next = Some(clients.now());
            self.pace(clients);
        }
    }

    fn command(&mut self, command: Command, clients: &mut Clients<'_, '_>) {
        match command {
            Command::Start => self.begin(clients),
            Command::Stop => {
                self.next = None;
                self.again.clear();
                self.stopping = true;
                self.stop_if_quiet(clients);
            }
            Command::Send { count, label, partition, awaits } => {
                let scripted = Scripted { left: count, label, partition, awaits, sent: None };
                self.scripted.push_back(scripted);
                if self.scripted.len() == 1 {
                    self.script(clients);
                }
            }
            Command::Seek { .. } => {}
        }
    }

    fn answered(&mut self, answer: &Answer, clients: &mut Clients<'_, '_>) {
        let awaited = self.scripted.front().and_then(|scripted| scripted.sent);
        let own = awaited
            .filter(|(partition, record)| *partition == answer.partition && answer.covers(*record));
        if own.is_some() {
            if let Some(scripted) = self.scripted.front_mut() {
                scripted.sent = None;
            }
            self.script(clients);
        }
        if self.plan.resend && !answer.error.is_none() && !self.stopping {
            let ordinals = answer.first.ordinal..answer.first.ordinal + answer.count;
            let items = ordinals.filter_map(|ordinal| clients.item(answer.partition, ordinal));
            self.again.extend(items.filter(|i| i.label.is_none()).map(|i| i.workload));
            self.pace(clients);
        }
        self.stop_if_quiet(clients);
    }

    fn unblocked(&mut self, thread: u16, sending: Sending, clients: &mut Clients<'_, '_>) {
        if thread == SCRIPTED {
            if let (Some(scripted), Sending::Queued(partition, id)) =
                (self.scripted.front_mut(), sending)
                && scripted.awaits
            {
                scripted.sent = Some((partition, id));
            }
            self.script(clients);
        } else {
            if let (Some(workload), Sending::Failed(error)) = (self.paced_blocks.take(), sending) {
                self.resend(workload, error, clients);
            }
            self.pace(clients);
        }
        self.stop_if_quiet(clients);
    }

    fn flushed(&mut self, clients: &mut Clients<'_, '_>) {
        if self.stopping {
            self.stopping = false;
            clients.stopped();
        }
    }

    fn wake(&mut self, _: u16, clients: &mut Clients<'_, '_>) {
        self.pace(clients);
    }
}
