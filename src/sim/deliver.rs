//! What reaches a node: messages through lanes, connections that open and close, timers, and the
//! operator's wishes.
//!
//! A frozen node gets nothing; what comes for it waits. Every event that reaches a handler is
//! hashed here. Does not know what handlers do.

use crate::base::ids::{ConnectionId, NodeId};
use crate::base::time::{Span, Time};
use crate::kafka::ctx::{CloseReason, OPERATOR};
use crate::kafka::start::Command;
use crate::kafka::timers::{BrokerTimer, Timer};
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, Observer};
use crate::model::message::{Appends, Content, Lane, Message};
use crate::sim::director::ClusterView;
use crate::sim::event::{ConnRef, Digest, End, Event, EventKind, HostId, Life};
use crate::sim::flow::NetworkCtx;
use crate::sim::host::Condition;
use crate::sim::lanes::{self, Queued};
use crate::sim::network::Arrival;
use crate::sim::nodes::Input;
use crate::sim::positions;
use crate::sim::queue::Class;
use crate::sim::timers::Due;
use crate::sim::world::{World, host_of, id_of};

impl World {
    // ---- messages ----

    pub(super) fn arrive<O: Observer>(&mut self, host: HostId, slot: u32, end: u8, tap: &mut O) {
        let at = 1 - end;
        match self.with_network(|n, bench| n.arrive(bench, slot, end)) {
            Arrival::Nothing => {}
            Arrival::Opened { conn } => {
                let peer = self.node(self.network.peer(conn, at));
                if self.desk.wants_trace(tap) {
                    let from = self.node(host);
                    let opened = Fact::Opened { connection: id_of(conn), from, to: peer };
                    self.desk.note_trace(tap, opened);
                }
                self.reached(Digest::of(EventKind::Opened, host).word(0), tap);
                self.call(host, Input::Opened(id_of(conn), peer), self.now, tap);
            }
            Arrival::Message { conn } => self.receive(host, (conn, at), tap),
            Arrival::Closed { conn, reason } => self.tell_closed(host, conn, reason, tap),
        }
    }

    /// A message has arrived: it is handled now if its lane is idle.
    fn receive<O: Observer>(&mut self, host: HostId, (conn, end): (ConnRef, End), tap: &mut O) {
        let message = &self.network.arrived;
        let lane = message.content.lane();
        let machine = &mut self.hosts[host.index()];
        if machine.lanes.is_idle(lane, self.now) {
            let message = *message;
            self.serve(host, lane, (conn, end), &message, tap);
            return;
        }
        let waiting = Queued { conn, end, message: *message };
        self.network.queued(conn, end);
        if let Some(at) = machine.lanes.queue(lane, waiting) {
            let life = machine.life;
            self.push(at, Event::Wake { host, life, lane });
        }
    }

    pub(super) fn wake<O: Observer>(&mut self, host: HostId, lane: Lane, tap: &mut O) {
        let Some(waiting) = self.hosts[host.index()].lanes.wake(lane) else { return };
        if !self.network.unqueued(waiting.conn, waiting.end) {
            self.drop_message(waiting.message);
            self.lane_served(host, lane, self.now);
            return;
        }
        let life = self.hosts[host.index()].life;
        self.serve(host, lane, (waiting.conn, waiting.end), &waiting.message, tap);
        let told = self.with_network(|n, bench| n.close_told(bench, waiting.conn, waiting.end));
        if let Some(reason) = told
            && self.hosts[host.index()].lives(life)
        {
            self.tell_closed(host, waiting.conn, reason, tap);
        }
    }

    pub(super) fn serve<O: Observer>(
        &mut self,
        host: HostId,
        lane: Lane,
        (conn, end): (ConnRef, End),
        message: &Message,
        tap: &mut O,
    ) {
        let machine = &mut self.hosts[host.index()];
        if machine.disk.hangs > 0 && lanes::touches_disk(&message.content, &self.lists) {
            self.network.queued(conn, end);
            machine.lanes.block(lane, Queued { conn, end, message: *message });
            return;
        }
        let connection = id_of(conn);
        let from = self.network.peer(conn, end);
        self.note_delivery(host, from, connection, message, tap);
        let mut digest = Digest::of(EventKind::Message, host);
        if tap.wants_digests() {
            let from = u64::from(from.0) << 32 | u64::from(message.correlation);
            digest = digest.word(from).content(&message.content, &self.lists);
        }
        self.reached(digest, tap);
        let (cost, life) = self.service_time(host, &message.content);
        self.run(host, tap, |nodes, node, ctx| nodes.message(node, connection, message, ctx));
        self.release_lists(&message.content);
        let until = self.now + cost + self.answer_time(host);
        self.drain(host, until, tap);
        if self.hosts[host.index()].lives(life) {
            self.lane_served(host, lane, until);
        }
    }

