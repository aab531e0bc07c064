//! The director: decides which fault happens when, and what the scripted operator does.
//!
//! Every source of faults (`at`, `when`, `every`, `swarm`, a script's `do`) ends here in one door:
//! a wake comes at the fault's time, its targets are resolved by the committed metadata of that
//! instant, the budget is asked if the fault is random, and an [`Order::Inject`] goes out. What was
//! injected is kept as a concrete schedule. A plan whose faults are that schedule as `at` lines
//! gives the same run: draws are made from the stream `chaos` alone, which feeds nothing else, and
//! a fault's number is its place among all injections. It does not know how a fault is carried out.

use std::collections::BTreeMap;

use crate::base::ids::{BrokerId, ControllerId, NodeId, PartitionId, ProcessId};
use crate::base::rng::Rng;
use crate::base::time::{Span, Time};
use crate::kafka::image::Image;
use crate::kafka::start::Command;
use crate::model::fact::{Fact, StopKind};
use crate::model::fault::{Action, Fault, FaultKind, FaultLine, RestartHow, Target, Timing};
use crate::model::pattern::Pattern;
use crate::model::plan::Plan;
use crate::sim::budget::Budget;
use crate::sim::chaos::Swarm;
use crate::sim::rolling::{LOOK, Rolling, Turn};
use crate::sim::script::{Applied, Demand, Script, ScriptEnd};
use crate::sim::targets::Roster;

/// What the director wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Call [`Director::on_due`] with this token at this time, as an ordinary event.
    Wake {
        /// When.
        at: Time,
        /// What to come back with.
        token: u32,
    },
    /// Apply this fault at this time (now), after everything else of that instant.
    Inject {
        /// When.
        at: Time,
        /// What.
        fault: Fault,
    },
    /// End the fault with this number at this time, after everything else of that instant; nothing
    /// if it has ended.
    Heal {
        /// When.
        at: Time,
        /// Which.
        id: u32,
    },
    /// Tell a client process.
    Command {
        /// Which.
        process: ProcessId,
        /// What.
        command: Command,
    },
    /// Note this fact.
    Note(Fact),
}

/// What the director sees of the world when it decides.
pub struct ClusterView<'a> {
    /// The time.
    pub now: Time,
    /// The committed metadata.
    pub committed: &'a Image,
    /// Whether a node's process exists (a paused one does).
    pub running: &'a dyn Fn(NodeId) -> bool,
    /// The active controller.
    pub active_controller: Option<ControllerId>,
}

impl ClusterView<'_> {
    /// The leader that the committed metadata names.
    #[must_use]
    pub fn leader(&self, partition: PartitionId) -> Option<BrokerId> {
        self.committed.partition(partition)?.state.leader
    }

    /// The replica list of a partition; empty if there is no such partition (yet).
    #[must_use]
    pub fn replicas(&self, partition: PartitionId) -> &[BrokerId] {
        self.committed.partition(partition).map_or(&[], |image| &image.replicas)
    }
}

/// What a wake is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Fault line `_` (`at`, or `when` after its fact).
    Line(u32),
    /// The next draw of the `every` line `_`.
    Tick(u32),
    /// Fault `draft` of swarm `swarm`.
    Draft { swarm: u16, draft: u16 },
    /// A look at a rolling restart.
    Rolling(u16),
    /// The operator starts a broker that halted.
    StartHalted(BrokerId),
    /// The script, if it still waits for what this wake was set for.
    Script(u32),
}

/// What the outstanding wakes are for, by token.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    dues: Vec<Wake>,
    free: Vec<u32>,
}

impl Agenda {
    pub(super) fn wake(&mut self, at: Time, due: Wake, out: &mut Vec<Order>) {
        let token = if let Some(token) = self.free.pop() {
            self.dues[token as usize] = due;
            token
        } else {
            self.dues.push(due);
            (self.dues.len() - 1) as u32
        };
        out.push(Order::Wake { at, token });
    }

    fn take(&mut self, token: u32) -> Wake {
        debug_assert!(!self.free.contains(&token), "a wake came twice");
        self.free.push(token);
        self.dues[token as usize]
    }
}

