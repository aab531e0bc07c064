//! What a node asks for, carried out when its handler has returned, in a fixed order: disk
//! observations, claims, flushes, opens, sends, closes, timers, port, exit.
//!
//! Here also end the syncs that were asked for. Does not know why a handler asked, or what waits.

use crate::base::ids::{BrokerId, ConnectionId, ControllerId, LogId, NodeId};
use crate::base::time::{Span, Time};
use crate::kafka::ctx::{Ctx, OPERATOR};
use crate::model::disk::{ChunkPlace, IoError};
use crate::model::fact::{Fact, Observer};
use crate::model::message::{Content, Message};
use crate::sim::event::{Digest, Event, EventKind, HostId};
use crate::sim::network::Sent;
use crate::sim::nodes::{Input, Nodes};
use crate::sim::positions;
use crate::sim::queue::Class;
use crate::sim::world::World;

impl World {
    /// Calls a node and carries out what it asks for; what it sends departs at `at`.
    pub(super) fn call<O: Observer>(&mut self, host: HostId, input: Input, at: Time, tap: &mut O) {
        self.run(host, tap, |nodes, node, ctx| nodes.call(node, input, ctx));
        self.drain(host, at, tap);
    }

    /// Calls a node. What it asks for lies in the effects.
    #[inline]
    pub(super) fn run<O: Observer>(
        &mut self,
        host: HostId,
        tap: &O,
        act: impl FnOnce(&mut Nodes, NodeId, &mut Ctx<'_>),
    ) {
        let (wants_facts, wants_trace) = (self.desk.wants(tap), self.desk.wants_trace(tap));
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
        act(&mut self.nodes, machine.node, &mut ctx);
    }

    /// The incoming message is done with, unless the node has kept its lists.
    pub(super) fn release_lists(&mut self, content: &Content) {
        let kept = std::mem::take(&mut self.effects.kept);
        if !kept {
            content.give_back(&mut self.lists);
        }
    }

    /// Carries out what the handler of this host asked for; what it sends departs at `at`.
    pub(super) fn drain<O: Observer>(&mut self, host: HostId, at: Time, tap: &mut O) {
        if let Some(disk) = self.nodes.observant(self.hosts[host.index()].node) {
            let desk = &mut self.desk;
            disk.sim_drain_journal(|fact| desk.observe(tap, fact));
            self.bodies.count(disk.sim_body_counts());
        }
        for fact in &self.effects.notes {
            self.desk.note(tap, fact);
        }
        self.effects.notes.clear();
        if !self.effects.flushes.is_empty() {
            self.drain_syncs(host);
        }
        if !self.effects.opens.is_empty() {
            self.drain_opens(host, at);
        }
        if !self.effects.sends.is_empty() {
            self.drain_sends(host, at, tap);
        }
        if !self.effects.closes.is_empty() {
            self.drain_closes(host, at, tap);
        }
        if !self.effects.timers.is_empty() {
            self.drain_timers(host);
        }
        if std::mem::take(&mut self.effects.listens) {
            self.hosts[host.index()].listens = true;
        }
        if let Some(how) = self.effects.exit.take() {
            self.exited(host, how, tap);
        }
    }

    #[cold]
    fn drain_opens(&mut self, host: HostId, at: Time) {
        for place in 0..self.effects.opens.len() {
            let (connection, to, timeout) = self.effects.opens[place];
            let to = self.host_of(to).expect("a node opens connections to nodes that exist");
            self.with_network(|n, bench| n.open(bench, connection, (host, to), at, timeout));
        }
        self.effects.opens.clear();
    }

    #[cold]
    fn drain_closes<O: Observer>(&mut self, host: HostId, at: Time, tap: &mut O) {
        for place in 0..self.effects.closes.len() {
            let connection = self.effects.closes[place];
            let closed = self.with_network(|n, bench| n.close(bench, connection, host, at));
            if closed && self.desk.wants_trace(tap) {
                let node = self.node(host);
                self.desk.note_trace(tap, Fact::Closed { connection, node });
            }
        }
        self.effects.closes.clear();
    }

    /// Passes on what a node's disk has observed, outside of a handler.
    #[cold]
    pub(super) fn drain_journal<O: Observer>(&mut self, host: HostId, tap: &mut O) {
        let node = self.hosts[host.index()].node;
        let Some(disk) = self.nodes.disk_mut(node) else { return };
        let desk = &mut self.desk;
        disk.sim_drain_journal(|fact| desk.observe(tap, fact));
        self.bodies.count(disk.sim_body_counts());
    }

    #[cold]
    fn drain_syncs(&mut self, host: HostId) {
        let machine = &mut self.hosts[host.index()];
        let (life, seq) = (machine.life, self.desk.stamp.seq);
        for (log, up_to) in self.effects.flushes.drain(..) {
            let disk = self.nodes.disk_mut(machine.node).expect("what flushes has a disk");
            let position = disk.sim_position(log);
            let done = machine.disk.sync(log, self.now);
            let event = Event::Flushed { host, life, log, up_to, position };
            self.queue.push(done, Class::Ordinary, seq, event);
        }
    }

    fn drain_sends<O: Observer>(&mut self, host: HostId, at: Time, tap: &mut O) {
        for place in 0..self.effects.sends.len() {
            let (connection, message) = self.effects.sends[place];
            self.send(host, connection, message, at, tap);
        }
        self.effects.sends.clear();
    }

    fn send<O: Observer>(
        &mut self,
        host: HostId,
        connection: ConnectionId,
        message: Message,
        at: Time,
        tap: &mut O,
    ) {
        if connection == OPERATOR {
            self.operation_answered(&message, tap);
            self.drop_message(message);
            return;
        }
        let sent = self.with_network(|n, bench| n.send(bench, connection, host, message, at));
        if positions::may_tell(&message.content)
            && let Sent::OnItsWay { to } | Sent::Held { to } = sent
            && self.desk.wants(tap)
        {
            self.note_answered((host, to), &message.content, tap);
        }
        if !self.desk.wants_trace(tap) {
            return;
        }
        let (from, name) = (self.node(host), message.content.name());
        match sent {
            Sent::OnItsWay { to } => {
                self.desk
                    .note_trace(tap, Fact::Sent { from, to: self.hosts[to.index()].node, name });
            }
            Sent::Held { to } => {
                self.desk
                    .note_trace(tap, Fact::Held { from, to: self.hosts[to.index()].node, name });
            }
            Sent::Dropped => {}
        }
    }

    fn drain_timers(&mut self, host: HostId) {
        let machine = &mut self.hosts[host.index()];
        let life = machine.life;
        for (timer, after) in &self.effects.timers {
            let Some(after) = *after else {
                machine.timers.cancel(*timer);
                continue;
            };
            let deadline = machine.clock.due(self.now, after);
            if machine.timers.set(*timer, deadline) {
                let event = Event::Fire { host, life, timer: *timer };
                self.queue.push(deadline, Class::Ordinary, self.desk.stamp.seq, event);
            }
        }
        self.effects.timers.clear();
    }

    // ---- syncs ----

    /// A sync of a log is done, unless its disk hangs.
    pub(super) fn flushed<O: Observer>(&mut self, event: Event, tap: &mut O) {
        let Event::Flushed { host, log, up_to, position, .. } = event else {
            unreachable!("called with flushes only")
        };
        if self.is_hung(host, event) || !self.is_awake(host, event) {
            return;
        }
        let node = self.node(host);
        let disk = self.nodes.disk_mut(node).expect("what flushes has a disk");
        let failed = disk.dir_of(log).is_none_or(|dir| disk.failed_dirs() >> dir & 1 == 1);
        let input = if failed {
            Input::FlushFailed(log, IoError::Failed)
        } else {
            disk.sim_sync_to(log, position);
            Input::Flushed(log, up_to)
        };
        if let (LogId::Metadata, NodeId::Controller(controller)) = (log, node) {
            self.fold_committed(controller, tap);
        }
        let word = log.partition().map_or(u64::MAX, |partition| u64::from(partition.0));
        let digest = Digest::of(EventKind::Flushed, host).word(word).word(up_to.0);
        self.reached(digest.word(u64::from(failed)), tap);
        self.call(host, input, self.now, tap);
    }

    /// What is durable on the controller's disk is agreed on.
    #[cold]
    pub(super) fn fold_committed<O: Observer>(&mut self, controller: ControllerId, tap: &mut O) {
        let disk = self.nodes.controller_disk(controller);
        let Ok(log) = disk.log(LogId::Metadata) else { return };
        let (to, desk) = (disk.sim_durable_end(LogId::Metadata), &mut self.desk);
        self.committed.fold(log, to, &self.bodies, |fact| desk.announce(tap, fact));
    }

    /// The kernel writes back what is old enough, of page caches of live machines.
    #[cold]
    pub(super) fn write_back<O: Observer>(&mut self, host: HostId, tap: &mut O) {
        self.push(self.now + self.writeback_period(), Event::Writeback { host });
        let machine = &self.hosts[host.index()];
        if machine.outages > 0 || machine.disk.hangs > 0 {
            return;
        }
        let node = machine.node;
        if let Some(disk) = self.nodes.disk_mut(node) {
            disk.sim_writeback();
            self.bodies.count(disk.sim_body_counts());
        }
        if let NodeId::Broker(broker) = node {
            self.share_chunks(broker);
        }
        tap.event(self.now, Digest::of(EventKind::Writeback, host).value());
    }

    /// Equal batches of replicas become one in memory. Nothing that happens depends on it; it is
    /// done with the writeback because that comes seldom.
    fn share_chunks(&mut self, broker: BrokerId) {
        let mut from = ChunkPlace::default();
        while let Some((at, log, batches)) = self.nodes.broker_disk(broker).sim_unshared(from) {
            let image = match log {
                LogId::Partition(partition) => self.committed.image().partition(partition),
                LogId::Metadata => None,
            };
            let others = image.into_iter().flat_map(|image| image.replicas.iter());
            let mut others = others.filter(|other| **other != broker);
            let known =
                others.find_map(|other| self.nodes.broker_disk(*other).sim_known(log, &batches));
            let disk = self.nodes.disk_mut(NodeId::Broker(broker)).expect("a broker has a disk");
            disk.sim_share(at, known.as_ref());
            from = at;
        }
    }

    /// Twice in the age at which unsynced bytes are written back: a tick syncs what was unsynced at
    /// the tick before.
    pub(super) fn writeback_period(&self) -> Span {
        Span(self.plan.writeback.0 / 2).max(Span::millis(1))
    }

    /// Whether a host's disk does not answer; then the event waits for it.
    pub(super) fn is_hung(&mut self, host: HostId, event: Event) -> bool {
        let disk = &mut self.hosts[host.index()].disk;
        let hung = disk.hangs > 0;
        if hung {
            disk.hung.push((self.desk.stamp.cause, event));
        }
        hung
    }
}
