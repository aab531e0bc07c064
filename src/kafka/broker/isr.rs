//! The in-sync replicas of a partition that this broker leads, and asking the controller to
//! change them.
//!
//! Follows the ISR half of `Partition.scala` and `AlterPartitionManager.scala`. A proposal is not
//! believed before the controller confirms it: the high watermark waits for the larger of both
//! sets.

use crate::base::ids::{
    BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionEpoch, PartitionId, ReplicaSet,
};
use crate::base::time::Span;
use crate::kafka::broker::Broker;
use crate::kafka::broker::channel::ALTER_PARTITION;
use crate::kafka::broker::partition::{Host, Partition};
use crate::kafka::broker::replica_state::SeenEpoch;
use crate::kafka::ctx::Ctx;
use crate::kafka::image::Image;
use crate::kafka::rulings::{self, FollowerRegistration, RefusedIsr};
use crate::kafka::timers::BrokerTimer;
use crate::model::error::ErrorCode;
use crate::model::fact::Fact;
use crate::model::message::{
    AlterPartitionItem, AlterPartitionRequest, AlterPartitionResponse, AlterPartitionResult,
    BrokerState, Sublist,
};
use crate::model::metadata::PartitionState;
use crate::model::rules::Rules;

/// `AlterPartitionManager`: a refused request is sent again after this.
const RETRY: Span = Span::millis(50);

/// An ISR that was proposed, with the state it was derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) isr: ReplicaSet,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) partition_epoch: PartitionEpoch,
}

/// A leader's ISR: committed, pending expansion or pending shrink (`PartitionState` of
/// `Partition.scala`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IsrState {
    pub(super) committed: ReplicaSet,
    pub(super) pending: Option<Proposal>,
}

impl IsrState {
    pub(super) const fn committed(isr: ReplicaSet) -> Self {
        Self { committed: isr, pending: None }
    }

    /// With the proposed members, without regard to proposed departures.
    pub(super) fn maximal(&self) -> ReplicaSet {
        self.pending.map_or(self.committed, |pending| pending.isr.union(self.committed))
    }
}

/// Whether a follower may be in the ISR as far as its registration goes.
pub(super) fn is_eligible(broker: BrokerId, seen: SeenEpoch, image: &Image, rules: &Rules) -> bool {
    let registration = image.broker(broker);
    let epoch_agrees = match seen {
        SeenEpoch::Never => false,
        SeenEpoch::Unregistered => true,
        SeenEpoch::Registered(epoch) => registration.is_some_and(|r| r.epoch == epoch),
    };
    let seen = FollowerRegistration {
        registered: registration.is_some(),
        fenced: registration.is_some_and(|r| r.fenced),
        shutting_down: registration.is_some_and(|r| r.shutting_down),
        epoch_agrees,
    };
    rulings::is_isr_eligible(rules, seen)
}

impl Partition {
    /// Proposes to take a follower in that has just fetched, if it belongs in. Says whether there
    /// is a proposal to send.
    ///
    /// Kafka: Partition.maybeExpandIsr
    pub(super) fn expand_isr(&mut self, place: usize, host: &Host<'_>, ctx: &mut Ctx<'_>) -> bool {
        if self.isr.pending.is_some() || self.isr.committed.has(place) {
            return false;
        }
        let follower = &self.followers[place];
        let end = follower.end.unwrap_or_default();
        let joins = is_eligible(self.replicas[place], follower.epoch, host.image, ctx.rules)
            && rulings::may_join_isr(ctx.rules, end, self.log.watermark(), self.epoch_start);
        if joins {
            self.propose(self.isr.committed.with(place), ctx);
        }
        joins
    }

