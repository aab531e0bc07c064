//! Runs a script: one client and operator who does one step after the other.
//!
//! A step ends by a fact, by an answer or by the clock; the next one begins a nanosecond later,
//! when everything of that instant has been done. What a step records is put together by `run`,
//! which asks for the steps that are due to be recorded. Faults are handed to the director, which
//! resolves and injects them. Follows the lab of `conformance/` where it waits: a send for its
//! answer, a stop of a client for its flush, a controlled shutdown for the process to end.

use std::collections::{BTreeMap, VecDeque};

use crate::base::ids::{NodeId, PartitionId, ProcessId};
use crate::base::time::{Span, Time};
use crate::kafka::start::Command;
use crate::model::batch::RecordId;
use crate::model::fact::Fact;
use crate::model::fault::{Action, FaultKind, Target};
use crate::model::pattern::Pattern;
use crate::model::script::{ScriptStep, Step};
use crate::sim::director::{Agenda, ClusterView, Order, Wake};

/// How long a `read` step waits for something new.
const READ_IDLE: Span = Span::secs(2);

/// How long a step waits for an answer that may never come (a client that was killed, a broker that
/// cannot shut down), so that no script waits for ever. Longer than any time-out of Kafka's.
const PATIENCE: Span = Span::secs(900);

/// The least time between two steps.
const BREATH: Span = Span::nanos(1);

/// How often an operator who waits looks again, as the lab does: whoever acts on what it saw acts
/// when the brokers have heard of it too.
const LOOK: Span = Span::millis(50);

/// How far a script has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptEnd {
    /// There is no script.
    None,
    /// It goes on.
    Running,
    /// Its last step is done.
    Done {
        /// Since then.
        at: Time,
    },
    /// A step did not come to its end in time, or its target was nobody: the script ended there.
    WaitedInVain {
        /// Which step, from 0.
        step: u32,
        /// When it was given up.
        at: Time,
    },
}

/// What the director is to do for a step.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    pub(super) action: Action,
    pub(super) target: Option<Target>,
}

/// What became of a [`Demand`].
#[derive(Clone, Debug)]
pub(super) enum Applied {
    /// The target was nobody, or the budget refused it.
    Nothing,
    /// The fault is injected.
    Fault { id: u32, kind: FaultKind, nodes: Vec<NodeId> },
    /// A rolling restart goes on until the director says that it is over.
    Rolling,
}

/// The latest fact that concerns a pattern, as far as it matters.
#[derive(Clone, Debug)]
struct Watch {
    pattern: Pattern,
    /// Whether it fits; `None` before the first.
    fits: Option<bool>,
}

/// What the present step waits for.
#[derive(Clone, Debug)]
enum Awaited {
    /// Its own beginning.
    Begin,
    /// The next wake.
    Clock,
    /// A fact that fits `watches[_]`.
    Fact(usize),
    /// As many results of this process; `open` are the records sent and not answered.
    Results {
        process: ProcessId,
        label: Option<u16>,
        left: u32,
        open: Vec<(PartitionId, RecordId)>,
    },
    /// The end of these clients.
    Clients(Vec<ProcessId>),
    /// The end of these brokers.
    Nodes(Vec<NodeId>),
    /// The answer to an operation.
    Answer,
    /// The end of a rolling restart.
    Rolling,
    /// Two seconds without a record for this reader.
    Silence { reader: ProcessId, last: Time },
    /// Nothing: the script is over.
    Nothing,
}

/// The script of a run.
#[derive(Clone, Debug)]
pub(super) struct Script {
    steps: Vec<ScriptStep>,
    watches: Vec<Watch>,
    current: usize,
    waiting: Awaited,
    started: Time,
    /// Counts what has been waited for: a wake for something earlier is stale.
    serial: u32,
    /// The step before, to be noted as done.
    finished: Option<u32>,
    faults: BTreeMap<String, u32>,
    /// How many records of each label were asked for: they are counted over the whole script.
    labelled: Vec<u32>,
    to_record: VecDeque<(u32, Time)>,
    end: ScriptEnd,
}

