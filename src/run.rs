//! One run: a plan and a seed go in, an outcome comes out.
//!
//! Drives the world through its two phases (faults, then heal and settle), feeds the tap, shows the
//! recorder what a script asks for, and audits nodes against the ghosts of the checkers: the one
//! place that is allowed to see both sides. Does not know where the plan came from or who reads the
//! outcome.

mod fingerprint;
mod standstill;
#[cfg(test)]
mod tests;

pub use crate::check::violation::Violation;
pub use crate::report::counts::Counts;
pub use standstill::Standstill;

use crate::app::{self, Applications, ApplicationsError};
use crate::base::ids::{BrokerId, NodeId, PartitionId, ProcessId};
use crate::base::rng::stir;
use crate::base::time::{Span, Time};
use crate::check::audit::{AuditReplica, Depth, LeaderIsr};
use crate::check::{Checks, End};
use crate::kafka::client::Application;
use crate::kafka::start::Command;
use crate::model::batch::Batch;
use crate::model::fact::{Fact, Observer, Stamp};
use crate::model::fault::Fault;
use crate::model::plan::Plan;
use crate::model::rules::Drill;
use crate::model::script::Step;
use crate::record::{Moment, PartitionEnd, Recorder};
use crate::report::Value;
use crate::report::summary::Summary;
use crate::report::timeline::Timeline;
use crate::sim::script::ScriptEnd;
use crate::sim::world::World;

use standstill::{CLOCK_LOOKED_AT, SAMPLE};

/// How a run is driven, beside its plan and seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep every fact, for a story.
    pub trace: bool,
    /// A deliberately wrong ruling on every node.
    pub drill: Option<Drill>,
    /// Leave the report's statistics and timeline empty: to tell what the checks cost by
    /// themselves.
    #[doc(hidden)]
    pub uncounted: bool,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ran to its end.
    Done,
    /// It reached `run.budget.events`.
    OutOfBudget,
    /// Its clock stood still for a million events.
    ClockStoodStill,
    /// A step of its script waited in vain.
    WaitedInVain(u32),
}

/// Everything that is known of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Hash of every event and of the final state.
    pub fingerprint: u64,
    /// Why it ended.
    pub ended: Ended,
    /// Where it was and what came next, if it was stopped because it did not get on.
    pub standstill: Option<Standstill>,
    /// Virtual time at its end.
    pub time: Time,
    /// Events that reached a handler.
    pub events: u64,
    /// What the checkers found.
    pub(crate) checks: Checks,
    /// Counts and latencies.
    pub(crate) summary: Summary,
    /// Its course.
    pub(crate) timeline: Timeline,
    /// Every fault that was applied, resolved, with its time.
    #[doc(hidden)]
    pub schedule: Vec<(Time, Fault)>,
    /// What its script recorded, if it has one.
    pub(crate) recorder: Option<Recorder>,
    /// Every fact, if asked for ([`Options::trace`]).
    pub trace: Vec<(Stamp, Fact)>,
}

impl Outcome {
    /// What was violated, whether or not it was promised; [`report`](crate::report()) judges.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        self.checks.violations()
    }

    /// How often things happened.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.summary.counts
    }

    /// When the script recorded what: for tests of this repository.
    #[doc(hidden)]
    #[must_use]
    pub fn moments(&self) -> &[Moment] {
        self.recorder.as_ref().map_or(&[], |r| r.moments())
    }

    /// What the script recorded, by name.
    #[must_use]
    pub fn recorded(&self) -> &[(String, Value)] {
        self.recorder.as_ref().map_or(&[], |r| r.facts())
    }
}

/// The observer of a run: everything that listens to the one stream of events and facts.
#[derive(Clone, Debug)]
struct Tap {
    fingerprint: u64,
    checks: Checks,
    summary: Summary,
    timeline: Timeline,
    recorder: Option<Recorder>,
    trace: Option<Vec<(Stamp, Fact)>>,
    /// Whether there is a recorder or a trace.
    keeps: bool,
    /// Whether the summary and the timeline are told.
    counts: bool,
    clients_stopped: u64,
}

