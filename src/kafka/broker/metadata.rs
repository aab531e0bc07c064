//! Following the metadata log, and acting on it.
//!
//! Follows `MetadataLoader.java`, `BrokerMetadataPublisher.scala` and `ReplicaManager.applyDelta`:
//! one answer of the controller is one delta. Of several changes of a partition in one delta only
//! the last is acted on, and nothing is before the log has been replayed to its end once.

use crate::base::ids::{BrokerId, Offset, PartitionId};
use crate::base::time::Span;
use crate::kafka::broker::Broker;
use crate::kafka::broker::channel::METADATA;
use crate::kafka::broker::partition::Partition;
use crate::kafka::ctx::Ctx;
use crate::kafka::log::Log;
use crate::model::message::{FetchMetadataRequest, FetchMetadataResponse};
use crate::model::metadata::MetadataRecord;

/// `KafkaRaftClient.MAX_FETCH_WAIT_MS`.
const MAX_WAIT: Span = Span::millis(500);

impl Broker {
    /// Asks for what follows in the metadata log, if the channel is free.
    pub(super) fn fetch_metadata(&mut self, ctx: &mut Ctx<'_>) {
        if self.channels.ready(METADATA, ctx) {
            let content = FetchMetadataRequest { from: self.image.end(), max_wait: MAX_WAIT };
            self.channels.send(METADATA, content.into(), (), ctx);
        }
    }

    /// The controller sent the records from `from` on, or none in time.
    pub(super) fn on_metadata_fetched(
        &mut self,
        response: &FetchMetadataResponse,
        ctx: &mut Ctx<'_>,
    ) {
        let FetchMetadataResponse { from, end, records } = *response;
        if from == self.image.end() {
            let mut place = 0;
            while let Some(record) = ctx.entry(records, place) {
                place += 1;
                self.replay(&record, ctx);
            }
            self.publish(end, ctx);
        }
    }

    /// Takes a record into the image and remembers which partition changed.
    pub(super) fn replay(&mut self, record: &MetadataRecord, ctx: &Ctx<'_>) {
        self.image.replay(record, ctx.bodies);
        if let Some((partition, _)) = record.partition() {
            self.changed.push(partition);
        }
    }

    /// The broker has come so far that it may act on metadata.
    pub(super) fn on_first_publication(&mut self, ctx: &mut Ctx<'_>) {
        self.publish(Offset(u64::MAX), ctx);
    }

    /// Acts on what was replayed; `end` is the end of the log as far as it is known.
    pub(super) fn publish(&mut self, end: Offset, ctx: &mut Ctx<'_>) {
        // The first publication starts the managers; it ends the start of the broker.
        let now = ctx.monotonic();
        let due = self.lifecycle.until_publication(now) == Span::ZERO;
        self.replayed |= self.image.end() >= end;
        if self.replayed && due && !self.published {
            // `LogManager.loadLogs` removes the marker, in the first publication; it was read for
            // the registration before (`BrokerServer.startup`).
            self.published = true;
            self.disk.remove_clean_shutdown();
        }
        if !self.published || self.changed.is_empty() {
            return;
        }
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        // First those it leads, then those it follows (`ReplicaManager.applyDelta`).
        for leads in [true, false] {
            for partition in &changed {
                self.apply(*partition, leads, ctx);
            }
        }
        self.check_assignments(&changed, ctx);
        changed.clear();
        self.changed = changed;
        // All partitions first, then the fetches: one request carries them all.
        let mut next = 0;
        while let Some((leader, _)) = self.fetchers.next_mut(next) {
            next = leader + 1;
            self.retire_if_idle(BrokerId::at(leader), ctx);
            self.pump(BrokerId::at(leader), ctx);
        }
    }

    fn apply(&mut self, partition: PartitionId, leads: bool, ctx: &mut Ctx<'_>) {
        let Some(image) = self.image.partition(partition) else {
            return;
        };
        if (image.state.leader == Some(self.id)) != leads || image.place(self.id).is_none() {
            return;
        }
        self.host_partition(partition, ctx);
        if leads {
            self.unfollow(partition);
        }
        let (replica, mut host) = self.replica_and_host(partition);
        let Some(image) = host.image.partition(partition) else {
            return;
        };
        let Some(replica) = replica.filter(|replica| !replica.offline) else {
            return;
        };
        let (state, place) = (image.state, replica.place);
        if leads {
            replica.become_leader(image, &mut host, ctx);
            return self.touch(partition);
        }
        let begins = replica.become_follower(image, ctx);
        self.touch(partition);
        // A broker that is leaving does not come back into an ISR.
        let leaving =
            self.lifecycle.is_stopping() && (state.leader.is_none() || !state.isr.has(place));
        if leaving {
            self.unfollow(partition);
        } else if begins {
            self.follow(partition, ctx);
        }
    }

    /// Makes this broker a replica of the partition: with the log found at start, or a new one.
    fn host_partition(&mut self, partition: PartitionId, ctx: &mut Ctx<'_>) {
        let place = partition.index();
        if self.partitions.get(place).is_some() {
            return;
        }
        let Some(image) = self.image.partition(partition) else {
            return;
        };
        let expiration = self.config.producer_id_expiration;
        let log = match self.unassigned.remove(place) {
            Some(log) => Ok(log),
            None => Log::load(partition, true, ctx.wall(), expiration, &mut self.disk),
        };
        let offline = log.is_err();
        let log = log.unwrap_or_else(|_| Log::absent(partition));
        let mut replica = Partition::new(partition, image, self.id, log);
        replica.offline = offline;
        self.partitions.insert(place, replica);
        if offline {
            self.fail_dir_of(partition, ctx);
        }
    }
}