impl Script {
    pub(super) fn new(steps: &[ScriptStep]) -> Self {
        let mut watches: Vec<Watch> = Vec::new();
        for step in steps {
            if let Step::Until { pattern, .. } = &step.step
                && !watches.iter().any(|w| w.pattern == *pattern)
            {
                watches.push(Watch { pattern: pattern.clone(), fits: None });
            }
        }
        let (waiting, end) = if steps.is_empty() {
            (Awaited::Nothing, ScriptEnd::None)
        } else {
            (Awaited::Begin, ScriptEnd::Running)
        };
        Self {
            steps: steps.to_vec(),
            watches,
            current: 0,
            waiting,
            started: Time::ZERO,
            serial: 0,
            finished: None,
            faults: BTreeMap::new(),
            labelled: Vec::new(),
            to_record: VecDeque::new(),
            end,
        }
    }

    pub(super) const fn end(&self) -> ScriptEnd {
        self.end
    }

    pub(super) fn take_due_record(&mut self) -> Option<(u32, Time)> {
        self.to_record.pop_front()
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.end, ScriptEnd::Running)
    }

    pub(super) fn begin(&mut self, agenda: &mut Agenda, out: &mut Vec<Order>) {
        if self.is_running() {
            agenda.wake(Time::ZERO, Wake::Script(self.serial), out);
        }
    }

    /// A wake came. Returns the fault or operation that the step which begins now asks for; the
    /// director answers with [`Script::on_applied`].
    pub(super) fn on_due(
        &mut self,
        serial: u32,
        view: &ClusterView<'_>,
        agenda: &mut Agenda,
        out: &mut Vec<Order>,
    ) -> Option<Demand> {
        if serial != self.serial {
            return None;
        }
        out.extend(self.finished.take().map(|step| Order::Note(Fact::StepDone { step })));
        match self.waiting {
            Awaited::Nothing => self.end = ScriptEnd::Done { at: view.now },
            Awaited::Begin => return self.begin_step(view, agenda, out),
            Awaited::Clock => self.finish(view.now, agenda, out),
            Awaited::Silence { last, .. } if view.now.since(last) < READ_IDLE => {
                agenda.wake(last + READ_IDLE, Wake::Script(self.serial), out);
            }
            Awaited::Silence { reader, .. } => {
                out.push(Order::Command { process: reader, command: Command::Stop });
                self.finish(view.now, agenda, out);
            }
            Awaited::Fact(_)
            | Awaited::Results { .. }
            | Awaited::Clients(_)
            | Awaited::Nodes(_)
            | Awaited::Answer
            | Awaited::Rolling => self.give_up(view.now),
        }
        None
    }

    fn begin_step(
        &mut self,
        view: &ClusterView<'_>,
        agenda: &mut Agenda,
        out: &mut Vec<Order>,
    ) -> Option<Demand> {
        self.started = view.now;
        let step = self.steps[self.current].step.clone();
        match step {
            Step::Sleep(span) => self.wait(Awaited::Clock, view.now + span, agenda, out),
            Step::Until { pattern, within } => self.await_fact(&pattern, within, view, agenda, out),
            Step::Send { process, count, label, partition, awaits } => {
                let numbered = label.map(|label| (label, self.number(label, count)));
                let command = Command::Send { count, label: numbered, partition, awaits };
                out.push(Order::Command { process, command });
                let results = Awaited::Results { process, label, left: count, open: Vec::new() };
                self.wait_or_finish(awaits && count > 0, results, view.now, agenda, out);
            }
            Step::Start { processes } => {
                let start = |process| Order::Command { process, command: Command::Start };
                out.extend(processes.into_iter().map(start));
                self.finish(view.now, agenda, out);
            }
            Step::Stop { mut processes } => {
                processes.retain(|p| (view.running)(NodeId::Process(*p)));
                let stop = |process: &ProcessId| Order::Command {
                    process: *process,
                    command: Command::Stop,
                };
                out.extend(processes.iter().map(stop));
                let any = !processes.is_empty();
                self.wait_or_finish(any, Awaited::Clients(processes), view.now, agenda, out);
            }
            Step::Seek { process, partition, offset } => {
                let command = Command::Seek { partition, offset };
                out.push(Order::Command { process, command });
                self.finish(view.now, agenda, out);
            }
            Step::Do { action, target, .. } => return Some(Demand { action, target }),
            Step::Undo { mark } => {
                let id = self.faults.get(&mark).copied();
                out.extend(id.map(|id| Order::Heal { at: view.now, id }));
                self.finish(view.now, agenda, out);
            }
            Step::Describe { .. } | Step::DumpLog { .. } => self.finish(view.now, agenda, out),
            Step::Read { reader, .. } => {
                out.push(Order::Command { process: reader, command: Command::Start });
                let silence = Awaited::Silence { reader, last: view.now };
                self.wait(silence, view.now + READ_IDLE, agenda, out);
            }
        }
        None
    }

    /// The first number of so many further records of a label.
    fn number(&mut self, label: u16, count: u32) -> u32 {
        let place = usize::from(label);
        if self.labelled.len() <= place {
            self.labelled.resize(place + 1, 0);
        }
        let first = self.labelled[place];
        self.labelled[place] += count;
        first
    }

    /// What the director did for the present step.
    pub(super) fn on_applied(
        &mut self,
        applied: Applied,
        view: &ClusterView<'_>,
        agenda: &mut Agenda,
        out: &mut Vec<Order>,
    ) {
        match applied {
            Applied::Nothing => self.give_up(view.now),
            Applied::Rolling => self.set(Awaited::Rolling),
            Applied::Fault { id, kind, mut nodes } => {
                if let Step::Do { mark: Some(mark), .. } = &self.steps[self.current].step {
                    self.faults.insert(mark.clone(), id);
                }
                match kind {
                    kind if kind.is_operation() => {
                        self.wait(Awaited::Answer, view.now + PATIENCE, agenda, out);
                    }
                    FaultKind::Shutdown => {
                        nodes.retain(|node| (view.running)(*node));
                        let any = !nodes.is_empty();
                        self.wait_or_finish(any, Awaited::Nodes(nodes), view.now, agenda, out);
                    }
                    _ => self.finish(view.now, agenda, out),
                }
            }
        }
    }

    /// A fact happened. Only wakes come of it: the next step needs a view of the world.
    pub(super) fn on_fact(
        &mut self,
        now: Time,
        fact: &Fact,
        agenda: &mut Agenda,
        out: &mut Vec<Order>,
    ) {
        if !self.is_running() {
            return;
        }
        for watch in &mut self.watches {
            if watch.pattern.concerns(fact) {
                watch.fits = Some(watch.pattern.matches(fact));
            } else if watch.pattern.is_over_with(fact) {
                watch.fits = Some(false);
            }
        }
        let done = match &mut self.waiting {
            Awaited::Fact(watch) => self.watches[*watch].fits == Some(true),
            Awaited::Results { process, label, left, open } => {
                count_results(*process, *label, left, open, fact);
                *left == 0
            }
            Awaited::Clients(clients) => match fact {
                Fact::ClientStopped { process } => {
                    clients.retain(|p| p != process);
                    clients.is_empty()
                }
                _ => false,
            },
            Awaited::Nodes(nodes) => match fact {
                Fact::Stopped { node, .. } => {
                    nodes.retain(|n| n != node);
                    nodes.is_empty()
                }
                _ => false,
            },
            Awaited::Silence { reader, last } => {
                if matches!(fact, Fact::Consumed { process, .. } if process == reader) {
                    *last = now;
                }
                false
            }
            Awaited::Begin
            | Awaited::Clock
            | Awaited::Answer
            | Awaited::Rolling
            | Awaited::Nothing => false,
        };
        if done {
            self.finish(now, agenda, out);
        }
    }

    /// The operation of the present step was answered.
    pub(super) fn on_answer(&mut self, now: Time, agenda: &mut Agenda, out: &mut Vec<Order>) {
        if matches!(self.waiting, Awaited::Answer) {
            self.finish(now, agenda, out);
        }
    }

    /// The rolling restart of the present step is over.
    pub(super) fn on_rolled(&mut self, now: Time, agenda: &mut Agenda, out: &mut Vec<Order>) {
        if matches!(self.waiting, Awaited::Rolling) {
            self.finish(now, agenda, out);
        }
    }

    /// What is so already does not wait: the latest fact decides, or the committed state if there
    /// has been no change since time zero.
    fn await_fact(
        &mut self,
        pattern: &Pattern,
        within: Span,
        view: &ClusterView<'_>,
        agenda: &mut Agenda,
        out: &mut Vec<Order>,
    ) {
        let watch = self.watches.iter().position(|w| w.pattern == *pattern);
        let watch = watch.expect("every pattern of the script is watched");
        let fits = self.watches[watch].fits.unwrap_or_else(|| is_committed(pattern, view));
        if fits {
            self.finish(view.now, agenda, out);
        } else {
            self.wait(Awaited::Fact(watch), view.now + within, agenda, out);
        }
    }

    fn set(&mut self, waiting: Awaited) {
        self.waiting = waiting;
        self.serial += 1;
    }

    fn wait(&mut self, waiting: Awaited, until: Time, agenda: &mut Agenda, out: &mut Vec<Order>) {
        self.set(waiting);
        agenda.wake(until, Wake::Script(self.serial), out);
    }

    fn wait_or_finish(
        &mut self,
        wait: bool,
        waiting: Awaited,
        now: Time,
        agenda: &mut Agenda,
        out: &mut Vec<Order>,
    ) {
        if wait {
            self.wait(waiting, now + PATIENCE, agenda, out);
        } else {
            self.finish(now, agenda, out);
        }
    }

    fn finish(&mut self, now: Time, agenda: &mut Agenda, out: &mut Vec<Order>) {
        let step = self.current as u32;
        let ScriptStep { step: kind, record_as } = &self.steps[self.current];
        if record_as.is_some() || matches!(kind, Step::Stop { .. }) {
            // Of a fault it is the moment of its injection that counts.
            let at = if matches!(kind, Step::Do { .. }) { self.started } else { now };
            self.to_record.push_back((step, at));
        }
        let pause = if matches!(self.waiting, Awaited::Fact(_)) { LOOK } else { BREATH };
        self.finished = Some(step);
        self.current += 1;
        if self.current == self.steps.len() {
            self.wait(Awaited::Nothing, now + BREATH, agenda, out);
        } else {
            self.wait(Awaited::Begin, now + pause, agenda, out);
        }
    }

    fn give_up(&mut self, now: Time) {
        self.end = ScriptEnd::WaitedInVain { step: self.current as u32, at: now };
        self.set(Awaited::Nothing);
    }
}

