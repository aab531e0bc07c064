//! What clients and followers ask a broker: who answers, and the short answers.
//!
//! Follows `KafkaApis.scala`. Writing is in [`super::produce`], reading in [`super::fetch`]. A
//! request whose answer must wait is parked in the purgatory and completed when its partition
//! has changed.

use crate::base::ids::{BrokerId, ConnectionId, Offset, PartitionId, ProducerEpoch};
use crate::kafka::broker::Broker;
use crate::kafka::broker::partition::Partition;
use crate::kafka::broker::purgatory::Waiter;
use crate::kafka::ctx::Ctx;
use crate::kafka::rulings::{self, Reader};
use crate::model::error::ErrorCode;
use crate::model::message::{
    ApiVersionsResponse, Content, InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse,
    Message, MetadataResponse, MetadataResponsePartition, OffsetsForLeaderEpochRequest,
    OffsetsForLeaderEpochResponse, WhichOffset, controller_request, response,
};

impl Broker {
    /// Handles a request whose turn it is. Its lists are this broker's to give back.
    pub(super) fn on_request(
        &mut self,
        connection: ConnectionId,
        message: &Message,
        ctx: &mut Ctx<'_>,
    ) {
        let asker = (connection, message.correlation);
        let answer = match &message.content {
            Content::ApiVersionsRequest(_) => ApiVersionsResponse {}.into(),
            Content::ProduceRequest(request) => return self.on_produce(asker, request, ctx),
            Content::FetchRequest(request) => return self.on_fetch(asker, request, ctx),
            Content::MetadataRequest(_) => self.describe(ctx).into(),
            Content::InitProducerIdRequest(_) => self.init_producer_id(ctx).into(),
            Content::ListOffsetsRequest(request) => self.list_offset(request, ctx).into(),
            Content::OffsetsForLeaderEpochRequest(request) => self.epoch_end(request, ctx).into(),
            // The broker's listener does not offer it (`SocketServer.processCompletedReceives`).
            content @ (controller_request!() | response!()) => {
                ctx.release_lists(content);
                return self.hang_up(connection, ctx);
            }
        };
        self.respond(connection, message.correlation, answer, ctx);
    }

    /// Sends an answer; the next request of the connection may be handled.
    pub(super) fn respond(
        &mut self,
        connection: ConnectionId,
        correlation: u32,
        content: Content,
        ctx: &mut Ctx<'_>,
    ) {
        ctx.send(connection, correlation, content);
        self.unmute(connection);
    }

    /// The replica, or why there is none.
    pub(super) fn hosted(&self, partition: PartitionId) -> Result<&Partition, ErrorCode> {
        let replica = self.partitions.get(partition.index());
        replica.ok_or_else(|| self.why_not_hosted(partition))
    }

    #[cold]
    pub(super) fn why_not_hosted(&self, partition: PartitionId) -> ErrorCode {
        if self.image.partition(partition).is_some() {
            ErrorCode::NotLeaderOrFollower
        } else {
            ErrorCode::UnknownTopicOrPartition
        }
    }

    // ---- what waits ----

    /// A partition has changed: answers everything that waited for it.
    ///
    /// Kafka: DelayedOperations.checkAndCompleteAll
    pub(super) fn check_and_complete(&mut self, partition: PartitionId, ctx: &mut Ctx<'_>) {
        while let Some((waiter, error)) = self.next_satisfied(partition, ctx) {
            self.finish_produce(waiter, error, ctx);
        }
        self.complete_fetches(partition, ctx);
    }