    fn lane_served(&mut self, host: HostId, lane: Lane, until: Time) {
        let machine = &mut self.hosts[host.index()];
        let life = machine.life;
        if machine.lanes.served(lane, until) {
            self.push(until, Event::Wake { host, life, lane });
        }
    }

    /// What handling a message costs this node, and in which of its lives. Client processes have no
    /// lanes of their own.
    fn service_time(&mut self, host: HostId, content: &Content) -> (Span, Life) {
        let machine = &mut self.hosts[host.index()];
        let life = machine.life;
        if matches!(machine.node, NodeId::Process(_)) {
            return (machine.slow, life);
        }
        let mut cost = lanes::cost(&self.plan.hardware, content, &self.lists);
        if machine.slow > Span::ZERO && content.is_request() {
            cost = cost + machine.slow;
        }
        // The first append of a restarted broker costs more.
        if machine.cold
            && matches!((machine.node, content), (NodeId::Broker(_), Content::FetchResponse(_)))
            && lanes::touches_disk(content, &self.lists)
        {
            machine.cold = false;
            cost = cost + self.plan.hardware.first_append;
        }
        (cost, life)
    }

    /// What the records cost that the handler answers with.
    fn answer_time(&self, host: HostId) -> Span {
        let sends_nothing = self.effects.sends.is_empty();
        if sends_nothing || matches!(self.hosts[host.index()].node, NodeId::Process(_)) {
            return Span::ZERO;
        }
        let records = |(_, message): &(ConnectionId, Message)| match message.content.appends() {
            Appends::Records => message.content.wire_bytes(&self.lists),
            Appends::Nothing => 0,
        };
        let bytes = self.effects.sends.iter().map(records).sum();
        lanes::records_cost(&self.plan.hardware, bytes)
    }

    fn note_delivery<O: Observer>(
        &mut self,
        host: HostId,
        from: HostId,
        connection: ConnectionId,
        message: &Message,
        tap: &mut O,
    ) {
        if self.desk.wants_trace(tap) {
            let (from, to) = (self.node(from), self.node(host));
            let name = message.content.name();
            self.desk.note_trace(tap, Fact::Delivered { from, to, name });
        }
        if !positions::may_tell(&message.content) || !self.desk.wants(tap) {
            return;
        }
        let (NodeId::Broker(broker), to) = (self.node(from), self.node(host)) else { return };
        let Content::FetchResponse(response) = message.content else {
            return self.note_told((NodeId::Broker(broker), to), &message.content, tap);
        };
        for found in self.lists.get(response.partitions) {
            if found.error == ErrorCode::None {
                let exposed = Fact::WatermarkExposed {
                    broker,
                    partition: found.partition,
                    leader_epoch: found.leader_epoch,
                    to,
                    connection,
                    offset: found.high_watermark,
                };
                self.desk.note(tap, &exposed);
            }
        }
    }

    // ---- connections ----

    #[cold]
    pub(super) fn syn_arrive<O: Observer>(&mut self, conn: ConnRef, tap: &mut O) {
        let hosts = &self.hosts;
        let listens = |host: HostId| hosts[host.index()].listens;
        let seq = self.desk.stamp.seq;
        let mut bench =
            NetworkCtx { now: self.now, seq, queue: &mut self.queue, lists: &mut self.lists };
        if self.network.syn_arrive(&mut bench, conn, listens) {
            self.accepted(conn, tap);
        }
    }

    #[cold]
    pub(super) fn accepted<O: Observer>(&mut self, conn: ConnRef, tap: &mut O) {
        // A frozen process may have been killed between its kernel's accept and its own.
        let Some(host) = self.network.acceptor(conn) else { return };
        if !self.is_awake(host, Event::Accepted { conn }) {
            return;
        }
        let peer = self.node(self.network.peer(conn, 1));
        self.reached(Digest::of(EventKind::Opened, host).word(1), tap);
        self.call(host, Input::Opened(id_of(conn), peer), self.now, tap);
    }

    #[cold]
    pub(super) fn tell_closed<O: Observer>(
        &mut self,
        host: HostId,
        conn: ConnRef,
        reason: CloseReason,
        tap: &mut O,
    ) {
        let connection = id_of(conn);
        if self.desk.wants_trace(tap) {
            let node = self.node(host);
            self.desk.note_trace(tap, Fact::Closed { connection, node });
        }
        self.reached(Digest::of(EventKind::Closed, host).word(reason as u64), tap);
        self.call(host, Input::Closed(connection, reason), self.now, tap);
    }

