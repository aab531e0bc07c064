//! Writing: appending what producers send, and answering when it may be answered.
//!
//! Follows `ReplicaManager.scala` and `DelayedProduce.java`. What a partition thinks of a
//! batch is in [`super::partition`].

use crate::base::ids::{BrokerId, ConnectionId, LeaderEpoch, Offset, PartitionId};
use crate::kafka::broker::Broker;
use crate::kafka::broker::channel::Parked;
use crate::kafka::broker::partition::{AppendError, LeaderAppend};
use crate::kafka::broker::purgatory::{ParkedProduce, Ticket, Waiter};
use crate::kafka::ctx::Ctx;
use crate::kafka::rulings;
use crate::kafka::timers::BrokerTimer;
use crate::model::batch::Batch;
use crate::model::config::Acks;
use crate::model::error::ErrorCode;
use crate::model::message::{
    PartitionProduceResponse, ProducePartition, ProduceRequest, ProduceResponse,
};

impl Broker {
    /// A producer wants batches appended.
    ///
    /// Kafka: ReplicaManager.appendRecords
    pub(super) fn on_produce(
        &mut self,
        (connection, correlation): (ConnectionId, u32),
        request: &ProduceRequest,
        ctx: &mut Ctx<'_>,
    ) {
        let ProduceRequest { acks, timeout, partitions } = *request;
        let responses = ctx.take_list();
        let deadline = ctx.monotonic() + timeout;
        let parked = ParkedProduce { connection, correlation, responses, waiting: 0, deadline };
        let ticket = self.purgatory.produces.park(parked);
        let (mut waiting, mut failed, mut place) = (0, false, 0);
        while let Some(ProducePartition { partition, batch }) = ctx.entry(partitions, place) {
            let waiter = (ticket, place as u32);
            let (produced, waits) = self.produce(partition, batch, acks, waiter, ctx);
            waiting += u32::from(waits);
            failed |= !waits && !produced.error.is_none();
            ctx.push(responses, produced);
            place += 1;
        }
        ctx.release(partitions);
        if acks == Acks::None {
            self.purgatory.produces.take(ticket);
            ctx.release(responses);
            // Nobody is told, so the closed connection has to tell.
            return if failed { self.hang_up(connection, ctx) } else { self.unmute(connection) };
        }
        if waiting == 0 {
            self.purgatory.produces.take(ticket);
            return self.respond(
                connection,
                correlation,
                ProduceResponse { responses }.into(),
                ctx,
            );
        }
        if let Some(parked) = self.purgatory.produces.get(ticket) {
            parked.waiting = waiting;
        }
        self.park_on(connection, Parked::Produce(ticket));
        self.arm_produce_timer(ctx);
    }

    /// Appends one batch. Answers what is said of it if nothing more happens, and whether it waits.
    fn produce(
        &mut self,
        partition: PartitionId,
        batch: Batch,
        acks: Acks,
        (ticket, part): (Ticket, u32),
        ctx: &mut Ctx<'_>,
    ) -> (PartitionProduceResponse, bool) {
        let appended = match self.hosted(partition) {
            Err(error) => Err(AppendError::Refused(error)),
            Ok(_) => {
                let (replica, mut host) = self.replica_and_host(partition);
                let refused = AppendError::Refused(ErrorCode::NotLeaderOrFollower);
                replica.ok_or(refused).and_then(|r| r.append_as_leader(batch, acks, &mut host, ctx))
            }
        };
        let done = |error, base_offset| PartitionProduceResponse {
            partition,
            error,
            base_offset,
            current_leader: None,
        };
        match appended {
            Ok(append) => {
                self.touch(partition);
                self.arm_flush(partition, ctx);
                let waits = self.wait(partition, append, acks, Waiter { ticket, part }, ctx);
                let error = if waits { ErrorCode::RequestTimedOut } else { ErrorCode::None };
                (done(error, append.base), waits)
            }
            Err(AppendError::Refused(error)) => {
                let current_leader = self.leader_hint(partition, error);
                (PartitionProduceResponse { current_leader, ..done(error, Offset::ZERO) }, false)
            }
            Err(AppendError::Disk(_)) => {
                self.fail_dir_of(partition, ctx);
                (done(ErrorCode::KafkaStorageError, Offset::ZERO), false)
            }
        }
    }

    /// Lets an answer wait for what it needs; says whether it needs anything.
    fn wait(
        &mut self,
        partition: PartitionId,
        append: LeaderAppend,
        acks: Acks,
        waiter: Waiter,
        ctx: &Ctx<'_>,
    ) -> bool {
        let for_watermark = rulings::answer_waits_for_watermark(ctx.rules, acks);
        let Some(replica) = self.partitions.get_mut(partition.index()) else {
            return false;
        };
        if append.must_sync && acks != Acks::None {
            replica.waiting.sync.wait(append.end, (waiter, for_watermark));
        } else if for_watermark {
            replica.waiting.watermark.wait(append.end, waiter);
        } else {
            return false;
        }
        true
    }

    /// KIP-951: whom to ask instead.
    fn leader_hint(
        &self,
        partition: PartitionId,
        error: ErrorCode,
    ) -> Option<(BrokerId, LeaderEpoch)> {
        if !matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
            return None;
        }
        let state = &self.image.partition(partition)?.state;
        Some((state.leader?, state.leader_epoch))
    }

    /// One waiting batch got its answer; the last one of a request sends it.
    pub(super) fn finish_produce(&mut self, waiter: Waiter, error: ErrorCode, ctx: &mut Ctx<'_>) {
        let Some(parked) = self.purgatory.produces.get(waiter.ticket) else {
            return; // answered already: time ran out
        };
        parked.waiting -= 1;
        let (last, responses) = (parked.waiting == 0, parked.responses);
        ctx.lists.change(responses, waiter.part as usize, |produced| produced.error = error);
        if last {
            self.answer_produce(waiter.ticket, ctx);
        }
    }

    fn answer_produce(&mut self, ticket: Ticket, ctx: &mut Ctx<'_>) {
        if let Some(parked) = self.purgatory.produces.take(ticket) {
            let content = ProduceResponse { responses: parked.responses }.into();
            self.respond(parked.connection, parked.correlation, content, ctx);
        }
    }

    /// The oldest parked produce requests are too old: what still waits says so.
    pub(super) fn on_produce_expiry(&mut self, ctx: &mut Ctx<'_>) {
        self.purgatory.produce_timer.fired();
        let now = ctx.monotonic();
        while let Some((ticket, _)) = self.purgatory.produces.first().filter(|(_, at)| *at <= now) {
            self.answer_produce(ticket, ctx);
        }
        self.arm_produce_timer(ctx);
    }

    fn arm_produce_timer(&mut self, ctx: &mut Ctx<'_>) {
        if let Some((_, at)) = self.purgatory.produces.first() {
            self.purgatory.produce_timer.by(at, BrokerTimer::ProduceExpiry, ctx);
        }
    }
}
