//! Fetching: what followers and consumers read, at once or when there is enough.
//!
//! Follows `KafkaApis.scala`, `ReplicaManager.scala` and `FetchSession.scala`.
//! A fetch has a context: it names all that it wants, or it continues a session and names only what
//! has changed ([`session`]). Its partitions are read ([`read`]); if that finds too little it is
//! parked and read again when there is more ([`parked`]). A follower's fetch is also its
//! acknowledgement of everything below its offsets. The shortcuts are in [`shortcut`]: partitions
//! of a session about which nothing has changed are not looked at.

mod parked;
mod read;
pub(super) mod session;
mod shortcut;

use crate::base::ids::{ConnectionId, PartitionId};
use crate::base::time::Span;
use crate::kafka::broker::Broker;
use crate::kafka::broker::fetch::session::SessionSlot;
use crate::kafka::ctx::Ctx;
use crate::kafka::rulings::Reader;
use crate::model::error::ErrorCode;
use crate::model::message::{
    FetchMetadata, FetchPartition, FetchRequest, FetchResponse, FetchSessionId, Fetcher,
    ForgottenPartition, List,
};

/// A fetch without its partitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchTerms {
    fetcher: Fetcher,
    min_bytes: u32,
    max_bytes: u32,
}

impl FetchTerms {
    const fn reader(&self) -> Reader {
        match self.fetcher {
            Fetcher::Replica { .. } | Fetcher::UnregisteredReplica { .. } => Reader::Follower,
            Fetcher::Consumer { read_committed: false } => Reader::Consumer,
            Fetcher::Consumer { read_committed: true } => Reader::CommittedConsumer,
        }
    }
}

/// Where the partitions of a fetch are named (`FetchContext`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FetchContext {
    /// In its request, which wants no session.
    Sessionless(List<FetchPartition>),
    /// In its request, which wants a session.
    Full(List<FetchPartition>),
    /// In its session.
    Incremental(SessionSlot),
}

/// An answer that says nothing of any partition yet, and of no session.
fn new_response(error: ErrorCode, ctx: &mut Ctx<'_>) -> FetchResponse {
    let (partitions, records) = (ctx.take_list(), ctx.take_list());
    FetchResponse { error, session: FetchSessionId::NONE, partitions, records }
}

impl Broker {
    /// A fetch: answered at once, or when there is enough.
    /// Kafka: KafkaApis.handleFetchRequest
    /// Kafka: ReplicaManager.fetchMessages
    pub(super) fn on_fetch(
        &mut self,
        asker: (ConnectionId, u32),
        request: &FetchRequest,
        ctx: &mut Ctx<'_>,
    ) {
        let FetchRequest { fetcher, max_wait, min_bytes, max_bytes, .. } = *request;
        let terms = FetchTerms { fetcher, min_bytes, max_bytes };
        let context = match self.new_context(request, ctx) {
            Ok(context) => context,
            Err(error) => return self.refuse_session(asker, error, ctx),
        };
        let mut response = new_response(ErrorCode::None, ctx);
        let found = self.read_all(context, &terms, &response, true, ctx);
        if let FetchContext::Incremental(slot) = context {
            self.sessions.fetched(slot, ctx.wall());
            self.check_shortcut(slot, &terms, ctx);
        }
        let waits = max_wait > Span::ZERO && self.asks_for_anything(context, ctx);
        if found.urgent || found.bytes >= u64::from(min_bytes) || !waits {
            return self.respond_to_fetch(asker, context, &terms, &mut response, ctx);
        }
        ctx.release_lists(&response.into());
        self.park_fetch(asker, context, terms, ctx.monotonic() + max_wait, ctx);
    }

    /// Whose fetch it is, as the session says or the request.
    ///
    /// Kafka: FetchManager.newContext
    fn new_context(
        &mut self,
        request: &FetchRequest,
        ctx: &mut Ctx<'_>,
    ) -> Result<FetchContext, ErrorCode> {
        let FetchRequest { session, partitions, forgotten, .. } = *request;
        let FetchMetadata { session, epoch } = session;
        let known = self.sessions.find(session);
        if request.session.is_full() {
            if let Some(slot) = known {
                self.close_session(slot, ctx);
            }
            ctx.release(forgotten);
            return Ok(match epoch {
                FetchMetadata::FINAL_EPOCH => FetchContext::Sessionless(partitions),
                _ => FetchContext::Full(partitions),
            });
        }
        let next = known.filter(|slot| self.sessions.get(*slot).is_next(epoch));
        let Some(slot) = next else {
            ctx.release(partitions);
            ctx.release(forgotten);
            return Err(match known {
                Some(_) => ErrorCode::InvalidFetchSessionEpoch,
                None => ErrorCode::FetchSessionIdNotFound,
            });
        };
        self.update_session(slot, partitions, forgotten, ctx);
        ctx.release(forgotten);
        if self.sessions.get(slot).is_empty() {
            self.close_session(slot, ctx);
            return Ok(FetchContext::Sessionless(partitions));
        }
        ctx.release(partitions);
        let now = ctx.wall();
        let epoch = request.fetcher.replica().and_then(|(_, epoch)| epoch);
        self.sessions.get_mut(slot).go_on(epoch, now);
        Ok(FetchContext::Incremental(slot))
    }

