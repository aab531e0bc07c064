//! Processes that start, stop, freeze and go on; machines that lose power.
//!
//! Stops and freezes are counted, since faults overlap: a process starts when the last fault that
//! keeps it stopped has ended. Nothing survives a process but what [`crate::sim::nodes::Nodes`]
//! keeps of it. Does not know which fault was behind it.

use crate::base::ids::{LogId, NodeId};
use crate::base::time::Span;
use crate::kafka::ctx::{CloseReason, Ctx};
use crate::model::disk::Disk;
use crate::model::fact::{Fact, Observer, StopKind};
use crate::model::fault::Keep;
use crate::model::message::Lane;
use crate::sim::event::{Digest, Event, EventKind, HostId, Life};
use crate::sim::host::Condition;
use crate::sim::nodes::Input;
use crate::sim::world::World;

const MIB: u64 = 1 << 20;

impl World {
    // ---- starting ----

    /// A process is started: it runs when it has loaded (and, after an unclean stop, recovered) its
    /// logs.
    pub(super) fn begin_start(&mut self, host: HostId) {
        let recovery = self.recovery_time(host);
        let machine = &mut self.hosts[host.index()];
        assert!(machine.condition == Condition::Down, "only what is down is started");
        machine.condition = Condition::Starting;
        let life = machine.life;
        let at = self.now + self.plan.hardware.start + recovery;
        self.push(at, Event::Start { host, life });
    }

    fn recovery_time(&mut self, host: HostId) -> Span {
        let machine = &self.hosts[host.index()];
        let (NodeId::Broker(broker), true) = (machine.node, machine.unclean) else {
            return Span::ZERO;
        };
        // Its copy of the metadata log is small, and recovered at any start.
        let disk = self.nodes.broker_disk(broker);
        let logs = disk.logs().filter(|log| *log != LogId::Metadata);
        let bytes = logs.map(|log| disk.sim_unrecovered_bytes(log)).sum();
        self.plan.hardware.recovery_per_mib.scaled(bytes, MIB)
    }

    /// A process runs for the first time.
    #[cold]
    pub(super) fn start<O: Observer>(&mut self, host: HostId, life: Life, tap: &mut O) {
        let event = Event::Start { host, life };
        let machine = &self.hosts[host.index()];
        let node = machine.node;
        if machine.life != life || machine.condition != Condition::Starting {
            return;
        }
        if !self.is_awake(host, event) || self.is_hung(host, event) {
            return;
        }
        let (wants_facts, wants_trace) = (self.desk.wants(tap), self.desk.wants_trace(tap));
        let machine = &mut self.hosts[host.index()];
        machine.condition = Condition::Running;
        machine.unclean = true;
        machine.starts += 1;
        let incarnation = machine.starts - 1;
        machine.cold = incarnation > 0;
        if incarnation > 0 {
            self.desk.announce(tap, Fact::Started { node });
        }
        if let Some(disk) = self.nodes.disk_mut(node) {
            disk.sim_try_dirs_anew();
        }
        let digest = Digest::of(EventKind::Start, host).word(u64::from(incarnation));
        self.reached(digest, tap);
        let machine = &mut self.hosts[host.index()];
        let mut ctx = Ctx {
            wall: machine.clock.wall(self.now),
            monotonic: machine.clock.monotonic(self.now),
            rng: &mut machine.rng,
            rules: &machine.rules,
            bodies: &mut self.bodies,
            lists: &mut self.lists,
            effects: &mut self.effects,
            wants_facts,
            wants_trace,
        };
        self.nodes.start(&self.plan, node, incarnation, machine.begins, &mut ctx);
        if matches!(node, NodeId::Controller(_)) {
            self.controller_started();
        }
        self.drain(host, self.now, tap);
    }

    /// What the operator wanted of a controller is said to the one that runs now.
    fn controller_started(&mut self) {
        for slot in std::mem::take(&mut self.unheard) {
            self.push(self.now, Event::Operate { slot });
        }
    }

    // ---- stopping ----

    /// A node stopped by itself at the end of a handler.
    #[cold]
    pub(super) fn exited<O: Observer>(&mut self, host: HostId, how: StopKind, tap: &mut O) {
        let clean = how == StopKind::Shutdown;
        // Whoever asked it to shut down meant to start it again; and once faults are over nobody
        // leaves a broker down that halted.
        let wanted = self.hosts[host.index()].terminating || self.over;
        let reason = if clean { CloseReason::Peer } else { CloseReason::Reset };
        self.end_process(host, Some(reason));
        let machine = &mut self.hosts[host.index()];
        machine.unclean = !clean;
        let (node, held) = (machine.node, machine.stops > 0);
        self.drain_journal(host, tap);
        self.desk.announce(tap, Fact::Stopped { node, how, lost: 0 });
        if wanted && !held {
            self.begin_start(host);
        }
    }

    /// kill -9.
    pub(super) fn kill<O: Observer>(&mut self, host: HostId, tap: &mut O) {
        if self.end_process(host, Some(CloseReason::Reset)) {
            let node = self.node(host);
            self.desk.announce(tap, Fact::Stopped { node, how: StopKind::Crash, lost: 0 });
        }
    }

    /// SIGTERM has arrived: a server begins its controlled shutdown, a client process just ends.
    #[cold]
    pub(super) fn terminate<O: Observer>(&mut self, host: HostId, life: Life, tap: &mut O) {
        let machine = &self.hosts[host.index()];
        if machine.life != life || machine.condition == Condition::Down || machine.terminating {
            return;
        }
        if !self.is_awake(host, Event::Terminate { host, life }) {
            return;
        }
        let machine = &mut self.hosts[host.index()];
        let is_client = matches!(machine.node, NodeId::Process(_));
        if machine.condition == Condition::Running && !is_client {
            machine.terminating = true;
            self.reached(Digest::of(EventKind::Terminate, host), tap);
            self.call(host, Input::Terminate, self.now, tap);
            return;
        }
        let node = machine.node;
        if self.end_process(host, Some(CloseReason::Peer)) {
            self.desk.announce(tap, Fact::Stopped { node, how: StopKind::Shutdown, lost: 0 });
        }
        if self.hosts[host.index()].stops == 0 {
            self.begin_start(host);
        }
    }

