//! Brokers follow the metadata log: connections, long polls, chunks, divergences.
//!
//! Follows the leader's side of an observer's fetch in `KafkaRaftClient.java`. What is not
//! committed is not sent, where Kafka sends it with a high watermark below it. Does not know what a
//! record says.

use crate::base::ids::{BrokerId, ConnectionId, LeaderEpoch, NodeId, Offset};
use crate::kafka::ctx::Ctx;
use crate::kafka::log::Log;
use crate::kafka::rulings::{self, Divergence};
use crate::kafka::timers::ControllerTimer;
use crate::model::disk::Disk;
use crate::model::message::{FetchMetadataRequest, FetchMetadataResponse};
use crate::model::metadata::MetadataRecord;
use crate::model::rules::Rules;

/// Bytes of records in one answer: about 500 records. The first batch is sent whole.
const MAX_BYTES: u64 = 500 * MetadataRecord::BYTES as u64;

/// A fetch of the metadata log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    pub(super) connection: ConnectionId,
    pub(super) correlation: u32,
    pub(super) request: FetchMetadataRequest,
}

impl Fetch {
    /// Whether there are records for it, or a high watermark that the follower does not know.
    fn has_news(&self, log: &Log) -> bool {
        log.watermark() > self.request.from.min(self.request.watermark)
    }
}

/// Who follows the metadata log.
#[derive(Clone, Debug)]
pub(super) struct Observers {
    /// Open connections of brokers, few per broker.
    peers: Vec<(ConnectionId, BrokerId)>,
    /// At most one waiting fetch per broker; a later one replaces it.
    parked: Vec<Option<Fetch>>,
}

const fn wait(broker: BrokerId) -> ControllerTimer {
    ControllerTimer::MetadataWait(broker)
}

impl Observers {
    /// None yet, of so many brokers.
    pub(super) fn new(brokers: u16) -> Self {
        Self { peers: Vec::new(), parked: vec![None; usize::from(brokers)] }
    }

    /// A connection is open.
    pub(super) fn opened(&mut self, connection: ConnectionId, peer: NodeId) {
        if let NodeId::Broker(broker) = peer {
            self.peers.push((connection, broker));
            if self.parked.len() <= broker.index() {
                self.parked.resize(broker.index() + 1, None);
            }
        }
    }

    /// A connection is gone, and with it what waits on it.
    pub(super) fn closed(&mut self, connection: ConnectionId, ctx: &mut Ctx<'_>) {
        let Some(place) = self.peers.iter().position(|(c, _)| *c == connection) else { return };
        let (_, broker) = self.peers.swap_remove(place);
        let parked = &mut self.parked[broker.index()];
        if parked.is_some_and(|p| p.connection == connection) {
            *parked = None;
            ctx.cancel(wait(broker));
        }
    }

    /// A broker fetches the log from an offset: answered at once if there is anything to say, else
    /// parked.
    ///
    /// Kafka: KafkaRaftClient.handleFetchRequest
    pub(super) fn fetch(&mut self, fetch: Fetch, log: &Log, disk: &Disk, ctx: &mut Ctx<'_>) {
        let parts = diverges(&fetch.request, log, ctx.rules).is_some();
        let peer = self.peers.iter().find(|(c, _)| *c == fetch.connection);
        match peer {
            Some((_, broker)) if !parts && !fetch.has_news(log) => {
                self.parked[broker.index()] = Some(fetch);
                ctx.set(wait(*broker), fetch.request.max_wait);
            }
            _ => answer(&fetch, log, disk, ctx),
        }
    }

    /// The committed end has moved: answers who waits for that.
    pub(super) fn wake(&mut self, log: &Log, disk: &Disk, ctx: &mut Ctx<'_>) {
        for (index, parked) in self.parked.iter_mut().enumerate() {
            if let Some(request) = parked.take_if(|parked| parked.has_news(log)) {
                ctx.cancel(wait(BrokerId::at(index)));
                answer(&request, log, disk, ctx);
            }
        }
    }

    /// A fetch has waited long enough: answered with nothing.
    pub(super) fn expired(&mut self, broker: BrokerId, log: &Log, disk: &Disk, ctx: &mut Ctx<'_>) {
        if let Some(request) = self.parked.get_mut(broker.index()).and_then(Option::take) {
            answer(&request, log, disk, ctx);
        }
    }
}

/// Where the follower's log and the controller's part, if they do. Of an epoch that the controller
/// does not know it says its own newest one.
///
/// Kafka: KafkaMetadataLog.endOffsetForEpoch
fn diverges(
    request: &FetchMetadataRequest,
    log: &Log,
    rules: &Rules,
) -> Option<(LeaderEpoch, Offset)> {
    let own = request.last_fetched.and_then(|epoch| log.end_of_epoch(epoch));
    match rulings::find_divergence(rules, request.last_fetched, request.from, own) {
        Divergence::None => None,
        Divergence::At(epoch, end) => Some((epoch, end)),
        Divergence::Unknown => Some((log.latest_epoch().unwrap_or_default(), log.end())),
    }
}

fn answer(fetch: &Fetch, log: &Log, disk: &Disk, ctx: &mut Ctx<'_>) {
    let records = ctx.take_list();
    let diverging = diverges(&fetch.request, log, ctx.rules);
    let (from, end) = (fetch.request.from, log.watermark());
    if diverging.is_none() {
        let lists = &mut *ctx.lists;
        let read = log.read(from, end, MAX_BYTES, true, disk, |batch| lists.push(records, batch));
        if read.is_err() {
            return ctx.release(records); // a controller that cannot read its log says nothing
        }
    }
    let response = FetchMetadataResponse { from, end, diverging, records };
    ctx.send(fetch.connection, fetch.correlation, response.into());
}