impl Observer for Tap {
    fn wants_facts(&self) -> bool {
        true
    }

    fn wants_trace(&self) -> bool {
        self.trace.is_some()
    }

    #[inline(always)]
    fn fact(&mut self, stamp: Stamp, fact: &Fact) {
        // Speed: the variants of these two are known where they are made, and `observe` is inline,
        // so its match folds away. One match over all would become a table of jumps.
        if let Fact::Appended { .. } = *fact {
            self.checks.observe(stamp, fact);
            if self.counts {
                self.summary.appended();
            }
        } else if let Fact::WatermarkExposed { .. } = *fact {
            self.checks.observe(stamp, fact);
        } else {
            self.common(stamp, fact);
        }
        if self.keeps {
            self.keep(stamp, fact);
        }
    }

    #[inline(always)]
    fn event(&mut self, time: Time, digest: u64) {
        self.fingerprint = stir(self.fingerprint ^ digest, time.0);
    }
}

impl Tap {
    /// What clients say, above all.
    ///
    /// Speed: making the variant anew lets the compiler specialise the inlined `observe` and drop
    /// its match.
    #[inline(never)]
    fn common(&mut self, stamp: Stamp, fact: &Fact) {
        if let Fact::Submitted { process, partition, record, workload, key, label } = *fact {
            let fact = Fact::Submitted { process, partition, record, workload, key, label };
            self.checks.observe(stamp, &fact);
            if self.counts {
                self.summary.submitted(stamp.time, process, partition);
            }
        } else if let Fact::Acked { process, partition, first, count, base, acks } = *fact {
            let fact = Fact::Acked { process, partition, first, count, base, acks };
            self.checks.observe(stamp, &fact);
            if self.counts {
                let submitted = self.checks.resolved_since();
                self.summary.acked(stamp.time, (process, partition), count, submitted);
                self.timeline.acked(stamp.time, partition, count);
            }
        } else if let Fact::Consumed {
            process,
            partition,
            base,
            count,
            leader_epoch,
            first,
            broker,
        } = *fact
        {
            let fact =
                Fact::Consumed { process, partition, base, count, leader_epoch, first, broker };
            self.checks.observe(stamp, &fact);
            if self.counts {
                self.summary.consumed(process, count);
            }
        } else {
            self.rare(stamp, fact);
        }
    }

    #[cold]
    fn keep(&mut self, stamp: Stamp, fact: &Fact) {
        if let Some(recorder) = &mut self.recorder {
            recorder.observe(stamp, fact);
        }
        if let Some(trace) = &mut self.trace {
            trace.push((stamp, *fact));
        }
    }

    #[cold]
    fn rare(&mut self, stamp: Stamp, fact: &Fact) {
        self.checks.observe(stamp, fact);
        if self.counts {
            self.summary.observe(stamp, fact);
            self.timeline.observe(stamp, fact);
        }
        self.clients_stopped += u64::from(matches!(fact, Fact::ClientStopped { .. }));
    }
}

/// A run under way.
#[derive(Debug)]
struct Drive<'a> {
    plan: &'a Plan,
    world: World,
    tap: Tap,
    next_audit: u64,
    /// The partition that the next audit begins with.
    audited_to: usize,
    /// When so many events are handled, an audit is due or the budget is spent. Zero if there is
    /// a recorder: it may be shown something after any event.
    next_halt: u64,
    /// After so many steps the clock is looked at.
    until_look: u64,
    /// Where it stood when it was looked at last.
    looked_at: Time,
    ended: Option<Ended>,
    standstill: Option<Standstill>,
}

/// Runs a plan with a seed. Its applications are ours, built from the plan.
///
/// # Panics
/// If the plan leaves a process to an application of the reader's own.
#[must_use]
pub fn run(plan: &Plan, seed: u64, options: Options) -> Outcome {
    carry_through(plan, app::build(plan), seed, options)
}