    /// The operator sends SIGTERM.
    pub(super) fn send_terminate(&mut self, host: HostId) {
        let life = self.hosts[host.index()].life;
        self.push(self.now, Event::Terminate { host, life });
    }

    /// The machine loses power, and with it what was not synced.
    pub(super) fn lose_power<O: Observer>(&mut self, host: HostId, keep: &Keep, tap: &mut O) {
        self.end_process(host, None);
        self.with_network(|n, bench| n.power_lost(bench, host));
        let machine = &mut self.hosts[host.index()];
        machine.outages += 1;
        let node = machine.node;
        let state = &mut machine.disk;
        let lost = self
            .nodes
            .disk_mut(node)
            .map_or(0, |disk| disk.sim_lose_power(|log, unsynced| state.kept(keep, log, unsynced)));
        self.desk.announce(tap, Fact::Stopped { node, how: StopKind::PowerLoss, lost });
        self.drain_journal(host, tap);
    }

    /// The process is killed and its disk emptied.
    pub(super) fn wipe<O: Observer>(&mut self, host: HostId, tap: &mut O) {
        self.end_process(host, Some(CloseReason::Reset));
        let node = self.node(host);
        let lost = self.nodes.disk_mut(node).map_or(0, Disk::sim_wipe);
        self.desk.announce(tap, Fact::Stopped { node, how: StopKind::Wipe, lost });
        self.drain_journal(host, tap);
    }

    /// The process is gone, and its connections, unless the machine went with it. Whether it ran.
    fn end_process(&mut self, host: HostId, reason: Option<CloseReason>) -> bool {
        let machine = &mut self.hosts[host.index()];
        let ran = machine.condition == Condition::Running;
        if machine.condition == Condition::Down {
            return false;
        }
        if ran {
            self.nodes.stop(machine.node);
        }
        let (lists, commands) = (&mut self.lists, &mut self.commands);
        let unheard = &mut self.unheard;
        machine.forget_process(
            |message| crate::sim::flow::drop_message(lists, message),
            |event| match event {
                Event::Command { slot, .. } => drop(commands.take(slot)),
                Event::Operate { slot } => unheard.push(slot),
                _ => {}
            },
        );
        if let Some(reason) = reason {
            self.with_network(|n, bench| n.process_gone(bench, host, reason));
        }
        ran
    }

    /// A fault that kept a process stopped has ended.
    pub(super) fn release_stop(&mut self, host: HostId) {
        let machine = &mut self.hosts[host.index()];
        machine.stops -= 1;
        if machine.stops == 0 && machine.condition == Condition::Down {
            self.begin_start(host);
        }
    }

    /// A fault that kept a machine without power has ended.
    pub(super) fn release_power(&mut self, host: HostId) {
        let machine = &mut self.hosts[host.index()];
        machine.outages -= 1;
        if machine.outages == 0 {
            self.with_network(|n, bench| n.power_back(bench, host));
        }
    }

    // ---- freezing ----

    /// SIGSTOP. Kernel and network go on.
    pub(super) fn freeze<O: Observer>(&mut self, host: HostId, tap: &mut O) {
        let machine = &mut self.hosts[host.index()];
        machine.freezes += 1;
        let node = machine.node;
        if machine.freezes == 1 {
            self.desk.announce(tap, Fact::Paused { node });
        }
    }

    /// SIGCONT: what waited happens now, in the order in which it came; timers that fell due come
    /// before messages. `epoll_wait` is interrupted, a time-out that has passed ends the poll with
    /// nothing read, and `NetworkClient` then finds its requests expired (recorded:
    /// frozen-follower fetches again after its back-off of 1 s).
    pub(super) fn thaw<O: Observer>(&mut self, host: HostId, tap: &mut O) {
        let machine = &mut self.hosts[host.index()];
        machine.freezes -= 1;
        let node = machine.node;
        if machine.freezes > 0 {
            return;
        }
        let deferred = std::mem::take(&mut machine.deferred);
        self.desk.announce(tap, Fact::Resumed { node });
        let due = |(_, event): &(u64, Event)| matches!(event, Event::Fire { .. });
        let (timers, messages) = deferred.into_iter().partition(due);
        self.happen_now(host, timers);
        self.with_network(|n, bench| n.reads_again(bench, host));
        self.happen_now(host, messages);
    }

    /// The disk answers again: what waited for it happens now.
    pub(super) fn unhang(&mut self, host: HostId) {
        let disk = &mut self.hosts[host.index()].disk;
        disk.hangs -= 1;
        if disk.hangs > 0 {
            return;
        }
        let hung = std::mem::take(&mut disk.hung);
        self.happen_now(host, hung);
        for lane in Lane::ALL {
            let machine = &mut self.hosts[host.index()];
            let life = machine.life;
            if machine.lanes.unblock(lane) {
                self.push(self.now, Event::Wake { host, life, lane });
            }
        }
    }

    fn happen_now(&mut self, host: HostId, events: Vec<(u64, Event)>) {
        for (cause, event) in events {
            let timers = &mut self.hosts[host.index()].timers;
            if let Event::Fire { timer, .. } = event
                && !timers.release(timer, self.now)
            {
                continue;
            }
            self.queue.push(self.now, crate::sim::queue::Class::Ordinary, cause, event);
        }
    }
}