    // ---- timers ----

    pub(super) fn fire<O: Observer>(&mut self, host: HostId, life: u32, timer: Timer, tap: &mut O) {
        let machine = &mut self.hosts[host.index()];
        if !machine.lives(life) {
            return;
        }
        let event = Event::Fire { host, life, timer };
        match machine.timers.popped(timer, self.now) {
            Due::Never => {}
            Due::Later(at) => self.queue.push(at, Class::Ordinary, self.desk.stamp.cause, event),
            Due::Now if machine.freezes > 0 => {
                machine.timers.hold(timer, self.now);
                machine.deferred.push((self.desk.stamp.cause, event));
            }
            Due::Now if machine.disk.hangs > 0 && writes(timer) => {
                machine.timers.hold(timer, self.now);
                machine.disk.hung.push((self.desk.stamp.cause, event));
            }
            Due::Now => {
                let (row, index) = timer.slot();
                let word = (row as u64) << 16 | u64::from(index);
                self.reached(Digest::of(EventKind::Timer, host).word(word), tap);
                self.run(host, tap, |nodes, node, ctx| nodes.timer(node, timer, ctx));
                self.drain(host, self.now, tap);
            }
        }
    }

    // ---- the operator ----

    #[cold]
    pub(super) fn command<O: Observer>(&mut self, host: HostId, slot: u32, tap: &mut O) {
        if !self.is_awake(host, Event::Command { host, slot }) {
            return;
        }
        let command = self.commands.take(slot);
        let machine = &mut self.hosts[host.index()];
        match command {
            Command::Start => machine.begins = true,
            Command::Stop => machine.begins = false,
            Command::Send { .. } | Command::Seek { .. } => {}
        }
        let digest = Digest::of(EventKind::Command, host).text(&format!("{command:?}"));
        if machine.condition == Condition::Running {
            self.reached(digest, tap);
            self.call(host, Input::Command(command), self.now, tap);
        } else if let (Command::Stop, NodeId::Process(process)) = (command, machine.node) {
            // A process that is down sends nothing any more: it has stopped.
            self.desk.note(tap, &Fact::ClientStopped { process });
        }
    }

    #[cold]
    pub(super) fn operate<O: Observer>(&mut self, slot: u32, tap: &mut O) {
        let Some(controller) = self.active_controller() else {
            self.unheard.push(slot);
            return;
        };
        let host = HostId(self.plan.brokers.len() as u16 + controller.0 - 1);
        if !self.is_awake(host, Event::Operate { slot }) {
            return;
        }
        let message = self.operations.take(slot);
        let digest = Digest::of(EventKind::Operate, host);
        self.reached(digest.content(&message.content, &self.lists), tap);
        self.run(host, tap, |nodes, node, ctx| nodes.message(node, OPERATOR, &message, ctx));
        self.release_lists(&message.content);
        self.drain(host, self.now, tap);
    }

    #[cold]
    pub(super) fn direct(&mut self, token: u32) {
        let active_controller = self.active_controller();
        let (plan, hosts) = (&self.plan, &self.hosts);
        let running = |node| {
            host_of(plan, node)
                .is_some_and(|host| hosts[host.index()].condition == Condition::Running)
        };
        let committed = self.committed.image();
        let view = ClusterView { now: self.now, committed, running: &running, active_controller };
        self.desk.director.on_due(token, &view, &mut self.desk.orders);
    }
}

/// Whether the handler of a broker's timer writes to its disk.
const fn writes(timer: Timer) -> bool {
    let Timer::Broker(timer) = timer else { return false };
    match timer {
        BrokerTimer::WatermarkCheckpoint
        | BrokerTimer::RecoveryCheckpoint
        | BrokerTimer::Retention
        | BrokerTimer::FlushInterval(_) => true,
        BrokerTimer::Heartbeat
        | BrokerTimer::RequestTimeout(_)
        | BrokerTimer::Reconnect(_)
        | BrokerTimer::IsrCheck
        | BrokerTimer::ProducerExpiry
        | BrokerTimer::ProduceExpiry
        | BrokerTimer::FetchExpiry
        | BrokerTimer::FetchBackoff(_)
        | BrokerTimer::AlterPartition
        | BrokerTimer::ProducerIds
        | BrokerTimer::FirstPublication
        | BrokerTimer::Assignments
        | BrokerTimer::LogDirFailure(_)
        | BrokerTimer::ShutdownDeadline
        | BrokerTimer::Registration => false,
    }
}