/// Takes the results that a fact brings for a scripted send. Its records are told from what the
/// producer sends besides by their label.
fn count_results(
    sender: ProcessId,
    wanted: Option<u16>,
    left: &mut u32,
    open: &mut Vec<(PartitionId, RecordId)>,
    fact: &Fact,
) {
    if fact.node() != Some(NodeId::Process(sender)) {
        return;
    }
    match *fact {
        Fact::Submitted { partition, record, label, .. }
            if label == wanted && open.len() < *left as usize =>
        {
            open.push((partition, record));
        }
        Fact::Acked { partition, first, count, .. }
        | Fact::Rejected { partition, first, count, .. }
        | Fact::GaveUp { partition, first, count, .. } => {
            let before = open.len();
            let answered = first.ordinal..first.ordinal + count;
            open.retain(|(p, record)| *p != partition || !answered.contains(&record.ordinal));
            *left -= (before - open.len()) as u32;
        }
        Fact::SendFailed { label, .. } if label == wanted => *left = left.saturating_sub(1),
        _ => {}
    }
}

/// Whether the committed metadata says what the pattern waits for.
fn is_committed(pattern: &Pattern, view: &ClusterView<'_>) -> bool {
    view.committed.partitions().any(|(partition, image)| {
        let state = image.state;
        let isr = Fact::IsrCommitted { partition, state };
        let elected = Fact::Elected {
            partition,
            leader: state.leader,
            leader_epoch: state.leader_epoch,
            isr: state.isr,
            elr: state.elr,
            unclean: false,
        };
        pattern.matches(&isr) || pattern.matches(&elected)
    })
}

#[cfg(test)]
mod tests;