/// Runs a plan with a seed, and with applications of the reader's own in the processes that
/// [`Plan::own`] left to them: under the same faults, phases and checks as any run.
///
/// # Errors
/// If the plan and the applications do not go together.
pub fn run_with(
    plan: &Plan,
    applications: Applications,
    seed: u64,
    options: Options,
) -> Result<Outcome, ApplicationsError> {
    Ok(carry_through(plan, app::build_with(plan, applications)?, seed, options))
}

fn carry_through(
    plan: &Plan,
    apps: Vec<Box<dyn Application>>,
    seed: u64,
    options: Options,
) -> Outcome {
    let drilled = options.drill.map(|drill| with_drill(plan, drill));
    let plan = drilled.as_ref().unwrap_or(plan);
    let recorder = Recorder::new(plan);
    let mut drive = Drive {
        plan,
        world: World::new(plan, seed, apps),
        tap: Tap {
            fingerprint: 0,
            checks: Checks::new(plan),
            summary: Summary::new(plan),
            timeline: Timeline::new(plan),
            keeps: recorder.is_some() || options.trace,
            counts: !options.uncounted,
            recorder,
            trace: options.trace.then(Vec::new),
            clients_stopped: 0,
        },
        next_audit: plan.run.audit_events,
        audited_to: 0,
        next_halt: 0,
        until_look: CLOCK_LOOKED_AT,
        looked_at: Time::ZERO,
        ended: None,
        standstill: None,
    };
    drive.fault_phase();
    let judged_liveness = plan.run.heal && drive.ended.is_none();
    if judged_liveness {
        drive.settle();
    }
    drive.outcome(seed, judged_liveness)
}

/// The plan with a drill switched on in every node.
#[must_use]
pub(crate) fn with_drill(plan: &Plan, drill: Drill) -> Plan {
    let mut plan = plan.clone();
    let brokers = plan.brokers.iter_mut().map(|b| &mut b.rules);
    let controllers = plan.controllers.iter_mut().map(|c| &mut c.rules);
    let processes = plan.processes.iter_mut().map(|p| &mut p.rules);
    for rules in brokers.chain(controllers).chain(processes) {
        rules.drill = Some(drill);
    }
    plan
}

/// How many partitions an audit looks at before the end.
const AUDITED_AT_ONCE: usize = 512;

/// How long producers may take to flush after everything has been judged.
const FLUSH_LIMIT: Span = Span::secs(150);