/// A `when` line that still waits for its fact.
#[derive(Clone, Debug)]
struct Trigger {
    line: u32,
    pattern: Pattern,
    /// How many fitting facts are still to come.
    left: u32,
    after: Span,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// A line with a time or a trigger: always happens.
    Author,
    /// A draw: asks the budget.
    Luck,
    /// The script: always happens, and is not written into the schedule, since a script stays as
    /// it stands.
    Script,
}

/// Decides what happens to the machine, and when. See the module.
#[derive(Clone, Debug)]
pub struct Director {
    roster: Roster,
    rng: Rng,
    budget: Budget,
    lines: Vec<FaultLine>,
    triggers: Vec<Trigger>,
    swarms: Vec<Swarm>,
    script: Script,
    agenda: Agenda,
    /// Rolling restarts, and whether the script waits for them.
    rollings: Vec<(Rolling, By)>,
    /// The operations that are not answered yet, by the number of their fault: what they are, and
    /// who asked for them. A controller that stops leaves some without an answer.
    operations: BTreeMap<u32, (FaultKind, By)>,
    schedule: Vec<(Time, Fault)>,
    /// How many faults have been injected, those of the script included.
    injected: u32,
    /// Everything was healed: nothing random or timed happens any more.
    over: bool,
}

impl Director {
    /// The director of a run.
    #[must_use]
    pub fn new(plan: &Plan, seed: u64) -> Self {
        let roster = Roster::new(plan);
        let mut rng = Rng::named(seed, "chaos");
        let mut triggers = Vec::new();
        let mut swarms = Vec::new();
        for (line, fault) in plan.faults.iter().enumerate() {
            match &fault.timing {
                Timing::When { pattern, nth, after } => triggers.push(Trigger {
                    line: line as u32,
                    pattern: pattern.clone(),
                    left: (*nth).max(1),
                    after: (*after).max(Span::nanos(1)),
                }),
                Timing::Swarm { level, kinds, from, until } => {
                    swarms.push(Swarm::draw(*level, kinds, *from..*until, &roster, &mut rng));
                }
                Timing::At(_) | Timing::Every { .. } => {}
            }
        }
        Self {
            roster,
            rng,
            budget: Budget::new(plan),
            lines: plan.faults.clone(),
            triggers,
            swarms,
            script: Script::new(&plan.script),
            agenda: Agenda::default(),
            rollings: Vec::new(),
            operations: BTreeMap::new(),
            schedule: Vec::new(),
            injected: 0,
            over: false,
        }
    }

    /// At time zero: asks to be woken for everything that has a time.
    pub fn begin(&mut self, out: &mut Vec<Order>) {
        for (line, fault) in self.lines.iter().enumerate() {
            match fault.timing {
                Timing::At(at) => self.agenda.wake(at, Wake::Line(line as u32), out),
                Timing::Every { period, from, until, .. } if from + period <= until => {
                    self.agenda.wake(from + period, Wake::Tick(line as u32), out);
                }
                _ => {}
            }
        }
        for (number, swarm) in self.swarms.iter().enumerate() {
            for (draft, at) in swarm.times().enumerate() {
                let due = Wake::Draft { swarm: number as u16, draft: draft as u16 };
                self.agenda.wake(at, due, out);
            }
        }
        self.script.begin(&mut self.agenda, out);
    }

    /// A wake that was asked for has come.
    pub fn on_due(&mut self, token: u32, view: &ClusterView<'_>, out: &mut Vec<Order>) {
        match self.agenda.take(token) {
            Wake::Script(serial) => self.go_on_with_script(serial, view, out),
            _ if self.over => {}
            Wake::Line(line) => self.apply_line(line, By::Author, view, out),
            Wake::Tick(line) => self.tick(line, view, out),
            Wake::Draft { swarm, draft } => self.apply_draft(swarm, draft, view, out),
            Wake::Rolling(number) => self.roll(number, view, out),
            Wake::StartHalted(broker) => self.start_halted(broker, view, out),
        }
    }

