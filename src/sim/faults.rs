//! How a fault is carried out, and how it ends.
//!
//! The one place that matches on [`Action`]. Targets are nodes by now; the director has resolved
//! them. What a fault does is undone from what it says, so that overlapping faults end one by one.
//! Does not decide whether or when.

use crate::base::ids::{LogId, NodeId};
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, Observer, Stamp};
use crate::model::fault::{Action, Direction, Fault, RestartHow, Target};
use crate::model::message::{
    Content, CreatePartitionsRequest, ElectLeadersRequest, ElectionType,
    IncrementalAlterConfigsRequest, Message,
};
use crate::sim::desk::Desk;
use crate::sim::event::{Digest, EventKind, HostId, Life};
use crate::sim::host::Condition;
use crate::sim::links::Impair;
use crate::sim::world::World;

/// A fault that lasts.
#[derive(Clone, Debug)]
pub(super) struct ActiveFault {
    fault: Fault,
    /// Which processes it struck, by place in its nodes: a frozen process may be killed, and then
    /// the next one is not frozen.
    lives: Vec<Option<Life>>,
}

impl World {
    /// A fault begins.
    #[cold]
    pub(super) fn inject<O: Observer>(&mut self, slot: u32, tap: &mut O) {
        let fault = self.faults.take(slot);
        if self.over {
            return;
        }
        tap.event(self.now, fault_digest(EventKind::Inject, &fault));
        let kind = fault.action.kind();
        for node in noted_nodes(&fault) {
            self.desk.announce(tap, Fact::Injected { id: fault.id, kind, node });
        }
        let mut lives = Vec::new();
        match &fault.action {
            Action::Partition { .. }
            | Action::NetworkDelay { .. }
            | Action::NetworkLoss { .. }
            | Action::NetworkBandwidth { .. } => self.impair(&fault),
            Action::ConnectionReset => {
                let hosts = self.hosts_of(&fault.nodes);
                let concerns =
                    |from, to| hosts.is_empty() || hosts.contains(&from) || hosts.contains(&to);
                self.with_network(|n, bench| n.reset(bench, concerns));
            }
            Action::SetConfig { topic, key, value } => {
                let (topic, key, value) = (Some(*topic), *key, Some(*value));
                let request = IncrementalAlterConfigsRequest { topic, key, value };
                self.ask_controller(fault.id, request.into());
            }
            Action::CreatePartitions { topic, to } => {
                let request = CreatePartitionsRequest { topic: *topic, count: *to };
                self.ask_controller(fault.id, request.into());
            }
            Action::ElectUnclean { partition } => {
                let election = ElectionType::Unclean(*partition);
                self.ask_controller(fault.id, ElectLeadersRequest { election }.into());
            }
            Action::ElectPreferred => {
                let election = ElectionType::Preferred;
                self.ask_controller(fault.id, ElectLeadersRequest { election }.into());
            }
            Action::RollingRestart => unreachable!("the director makes restarts of it"),
            _ => {
                for host in self.hosts_of(&fault.nodes) {
                    lives.push(self.begin_on_host(host, &fault, tap));
                }
            }
        }
        if kind.has_length() {
            self.active.push(ActiveFault { fault, lives });
        }
    }

    /// The controller has answered what an operator asked.
    #[cold]
    pub(super) fn operation_answered<O: Observer>(&mut self, message: &Message, tap: &mut O) {
        let Desk { director, orders, .. } = &mut self.desk;
        let asked = director.on_answer(self.now, message.correlation, orders);
        let error = self.refusal(&message.content);
        if let (Some(kind), Some(error)) = (asked, error) {
            self.desk.announce(tap, Fact::OperationRefused { kind, error });
        }
    }

    /// Why nothing came of an operation, by its answer. Elections that nobody needs are not named.
    fn refusal(&self, answer: &Content) -> Option<ErrorCode> {
        let error = if let Content::ElectLeadersResponse(response) = answer {
            let errors = || self.lists.get(response.partitions).iter().map(|result| result.error);
            let first = errors().next().unwrap_or(ErrorCode::ElectionNotNeeded);
            errors().find(|error| error.is_none()).unwrap_or(first)
        } else if let Content::IncrementalAlterConfigsResponse(response) = answer {
            response.error
        } else if let Content::CreatePartitionsResponse(response) = answer {
            response.error
        } else {
            ErrorCode::None
        };
        (!error.is_none()).then_some(error)
    }

