//! Brokers follow the metadata log: connections, long polls, chunks.
//!
//! Follows the leader's side of an observer's fetch in `KafkaRaftClient.java`. With one controller
//! whatever is on its disk is committed. Does not know what a record says.

use crate::base::ids::{BrokerId, ConnectionId, NodeId, Offset};
use crate::base::time::Span;
use crate::kafka::ctx::Ctx;
use crate::kafka::timers::ControllerTimer;
use crate::model::message::FetchMetadataResponse;
use crate::model::metadata::MetadataRecord;

/// Records in one answer.
const CHUNK: usize = 500;

/// A fetch of the metadata log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    pub(super) connection: ConnectionId,
    pub(super) correlation: u32,
    pub(super) from: Offset,
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

    /// A broker fetches the log from an offset: answered at once if there is more, else parked.
    pub(super) fn fetch(
        &mut self,
        request: Fetch,
        max_wait: Span,
        log: &[MetadataRecord],
        ctx: &mut Ctx<'_>,
    ) {
        let peer = self.peers.iter().find(|(c, _)| *c == request.connection);
        match peer {
            Some((_, broker)) if request.from.0 >= log.len() as u64 => {
                self.parked[broker.index()] = Some(request);
                ctx.set(wait(*broker), max_wait);
            }
            _ => answer(&request, log, ctx),
        }
    }

    /// The log has grown: answers who waits for that.
    pub(super) fn wake(&mut self, log: &[MetadataRecord], ctx: &mut Ctx<'_>) {
        for (index, parked) in self.parked.iter_mut().enumerate() {
            if let Some(request) = parked.take_if(|p| p.from.0 < log.len() as u64) {
                ctx.cancel(wait(BrokerId::at(index)));
                answer(&request, log, ctx);
            }
        }
    }

    /// A fetch has waited long enough: answered with nothing.
    pub(super) fn expired(&mut self, broker: BrokerId, log: &[MetadataRecord], ctx: &mut Ctx<'_>) {
        if let Some(request) = self.parked.get_mut(broker.index()).and_then(Option::take) {
            answer(&request, log, ctx);
        }
    }
}

fn answer(request: &Fetch, log: &[MetadataRecord], ctx: &mut Ctx<'_>) {
    let records = ctx.take_list();
    let from = (request.from.0 as usize).min(log.len());
    for record in log[from..].iter().take(CHUNK) {
        ctx.push(records, *record);
    }
    let end = Offset(log.len() as u64);
    let content = FetchMetadataResponse { from: request.from, end, records }.into();
    ctx.send(request.connection, request.correlation, content);
}