    /// Whether facts other than those of the machine, faults and committed metadata are wanted:
    /// something waits for a pattern, or a script runs.
    #[must_use]
    pub fn wants_all_facts(&self) -> bool {
        self.script.is_running() || !self.triggers.is_empty()
    }

    /// A fact happened. Nothing but wakes comes of it: what follows needs a view of the world.
    pub fn on_fact(&mut self, now: Time, fact: &Fact, out: &mut Vec<Order>) {
        self.budget.on_fact(fact);
        match *fact {
            Fact::Stopped { node: NodeId::Broker(broker), how: StopKind::Halt, .. }
                if !self.swarms.is_empty() =>
            {
                let after = Span::millis(self.rng.between(2_000, 15_000));
                self.agenda.wake(now + after, Wake::StartHalted(broker), out);
            }
            Fact::AllHealed => {
                self.over = true;
                self.triggers.clear();
            }
            _ => {}
        }
        let agenda = &mut self.agenda;
        self.triggers.retain_mut(|trigger| {
            if trigger.pattern.matches(fact) {
                trigger.left -= 1;
                if trigger.left == 0 {
                    agenda.wake(now + trigger.after, Wake::Line(trigger.line), out);
                }
            }
            trigger.left > 0
        });
        self.script.on_fact(now, fact, &mut self.agenda, out);
    }

    /// The operation that fault `id` was is answered. Says what it was.
    pub fn on_answer(&mut self, now: Time, id: u32, out: &mut Vec<Order>) -> Option<FaultKind> {
        let (kind, by) = self.operations.remove(&id)?;
        if by == By::Script {
            self.script.on_answer(now, &mut self.agenda, out);
        }
        Some(kind)
    }

    /// The concrete schedule so far: every injected fault of a fault line, resolved, with its exact
    /// time. [`Fault::as_line`] makes the lines of a repro file. The script's faults are not in it.
    #[must_use]
    pub fn schedule(&self) -> &[(Time, Fault)] {
        &self.schedule
    }

    /// How far the script has come.
    #[must_use]
    pub const fn script_end(&self) -> ScriptEnd {
        self.script.end()
    }

    /// The next step that has just ended and is to be recorded now, from the state as it is.
    pub fn take_due_record(&mut self) -> Option<(u32, Time)> {
        self.script.take_due_record()
    }

    fn go_on_with_script(&mut self, serial: u32, view: &ClusterView<'_>, out: &mut Vec<Order>) {
        let demand = self.script.on_due(serial, view, &mut self.agenda, out);
        if let Some(Demand { action, target }) = demand {
            let applied =
                self.resolve_and_apply(&action, target.as_ref(), None, By::Script, view, out);
            self.script.on_applied(applied, view, &mut self.agenda, out);
        }
    }

    fn apply_line(&mut self, line: u32, by: By, view: &ClusterView<'_>, out: &mut Vec<Order>) {
        let FaultLine { target, length, action, .. } = self.lines[line as usize].clone();
        if let Some(action) = action {
            self.resolve_and_apply(&action, target.as_ref(), length, by, view, out);
        }
    }

    fn tick(&mut self, line: u32, view: &ClusterView<'_>, out: &mut Vec<Order>) {
        let Timing::Every { period, probability, until, .. } = self.lines[line as usize].timing
        else {
            return;
        };
        if view.now + period <= until {
            self.agenda.wake(view.now + period, Wake::Tick(line), out);
        }
        if self.rng.chance(probability) {
            self.apply_line(line, By::Luck, view, out);
        }
    }

    fn apply_draft(
        &mut self,
        swarm: u16,
        draft: u16,
        view: &ClusterView<'_>,
        out: &mut Vec<Order>,
    ) {
        let swarm = &mut self.swarms[usize::from(swarm)];
        let drawn = swarm.realise(usize::from(draft), &self.roster, view, &mut self.rng);
        if let Some((action, nodes, length)) = drawn {
            self.apply(action, nodes, length, By::Luck, view, out);
        }
    }