    /// A fault strikes one host. Which process it froze, if it did.
    fn begin_on_host<O: Observer>(
        &mut self,
        host: HostId,
        fault: &Fault,
        tap: &mut O,
    ) -> Option<Life> {
        let machine = &mut self.hosts[host.index()];
        match &fault.action {
            Action::Crash => {
                machine.stops += 1;
                self.kill(host, tap);
            }
            Action::PowerLoss { keep } => {
                machine.stops += 1;
                self.lose_power(host, keep, tap);
            }
            Action::Shutdown => {
                machine.stops += 1;
                self.send_terminate(host);
            }
            Action::Wipe => {
                machine.stops += 1;
                self.wipe(host, tap);
            }
            Action::Pause => {
                let life = machine.life;
                if machine.condition != Condition::Down {
                    self.freeze(host, tap);
                    return Some(life);
                }
            }
            Action::Restart { how } => self.restart(host, *how, tap),
            Action::DiskSlow { latency } => machine.disk.slow_down(fault.id, *latency),
            Action::DiskHang => machine.disk.hangs += 1,
            Action::DiskFull => {
                machine.disk.fills += 1;
                self.set_full(host, true);
            }
            Action::DiskError { dir } => self.break_dir(host, *dir, tap),
            Action::CorruptLog { partition } => {
                let node = machine.node;
                if let (NodeId::Broker(_), Some(disk)) = (node, self.nodes.disk_mut(node)) {
                    disk.sim_corrupt(LogId::Partition(*partition));
                }
            }
            Action::ClockSkew { offset, back } => machine.clock.skew(signed(offset.0, *back)),
            Action::SlowProcessing { time } => machine.slow = machine.slow + *time,
            _ => unreachable!("not a fault of one host"),
        }
        None
    }

    /// A fault ends, if it has not ended before.
    #[cold]
    pub(super) fn heal<O: Observer>(&mut self, id: u32, tap: &mut O) {
        let Some(place) = self.active.iter().position(|active| active.fault.id == id) else {
            return;
        };
        let ActiveFault { fault, lives } = self.active.remove(place);
        tap.event(self.now, fault_digest(EventKind::Heal, &fault));
        let kind = fault.action.kind();
        for node in noted_nodes(&fault) {
            self.desk.announce(tap, Fact::Healed { id, kind, node });
        }
        match &fault.action {
            Action::Partition { .. }
            | Action::NetworkDelay { .. }
            | Action::NetworkLoss { .. }
            | Action::NetworkBandwidth { .. } => self.repair(&fault),
            _ => {
                for (place, host) in self.hosts_of(&fault.nodes).into_iter().enumerate() {
                    self.recover(host, &fault, lives[place], tap);
                }
            }
        }
    }

    /// A fault ends for one host.
    fn recover<O: Observer>(
        &mut self,
        host: HostId,
        fault: &Fault,
        froze: Option<Life>,
        tap: &mut O,
    ) {
        let machine = &mut self.hosts[host.index()];
        match &fault.action {
            Action::Crash | Action::Shutdown | Action::Wipe => self.release_stop(host),
            Action::PowerLoss { .. } => {
                self.release_power(host);
                self.release_stop(host);
            }
            Action::Pause if froze == Some(machine.life) => self.thaw(host, tap),
            Action::Pause => {}
            Action::DiskSlow { .. } => machine.disk.speed_up(fault.id),
            Action::DiskHang => self.unhang(host),
            Action::DiskFull => {
                machine.disk.fills -= 1;
                let full = machine.disk.fills > 0;
                self.set_full(host, full);
            }
            Action::ClockSkew { offset, back } => machine.clock.skew(signed(offset.0, !*back)),
            Action::SlowProcessing { time } => machine.slow.0 -= time.0,
            _ => unreachable!("not a fault of one host that lasts"),
        }
    }

    /// The fault phase is over: every fault ends, every stopped node starts, and a broker with a
    /// directory that broke or was full is restarted, as Kafka needs it. No fault begins from now
    /// on. Happens at [`World::now`]; see [`World::advance`].
    pub fn heal_all<O: Observer>(&mut self, tap: &mut O) {
        self.over = true;
        self.desk.stamp = Stamp { time: self.now, seq: self.queue.take_seq(), cause: 0 };
        self.desk.curious = self.desk.director.wants_all_facts();
        tap.event(self.now, Digest::of(EventKind::HealAll, HostId(0)).value());
        while let Some(first) = self.active.first() {
            self.heal(first.fault.id, tap);
        }
        for place in 0..self.hosts.len() {
            let host = HostId(place as u16);
            let machine = &self.hosts[place];
            let broken = self.nodes.disk_mut(machine.node).is_some_and(|d| d.sim_needs_restart());
            match machine.condition {
                Condition::Down => self.begin_start(host),
                Condition::Running if broken => self.send_terminate(host),
                Condition::Starting | Condition::Running => {}
            }
        }
        self.desk.announce(tap, Fact::AllHealed);
        self.finish_event(tap);
    }