    /// Proposes to take members out that lag. Says whether there is a proposal to send.
    ///
    /// Kafka: Partition.maybeShrinkIsr
    pub(super) fn shrink_isr(&mut self, lag_max: Span, ctx: &mut Ctx<'_>) -> bool {
        if !self.leads || self.offline || self.isr.pending.is_some() {
            return false;
        }
        let (end, now) = (self.log.end(), ctx.wall());
        let mut late = ReplicaSet::EMPTY;
        for place in self.isr.committed.without(self.place).iter() {
            let member = &self.followers[place];
            let caught_up =
                rulings::is_caught_up(member.end, end, member.last_caught_up, now, lag_max);
            if rulings::leaves_isr(ctx.rules, caught_up) {
                late = late.with(place);
            }
        }
        if !late.is_empty() {
            self.propose(self.isr.committed.minus(late), ctx);
        }
        !late.is_empty()
    }

    fn propose(&mut self, isr: ReplicaSet, ctx: &mut Ctx<'_>) {
        let leader_epoch = self.leader_epoch.unwrap_or_default();
        let partition_epoch = self.partition_epoch;
        self.isr.pending = Some(Proposal { isr, leader_epoch, partition_epoch });
        self.isr.committed = rulings::isr_while_pending(ctx.rules, self.isr.committed, isr);
        ctx.note(Fact::IsrProposed { broker: self.broker, partition: self.id, leader_epoch, isr });
    }

    /// The controller carried a proposal out, or had done so before.
    ///
    /// Kafka: Partition.handleAlterPartitionUpdate
    fn isr_committed(&mut self, state: &PartitionState, host: &Host<'_>, ctx: &mut Ctx<'_>) {
        if Some(state.leader_epoch) != self.leader_epoch
            || state.partition_epoch < self.partition_epoch
        {
            return;
        }
        self.isr = IsrState::committed(state.isr);
        self.partition_epoch = state.partition_epoch;
        self.advance_watermark(host, ctx);
    }

    /// A follower's fetch was served: what it claims to have, and what follows from it. Says
    /// whether an ISR proposal is to be sent.
    ///
    /// Kafka: Partition.updateFollowerFetchState
    pub(super) fn record_fetch(
        &mut self,
        place: usize,
        offset: Offset,
        leader_end: Offset,
        epoch: Option<BrokerEpoch>,
        host: &Host<'_>,
        ctx: &mut Ctx<'_>,
    ) -> bool {
        let before = self.followers[place].end;
        self.followers[place].fetched(offset, leader_end, epoch, ctx.wall());
        let proposed = self.expand_isr(place, host, ctx);
        if before != Some(offset) {
            self.advance_watermark(host, ctx);
        }
        proposed
    }
}

/// Proposals on their way to the controller: at most one per partition, one request at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct AlterQueue {
    items: Vec<(PartitionId, Proposal)>,
    /// How many of the items, from the first on, the request in flight carries; none if zero.
    sent: usize,
    /// The retry timer is set.
    waiting: bool,
}

impl Broker {
    /// Hands a partition's proposal to the controller. If an older one of the partition is still
    /// under way, this one is dropped at once.
    ///
    /// Kafka: DefaultAlterPartitionManager.submit
    pub(super) fn submit_isr(&mut self, partition: PartitionId, ctx: &mut Ctx<'_>) {
        let Some(replica) = self.partitions.get_mut(partition.index()) else {
            return;
        };
        let Some(proposal) = replica.isr.pending else {
            return;
        };
        if self.alter.items.iter().any(|(other, _)| *other == partition) {
            replica.isr.pending = None;
            return;
        }
        self.alter.items.push((partition, proposal));
        self.send_to_controller(ctx);
    }