    /// Resolves the target words and applies the fault, if it may be.
    fn resolve_and_apply(
        &mut self,
        action: &Action,
        target: Option<&Target>,
        length: Option<Span>,
        by: By,
        view: &ClusterView<'_>,
        out: &mut Vec<Order>,
    ) -> Applied {
        let action = self.roster.resolve_action(action, view, &mut self.rng);
        let nodes = match target {
            Some(target) => self.roster.resolve(target, view, &mut self.rng),
            None => Some(Vec::new()),
        };
        let (Some(action), Some(nodes)) = (action, nodes) else {
            return Applied::Nothing;
        };
        self.apply(action, nodes, length, by, view, out)
    }

    fn apply(
        &mut self,
        action: Action,
        nodes: Vec<NodeId>,
        length: Option<Span>,
        by: By,
        view: &ClusterView<'_>,
        out: &mut Vec<Order>,
    ) -> Applied {
        let kind = action.kind();
        if by == By::Luck && !self.budget.allows(&action, &nodes) {
            out.push(Order::Note(Fact::Refused { kind, node: nodes.first().copied() }));
            return Applied::Nothing;
        }
        if kind == FaultKind::RollingRestart {
            return self.begin_rolling(by, view, out);
        }
        let id = self.injected;
        self.budget.applied(id, &action, &nodes, view.running);
        self.injected += 1;
        if kind.is_operation() {
            self.operations.insert(id, (kind, by));
        }
        let length = length.filter(|_| kind.has_length());
        let fault = Fault { id, action, nodes: nodes.clone(), length };
        if by != By::Script {
            self.schedule.push((view.now, fault.clone()));
        }
        out.push(Order::Inject { at: view.now, fault });
        out.extend(length.map(|length| Order::Heal { at: view.now + length, id }));
        Applied::Fault { id, kind, nodes }
    }

    /// A rolling restart is noted once, under the number of its first restart, so that it counts as
    /// its own kind; what is injected are restarts.
    fn begin_rolling(&mut self, by: By, view: &ClusterView<'_>, out: &mut Vec<Order>) -> Applied {
        let busy = self.rollings.iter().any(|(rolling, _)| !rolling.is_finished());
        if busy && by == By::Luck {
            return Applied::Nothing;
        }
        let number = self.rollings.len() as u16;
        self.rollings.push((Rolling::new(self.roster.brokers), by));
        let kind = FaultKind::RollingRestart;
        out.push(Order::Note(Fact::Injected { id: self.injected, kind, node: None }));
        self.agenda.wake(view.now, Wake::Rolling(number), out);
        Applied::Rolling
    }

    fn roll(&mut self, number: u16, view: &ClusterView<'_>, out: &mut Vec<Order>) {
        let (rolling, by) = &mut self.rollings[usize::from(number)];
        let by = *by;
        match rolling.turn(view) {
            Turn::Finished => {
                if by == By::Script {
                    self.script.on_rolled(view.now, &mut self.agenda, out);
                }
                return;
            }
            Turn::Restart(broker) => {
                let action = Action::Restart { how: RestartHow::Shutdown };
                self.apply(action, vec![NodeId::Broker(broker)], None, by, view, out);
            }
            Turn::Wait => {}
        }
        self.agenda.wake(view.now + LOOK, Wake::Rolling(number), out);
    }

    /// Starts a broker that halted, as its operator would once its disk is well.
    fn start_halted(&mut self, broker: BrokerId, view: &ClusterView<'_>, out: &mut Vec<Order>) {
        if (view.running)(NodeId::Broker(broker)) {
            return;
        }
        let action = Action::Restart { how: RestartHow::Crash };
        self.apply(action, vec![NodeId::Broker(broker)], None, By::Author, view, out);
    }
}

#[cfg(test)]
impl Director {
    pub(super) fn first_open_operation(&self) -> Option<u32> {
        self.operations.keys().next().copied()
    }

    pub(super) fn swarm_drafts(&self) -> usize {
        self.swarms.iter().map(|swarm| swarm.times().count()).sum()
    }

    pub(super) fn swarm_kinds(&self) -> Vec<FaultKind> {
        self.swarms.iter().flat_map(Swarm::kinds).collect()
    }
}

#[cfg(test)]
mod tests;