    fn restart<O: Observer>(&mut self, host: HostId, how: RestartHow, tap: &mut O) {
        if how == RestartHow::Crash {
            self.kill(host, tap);
        }
        let machine = &self.hosts[host.index()];
        match machine.condition {
            Condition::Down if machine.stops == 0 => self.begin_start(host),
            Condition::Running | Condition::Starting if how == RestartHow::Shutdown => {
                self.send_terminate(host);
            }
            _ => {}
        }
    }

    fn set_full(&mut self, host: HostId, full: bool) {
        let node = self.node(host);
        if let Some(disk) = self.nodes.disk_mut(node) {
            disk.sim_set_full(full);
        }
    }

    fn break_dir<O: Observer>(&mut self, host: HostId, dir: u16, tap: &mut O) {
        let node = self.node(host);
        if let (NodeId::Broker(broker), Some(disk)) = (node, self.nodes.disk_mut(node)) {
            let dir = dir % disk.dirs();
            disk.sim_fail_dir(dir);
            self.desk.announce(tap, Fact::DiskFailed { broker, dir });
        }
    }

    // ---- links ----

    fn impair(&mut self, fault: &Fault) {
        let (links, how) = self.impaired(fault);
        for (from, to) in links {
            self.network.links.impair(from, to, how);
        }
    }

    fn repair(&mut self, fault: &Fault) {
        let (links, how) = self.impaired(fault);
        for (from, to) in links {
            self.network.links.repair(from, to, how);
        }
        self.with_network(|n, bench| n.retry_held(bench));
    }

    /// Which links a network fault impairs, and how.
    fn impaired(&self, fault: &Fault) -> (Vec<(HostId, HostId)>, Impair) {
        let touched = || self.links_of(&self.hosts_of(&fault.nodes));
        match &fault.action {
            Action::Partition { groups, direction } => {
                (self.links_between(groups, *direction), Impair::Cut)
            }
            Action::NetworkDelay { latency, jitter } => {
                (touched(), Impair::Delay(*latency, *jitter))
            }
            Action::NetworkLoss { percent } => (touched(), Impair::Loss(*percent)),
            Action::NetworkBandwidth { bytes_per_second } => {
                (touched(), Impair::Rate(*bytes_per_second))
            }
            _ => unreachable!("not a fault of the network"),
        }
    }

    /// Every link from or to one of these hosts; every link if there are none.
    fn links_of(&self, hosts: &[HostId]) -> Vec<(HostId, HostId)> {
        let all = || (0..self.hosts.len() as u16).map(HostId);
        let meant = |a: HostId, b: HostId| {
            a != b && (hosts.is_empty() || hosts.contains(&a) || hosts.contains(&b))
        };
        all().flat_map(|a| all().filter(move |b| meant(a, *b)).map(move |b| (a, b))).collect()
    }

    fn links_between(&self, groups: &[Vec<Target>], direction: Direction) -> Vec<(HostId, HostId)> {
        let groups: Vec<Vec<HostId>> = groups.iter().map(|group| self.members(group)).collect();
        let mut links = Vec::new();
        for (a, from) in groups.iter().enumerate() {
            for (b, to) in groups.iter().enumerate() {
                let cut = match direction {
                    Direction::Both => a != b,
                    Direction::To => a == 0 && b != 0,
                    Direction::From => a != 0 && b == 0,
                };
                let pairs = from.iter().flat_map(|f| to.iter().map(move |t| (*f, *t)));
                links.extend(pairs.filter(|(f, t)| cut && f != t));
            }
        }
        links.sort_unstable();
        links.dedup();
        links
    }

    /// The hosts of a group; the director has left nodes only.
    fn members(&self, group: &[Target]) -> Vec<HostId> {
        let nodes = group.iter().flat_map(|target| match target {
            Target::Node(node) => std::slice::from_ref(node),
            Target::Nodes(nodes) => nodes.as_slice(),
            _ => unreachable!("groups of an injected cut hold nodes only"),
        });
        nodes.filter_map(|node| self.host_of(*node)).collect()
    }

    fn hosts_of(&self, nodes: &[NodeId]) -> Vec<HostId> {
        nodes.iter().filter_map(|node| self.host_of(*node)).collect()
    }
}

const fn signed(nanos: u64, back: bool) -> i128 {
    if back { -(nanos as i128) } else { nanos as i128 }
}

/// A fault is noted once for each node that it strikes, or once for none.
fn noted_nodes(fault: &Fault) -> Vec<Option<NodeId>> {
    if fault.nodes.is_empty() {
        return vec![None];
    }
    fault.nodes.iter().copied().map(Some).collect()
}

/// What is done to whom: the same for a triggered fault and for its line with a fixed time.
fn fault_digest(kind: EventKind, fault: &Fault) -> u64 {
    let text = format!("{:?} {:?}", fault.action, fault.nodes);
    Digest::of(kind, HostId(0)).text(&text).value()
}