    /// A session that is not there, or has gone another way: the fetcher begins another.
    fn refuse_session(
        &mut self,
        (connection, correlation): (ConnectionId, u32),
        error: ErrorCode,
        ctx: &mut Ctx<'_>,
    ) {
        let response = new_response(error, ctx);
        self.respond(connection, correlation, response.into(), ctx);
    }

    fn asks_for_anything(&self, context: FetchContext, ctx: &Ctx<'_>) -> bool {
        match context {
            FetchContext::Sessionless(request) | FetchContext::Full(request) => {
                !ctx.list(request).is_empty()
            }
            FetchContext::Incremental(_) => true,
        }
    }

    /// Answers with what was read.
    ///
    /// Kafka: FetchContext.updateAndGenerateResponseData
    fn respond_to_fetch(
        &mut self,
        (connection, correlation): (ConnectionId, u32),
        context: FetchContext,
        terms: &FetchTerms,
        response: &mut FetchResponse,
        ctx: &mut Ctx<'_>,
    ) {
        response.session = match context {
            FetchContext::Sessionless(request) => {
                ctx.release(request);
                FetchSessionId::NONE
            }
            FetchContext::Full(request) => {
                let session = self.create_session(terms, request, response, ctx);
                ctx.release(request);
                session
            }
            FetchContext::Incremental(slot) => {
                let session = self.sessions.get_mut(slot);
                for found in ctx.list(response.partitions) {
                    session.respond(found);
                }
                session.id
            }
        };
        self.respond(connection, correlation, (*response).into(), ctx);
    }

    /// Takes over what an incremental fetch asks anew and what it forgets.
    fn update_session(
        &mut self,
        slot: SessionSlot,
        partitions: List<FetchPartition>,
        forgotten: List<ForgottenPartition>,
        ctx: &Ctx<'_>,
    ) {
        for asked in ctx.list(partitions) {
            self.sessions.get_mut(slot).ask(asked);
            self.enrol(asked.partition, slot);
        }
        for ForgottenPartition { partition } in ctx.list(forgotten) {
            if self.sessions.get_mut(slot).forget(*partition) {
                self.withdraw(*partition, slot);
            }
        }
    }

    /// A partition's changes stir the session from now on.
    fn enrol(&mut self, partition: PartitionId, slot: SessionSlot) {
        if let Some(replica) = self.partitions.get_mut(partition.index())
            && !replica.sessions.contains(&slot)
        {
            replica.sessions.push(slot);
        }
    }

    /// A partition is hosted from now on: its changes stir the sessions that have asked for it
    /// already, as those of followers do that heard of it before this broker.
    pub(super) fn enrol_askers(&mut self, partition: PartitionId) {
        let askers: Vec<SessionSlot> = self.sessions.holding(partition).collect();
        for slot in askers {
            self.enrol(partition, slot);
            self.sessions.stir(slot, partition);
        }
    }

    /// A partition is in the session no more.
    fn withdraw(&mut self, partition: PartitionId, slot: SessionSlot) {
        let last_fetch = self.sessions.get(slot).last_fetch;
        if let Some(replica) = self.partitions.get_mut(partition.index()) {
            replica.sessions.retain(|other| *other != slot);
            let end = replica.log.end();
            for follower in replica.followers.iter_mut().filter(|f| f.session == Some(slot)) {
                follower.leave_session(last_fetch, end);
            }
        }
    }

    /// Remembers what a full fetch asked for and was told, if there is room for another session.
    /// Kafka: FetchSessionCache.maybeCreateSession
    fn create_session(
        &mut self,
        terms: &FetchTerms,
        request: List<FetchPartition>,
        response: &FetchResponse,
        ctx: &mut Ctx<'_>,
    ) -> FetchSessionId {
        let now = ctx.wall();
        let privileged = terms.fetcher.replica().is_some();
        let size = ctx.list(request).len();
        let Some(evicted) = self.sessions.room_for(privileged, size, now) else {
            return FetchSessionId::NONE;
        };
        if let Some(evicted) = evicted {
            self.close_session(evicted, ctx);
        }
        let epoch = terms.fetcher.replica().and_then(|(_, epoch)| epoch);
        let slot = self.sessions.create(privileged, epoch, now, ctx.rng);
        for asked in ctx.list(request) {
            self.sessions.get_mut(slot).ask(asked);
            self.enrol(asked.partition, slot);
        }
        let session = self.sessions.get_mut(slot);
        for found in ctx.list(response.partitions) {
            session.respond(found);
        }
        session.settle_size();
        session.id
    }

    /// Forgets a session. A fetch of it that waits is answered first.
    fn close_session(&mut self, slot: SessionSlot, ctx: &mut Ctx<'_>) {
        if let Some(ticket) = self.sessions.get(slot).parked {
            self.answer_fetch(ticket, ctx);
        }
        let mut next = 0;
        while let Some(partition) = self.sessions.get(slot).next_partition(next) {
            next = partition.index() + 1;
            self.withdraw(partition, slot);
        }
        self.sessions.remove(slot);
    }
}