impl Drive<'_> {
    /// Until the duration has passed and the script is done.
    fn fault_phase(&mut self) {
        if self.plan.script.is_empty() {
            // Nothing moves the end, so nothing asks for it again.
            self.steps(Time::ZERO + self.plan.run.duration, u64::MAX);
            return;
        }
        while self.ended.is_none() {
            if let ScriptEnd::WaitedInVain { step, .. } = self.world.director().script_end() {
                self.ended = Some(Ended::WaitedInVain(step));
                return;
            }
            let end = self.fault_phase_end();
            if self.world.next_time().is_none_or(|next| next > end) {
                return;
            }
            self.step();
        }
    }

    /// When the fault phase ends, as far as is known: never while the script runs.
    fn fault_phase_end(&self) -> Time {
        let duration = Time::ZERO + self.plan.run.duration;
        match self.world.director().script_end() {
            ScriptEnd::None | ScriptEnd::WaitedInVain { .. } => duration,
            ScriptEnd::Running => Time::NEVER,
            ScriptEnd::Done { at } => duration.max(at),
        }
    }

    /// Heals everything, waits until whatever can converge has, then lets the producers flush. What
    /// parts again while they do (the session of a dead process may end then) has the rest of the
    /// time to converge once more.
    fn settle(&mut self) {
        let end = self.fault_phase_end();
        self.world.advance(end);
        self.world.heal_all(&mut self.tap);
        self.tap.checks.healed(self.world.now());
        let deadline = self.world.now() + self.plan.run.settle;
        self.converge(deadline);
        self.flush();
        self.converge(deadline);
    }

    fn converge(&mut self, deadline: Time) {
        while self.ended.is_none()
            && !self.tap.checks.converged()
            && self.world.next_time().is_some_and(|next| next <= deadline)
        {
            self.step();
        }
    }

    /// Stops the producers, and waits until they have heard of all they sent.
    fn flush(&mut self) {
        self.tap.checks.stopping();
        let mut stopping = 0;
        for (place, process) in self.plan.processes.iter().enumerate() {
            if process.app.producer().is_some() {
                let process = ProcessId(place as u16);
                stopping += u64::from(self.world.is_running(NodeId::Process(process)));
                self.world.tell(process, Command::Stop);
            }
        }
        let deadline = self.world.now() + FLUSH_LIMIT;
        let target = self.tap.clients_stopped + stopping;
        while self.ended.is_none()
            && self.tap.clients_stopped < target
            && self.world.next_time().is_some_and(|next| next <= deadline)
        {
            self.step();
        }
    }

    fn step(&mut self) {
        self.steps(Time::NEVER, 1);
    }

    /// Carries out so many events at most, while the next one is not after `end` and the run has
    /// not ended.
    ///
    /// Speed: the only place that steps the world, so that both are compiled into one loop, and one
    /// comparison an event (`next_halt`) stands for the audit, the budget and the recorder. The
    /// clock is looked at between two rounds of that loop.
    fn steps(&mut self, end: Time, mut most: u64) {
        while most > 0 {
            let round = most.min(self.until_look);
            let mut left = round;
            while left > 0 && self.world.next_time().is_some_and(|next| next <= end) {
                left -= 1;
                self.world.step(&mut self.tap);
                if self.world.handled() >= self.next_halt {
                    self.halt();
                    if self.ended.is_some() {
                        return;
                    }
                }
            }
            let stepped = round - left;
            self.until_look -= stepped;
            most -= stepped;
            if self.until_look == 0 {
                self.look_at_clock();
            }
            if left > 0 || self.ended.is_some() {
                return;
            }
        }
    }

    /// Stops a run whose clock has not moved since the last look.
    #[cold]
    fn look_at_clock(&mut self) {
        let now = self.world.now();
        if self.looked_at == now {
            self.stop(Ended::ClockStoodStill);
        }
        self.looked_at = now;
        self.until_look = CLOCK_LOOKED_AT;
    }

    /// Stops a run that does not get on, and takes down what goes round.
    #[cold]
    fn stop(&mut self, why: Ended) {
        let mut events = Vec::new();
        let at = self.world.now();
        for _ in 0..SAMPLE {
            events.extend(self.world.upcoming());
            self.world.step(&mut self.tap);
        }
        self.standstill = Some(Standstill::of(at, events));
        self.ended = Some(why);
    }

    #[cold]
    fn halt(&mut self) {
        self.record_steps();
        let handled = self.world.handled();
        if handled >= self.next_audit {
            self.next_audit = handled + self.plan.run.audit_events;
            self.audit(Depth::New);
        }
        if handled >= self.plan.run.budget_events {
            self.stop(Ended::OutOfBudget);
        }
        let due = self.next_audit.min(self.plan.run.budget_events);
        self.next_halt = if self.tap.recorder.is_some() { 0 } else { due };
    }

    /// Shows the recorder what steps of the script that are done now have asked for.
    #[cold]
    fn record_steps(&mut self) {
        let Some(recorder) = &mut self.tap.recorder else { return };
        while let Some((step, at)) = self.world.director_mut().take_due_record() {
            let asked = match recorder.step(step) {
                Step::Describe { partition } | Step::Read { partition, .. } => {
                    Some((*partition, None))
                }
                Step::DumpLog { partition, broker } => Some((*partition, *broker)),
                _ => None,
            };
            let state = asked.and_then(|(partition, _)| self.world.partition_state(partition));
            let log = asked.and_then(|(partition, broker)| {
                let broker = broker.or_else(|| state.and_then(|s| s.leader))?;
                self.world.log(broker, partition)
            });
            recorder.step_done(at, step, state, log);
        }
    }

    /// Compares replicas' disks and what their nodes say of them with the ghosts of the checkers:
    /// all of them, or the next ones of a large cluster, so that what exists does not make an audit
    /// dearer. The audit at the end passes none over.
    #[cold]
    fn audit(&mut self, depth: Depth) {
        let stamp = Stamp { time: self.world.now(), seq: self.world.handled(), cause: 0 };
        let total = self.world.committed().partition_slots();
        let (first, count) = match depth {
            Depth::New => (self.audited_to, AUDITED_AT_ONCE.min(total)),
            Depth::Whole => (0, total),
        };
        self.audited_to = (first + count) % total.max(1);
        for place in first..first + count {
            let partition = PartitionId((place % total) as u16);
            let Some(image) = self.world.committed().partition(partition) else { continue };
            for broker in image.replicas.iter().copied() {
                if let Some(replica) = audited(&self.world, broker, partition) {
                    self.tap.checks.audit(stamp, replica, depth);
                }
            }
        }
    }

    fn outcome(mut self, seed: u64, judged_liveness: bool) -> Outcome {
        self.audit(Depth::Whole);
        let time = self.world.now();
        self.tap.checks.finish(End { at: time, judged_liveness });
        self.tap.summary.counts.facts = self.tap.checks.heard();
        self.tap.summary.finish(time);
        self.tap.timeline.finish(time);
        if let Some(mut recorder) = self.tap.recorder.take() {
            let existing = self.world.committed().partitions();
            let ends: Vec<PartitionEnd> = existing.map(|(p, _)| self.partition_end(p)).collect();
            let running: Vec<(BrokerId, bool)> = (0..self.plan.brokers.len())
                .map(|b| (BrokerId::at(b), self.world.is_running(NodeId::Broker(BrokerId::at(b)))))
                .collect();
            recorder.finish(&ends, &running);
            self.tap.recorder = Some(recorder);
        }
        Outcome {
            seed,
            fingerprint: fingerprint::of(self.tap.fingerprint, &self.world, self.plan),
            ended: self.ended.unwrap_or(Ended::Done),
            standstill: self.standstill,
            time,
            events: self.world.handled(),
            checks: self.tap.checks,
            summary: self.tap.summary,
            timeline: self.tap.timeline,
            schedule: self.world.schedule().to_vec(),
            recorder: self.tap.recorder,
            trace: self.tap.trace.unwrap_or_default(),
        }
    }

    fn partition_end(&self, partition: PartitionId) -> PartitionEnd {
        let image = self.world.committed().partition(partition);
        let leader = image.and_then(|i| i.state.leader);
        let view = leader.and_then(|l| self.world.replica_view(l, partition));
        let log = leader.and_then(|l| self.world.log(l, partition));
        let readable: Vec<Batch> = match (view, log) {
            (Some(view), Some(log)) => {
                log.batches().iter().filter(|b| b.end() <= view.watermark).copied().collect()
            }
            _ => Vec::new(),
        };
        let leader_epochs = leader
            .and_then(|l| self.world.broker(l))
            .map(|b| b.leader_epochs(partition))
            .unwrap_or_default();
        let mut logs = image.into_iter().flat_map(|i| i.replicas.iter()).filter_map(|b| {
            let running = self.world.is_running(NodeId::Broker(*b));
            self.world.log(*b, partition).filter(|_| running)
        });
        let first = logs.next();
        let logs_equal = logs.all(|log| first.is_some_and(|f| f.batches() == log.batches()));
        PartitionEnd { partition, readable, leader_epochs, logs_equal }
    }
}

/// One replica as its disk and, while it runs, its node have it; none without a log.
fn audited(world: &World, broker: BrokerId, partition: PartitionId) -> Option<AuditReplica<'_>> {
    let log = world.log(broker, partition)?;
    let view = world.replica_view(broker, partition).filter(|v| !v.offline);
    let leads = view.filter(|v| v.leads);
    Some(AuditReplica {
        broker,
        partition,
        end: view.map_or_else(|| log.end(), |v| v.end),
        watermark: view.map(|v| v.watermark),
        isr: leads.map(|v| LeaderIsr { partition_epoch: v.partition_epoch, isr: v.isr }),
        batches: log.batches(),
        readable: log.readable(),
        torn: log.torn().is_some(),
    })
}