    /// The next waiting batch that a partition has an answer for.
    fn next_satisfied(
        &mut self,
        partition: PartitionId,
        ctx: &Ctx<'_>,
    ) -> Option<(Waiter, ErrorCode)> {
        let replica = self.partitions.get_mut(partition.index())?;
        replica.touched = false;
        if replica.offline || !replica.leads {
            let error = if replica.offline {
                ErrorCode::KafkaStorageError
            } else {
                ErrorCode::NotLeaderOrFollower
            };
            return replica.waiting.give_up().map(|waiter| (waiter, error));
        }
        while let Some((required, (waiter, then_watermark))) =
            replica.waiting.sync.next(replica.log.recovery_point())
        {
            if !then_watermark {
                return Some((waiter, ErrorCode::None));
            }
            replica.waiting.watermark.wait(required, waiter);
        }
        if !rulings::watermark_answers_produces(ctx.rules) {
            return None;
        }
        let (_, waiter) = replica.waiting.watermark.next(replica.log.watermark())?;
        Some((waiter, replica.answer_after_watermark(&self.image, ctx)))
    }

    // ---- the small ones ----

    /// `Metadata`: every partition as this broker's image has it, however old.
    fn describe(&self, ctx: &mut Ctx<'_>) -> MetadataResponse {
        let partitions = ctx.take_list();
        for (partition, image) in self.image.partitions() {
            let known = |leader: &BrokerId| self.image.broker(*leader).is_some();
            let leader = image.state.leader.filter(known);
            let leader_epoch = image.state.leader_epoch;
            ctx.push(partitions, MetadataResponsePartition { partition, leader, leader_epoch });
        }
        MetadataResponse { partitions }
    }

    fn init_producer_id(&mut self, ctx: &mut Ctx<'_>) -> InitProducerIdResponse {
        let granted = self.producer_ids.grant();
        self.ask_for_producer_ids(ctx);
        let error =
            if granted.is_some() { ErrorCode::None } else { ErrorCode::CoordinatorLoadInProgress };
        let producer = granted.unwrap_or_default();
        InitProducerIdResponse { error, producer, epoch: ProducerEpoch(0) }
    }

    /// Answers ListOffsets. A new leader withholds the latest offset from consumers until its high
    /// watermark has reached the start of its epoch.
    ///
    /// Kafka: Partition.fetchOffsetForTimestamp
    fn list_offset(&self, request: &ListOffsetsRequest, ctx: &Ctx<'_>) -> ListOffsetsResponse {
        let ListOffsetsRequest { partition, which, read_committed, .. } = *request;
        let listed = self.hosted(partition).and_then(|replica| {
            replica.check_leader(request.leader_epoch, ctx)?;
            let log = &replica.log;
            match which {
                WhichOffset::Earliest => Ok((log.start(), log.epoch_at(log.start()))),
                WhichOffset::LogEnd => Ok((log.end(), replica.leader_epoch)),
                WhichOffset::Latest if log.watermark() < replica.epoch_start => {
                    Err(ErrorCode::OffsetNotAvailable)
                }
                WhichOffset::Latest => {
                    let reader =
                        if read_committed { Reader::CommittedConsumer } else { Reader::Consumer };
                    let limit = replica.limit(reader, ctx);
                    let latest = rulings::latest_offset(ctx.rules, limit, log.end());
                    Ok((latest, replica.leader_epoch))
                }
            }
        });
        let (error, offset, leader_epoch) = match listed {
            Ok((offset, epoch)) => (ErrorCode::None, offset, epoch),
            Err(error) => (error, Offset::ZERO, None),
        };
        ListOffsetsResponse { partition, error, offset, leader_epoch }
    }

    /// Answers OffsetsForLeaderEpoch.
    ///
    /// Kafka: Partition.lastOffsetForLeaderEpoch
    fn epoch_end(
        &self,
        request: &OffsetsForLeaderEpochRequest,
        ctx: &Ctx<'_>,
    ) -> OffsetsForLeaderEpochResponse {
        let OffsetsForLeaderEpochRequest { partition, current_leader_epoch, leader_epoch } =
            *request;
        let found = self.hosted(partition).and_then(|replica| {
            replica.check_leader(current_leader_epoch, ctx)?;
            Ok(replica.log.end_of_epoch(leader_epoch))
        });
        let (error, end) = match found {
            Ok(end) => (ErrorCode::None, end),
            Err(error) => (error, None),
        };
        OffsetsForLeaderEpochResponse { partition, error, end }
    }
}