    /// Sends the ISR proposals that wait for the controller.
    pub(super) fn send_to_controller(&mut self, ctx: &mut Ctx<'_>) {
        let wants_isr = !self.alter.items.is_empty() && !self.alter.waiting;
        let Some(epoch) = self.lifecycle.epoch() else {
            return;
        };
        if !wants_isr {
            return;
        }
        if self.alter.sent > 0 && !rulings::lost_alter_partition_is_retried(ctx.rules) {
            return;
        }
        if !self.channels.ready(ALTER_PARTITION, ctx) {
            return;
        }
        let (partitions, broker_states) = (ctx.take_list(), ctx.take_list());
        // After a lost connection the same items are sent again; newer ones wait for the answer.
        if self.alter.sent == 0 {
            self.alter.sent = self.alter.items.len();
        }
        for (partition, proposal) in &self.alter.items[..self.alter.sent] {
            let Proposal { isr, leader_epoch, partition_epoch } = *proposal;
            let first = ctx.list(broker_states).len();
            if let Some(replica) = self.partitions.get(partition.index()) {
                for place in isr.iter().filter(|place| *place < replica.replicas.len()) {
                    let known = replica.followers[place].epoch.known();
                    let epoch = if place == replica.place { Some(epoch) } else { known };
                    let broker = replica.replicas[place];
                    ctx.push(broker_states, BrokerState { broker, epoch });
                }
            }
            let item = AlterPartitionItem {
                partition: *partition,
                leader_epoch,
                partition_epoch,
                new_isr: isr,
                new_isr_with_epochs: Sublist::new(first..ctx.list(broker_states).len()),
                // A leader declares its partition recovered with its first proposal.
                recovered: true,
            };
            ctx.push(partitions, item);
        }
        let broker = self.id;
        let content = AlterPartitionRequest { broker, epoch, partitions, broker_states }.into();
        self.channels.send(ALTER_PARTITION, content, (), ctx);
    }

    /// The controller answered an AlterPartition.
    pub(super) fn on_partition_altered(
        &mut self,
        response: &AlterPartitionResponse,
        ctx: &mut Ctx<'_>,
    ) {
        let AlterPartitionResponse { error, partitions } = *response;
        let not_controller = |error| error == ErrorCode::NotController;
        if not_controller(error) || ctx.list(partitions).iter().any(|p| not_controller(p.error)) {
            return self.leave_controller(ALTER_PARTITION, ctx);
        }
        let sent = std::mem::take(&mut self.alter.sent);
        if !error.is_none() {
            self.alter.waiting = true;
            ctx.set(BrokerTimer::AlterPartition, RETRY);
            return;
        }
        // What the answer does not mention stays and is sent again.
        let mut place = 0;
        while let Some(result) = ctx.entry(partitions, place) {
            place += 1;
            let AlterPartitionResult { partition, error, state } = result;
            let item = self.alter.items.iter().take(sent).position(|(p, _)| *p == partition);
            if let Some(item) = item {
                let (_, proposal) = self.alter.items.remove(item);
                self.settle_proposal(partition, proposal, error, &state, ctx);
            }
        }
    }

    fn settle_proposal(
        &mut self,
        partition: PartitionId,
        proposal: Proposal,
        error: ErrorCode,
        state: &PartitionState,
        ctx: &mut Ctx<'_>,
    ) {
        let (replica, host) = self.replica_and_host(partition);
        let Some(replica) = replica else {
            return;
        };
        if replica.isr.pending != Some(proposal) || !replica.leads {
            return; // the metadata log has said more since
        }
        let mut again = false;
        match rulings::react_to_refused_isr(error) {
            _ if error.is_none() => replica.isr_committed(state, &host, ctx),
            RefusedIsr::Revert => replica.isr.pending = None,
            RefusedIsr::Await => {}
            RefusedIsr::Retry => again = true,
        }
        self.touch(partition);
        if again {
            self.alter.items.push((partition, proposal));
        }
    }

    /// The pause after a refused AlterPartition is over.
    pub(super) fn on_alter_retry(&mut self, ctx: &mut Ctx<'_>) {
        self.alter.waiting = false;
        self.send_to_controller(ctx);
    }

    /// Looks for lagging members of the partitions it leads.
    pub(super) fn on_isr_check(&mut self, ctx: &mut Ctx<'_>) {
        let lag_max = self.config.replica_lag_time_max;
        ctx.set(BrokerTimer::IsrCheck, lag_max.scaled(1, 2));
        let mut next = 0;
        while let Some((place, replica)) = self.partitions.next_mut(next) {
            next = place + 1;
            if replica.shrink_isr(lag_max, ctx) {
                self.touch(PartitionId(place as u16));
                self.submit_isr(PartitionId(place as u16), ctx);
            }
        }
    }
}
