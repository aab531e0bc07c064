//! What will happen: the closed vocabulary of the event queue, and what of it is hashed.
//!
//! An event is small and `Copy`; what is larger (commands, faults) lies in a table of the world. An
//! event for a process names its *life*, and is discarded if that life is over when it is popped.
//! Knows nothing about how an event is carried out.

use crate::base::ids::{Offset, PartitionId};
use crate::base::rng::stir;
use crate::kafka::ctx::{CloseReason, Timer};
use crate::model::message::{Content, ElectionType, Lane, PartPool, PartsId};

/// A node by its place among all nodes: brokers first, then controllers, then processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HostId(pub(super) u16);

impl HostId {
    /// Position in a vector over all nodes.
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One process lifetime on a host. Counted up whenever the process is gone.
pub(super) type Life = u32;

/// One of the two ends of a connection: 0 opened it, 1 accepted it.
pub(super) type End = u8;

/// Names a connection and tells it from earlier ones with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnRef {
    /// Its place in the network's table; the number of its `ConnectionId`.
    pub(super) slot: u32,
    /// How many connections had that place before.
    pub(super) generation: u32,
}

/// What will happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Event {
    /// Time zero: what the cluster starts with is told.
    #[default]
    Begin,
    /// A process runs for the first time.
    Start { host: HostId, life: Life },
    /// The first bytes under way from `end` reach the other end.
    Arrive { slot: u32, end: End, stamp: u32 },
    /// The opener sends its `attempt`-th SYN.
    Syn { conn: ConnRef, attempt: u8 },
    /// A SYN reaches its host.
    SynArrive { conn: ConnRef },
    /// The accepting process learns of the connection.
    Accepted { conn: ConnRef },
    /// The opener has waited long enough.
    SetupTimeout { conn: ConnRef },
    /// TCP sends held bytes of `end` again.
    Retransmit { conn: ConnRef, end: End },
    /// TCP has retransmitted long enough.
    GiveUp { conn: ConnRef, end: End },
    /// A node learns that a connection is gone for another reason than what its peer sent.
    Closed { conn: ConnRef, end: End, reason: CloseReason },
    /// A timer slot's entry.
    Fire { host: HostId, life: Life, timer: Timer },
    /// A lane is free and something waits for it.
    Wake { host: HostId, life: Life, lane: Lane },
    /// A sync of a partition's log is done, up to this position of its operations.
    Flushed { host: HostId, life: Life, partition: PartitionId, up_to: Offset, position: u64 },
    /// The oldest outstanding sync of a controller's metadata log is done.
    MetadataSynced { host: HostId, life: Life },
    /// The kernel writes old bytes back.
    Writeback { host: HostId },
    /// SIGTERM.
    Terminate { host: HostId, life: Life },
    /// The operator tells a process something: command number `slot`.
    Command { host: HostId, slot: u32 },
    /// The operator asks the active controller something: operation number `slot`.
    Operate { slot: u32 },
    /// The director asked to be woken.
    Direct { token: u32 },
    /// A fault begins: number `slot`.
    Inject { slot: u32 },
    /// The fault with this id ends.
    Heal { id: u32 },
}

const _: () = assert!(size_of::<Event>() <= 32, "events are copied on every push and pop");

/// A running 64-bit hash over words: cheap, inline, fixed for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest(u64);

impl Digest {
    /// The digest of something of this kind about this node.
    pub(super) const fn of(kind: Kind, host: HostId) -> Self {
        Self((kind as u64) << 16 | host.0 as u64)
    }

    /// With another word.
    pub(super) const fn word(self, word: u64) -> Self {
        Self(stir(self.0, word))
    }

    /// With every byte of a text.
    pub(super) fn text(self, text: &str) -> Self {
        text.bytes().fold(self, |digest, byte| digest.word(u64::from(byte)))
    }

    /// With what a message says, and how much: what its parts say shows in what comes of it, and
    /// is hashed with the logs at the end of a run.
    #[inline]
    pub(super) fn content(
        self,
        content: &Content,
        list: Option<PartsId>,
        parts: &PartPool,
    ) -> Self {
        match list {
            Some(list) => {
                let (entries, bytes) = parts.measure(list);
                self.word((entries as u64) << 40 ^ bytes)
            }
            None => self.other(content),
        }
    }

    #[inline(never)]
    fn other(self, content: &Content) -> Self {
        self.word(fold(content_words(content)))
    }

    /// The hash so far.
    pub(super) const fn value(self) -> u64 {
        self.0
    }
}

/// The kinds of event that are hashed. A number here is part of every fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Start = 1,
    Opened = 2,
    Message = 3,
    Closed = 4,
    Timer = 5,
    Flushed = 6,
    MetadataSynced = 7,
    Writeback = 8,
    Terminate = 9,
    Command = 10,
    Operate = 11,
    Inject = 12,
    Heal = 13,
    HealAll = 14,
}

/// Three words in one. Each has small numbers only, so that turned they lie side by side.
const fn fold((tag, a, b): (u64, u64, u64)) -> u64 {
    tag.rotate_left(44) ^ a ^ b.rotate_left(22)
}

/// The number of a variant and two words of what it says besides its parts.
fn content_words(content: &Content) -> (u64, u64, u64) {
    match content {
        // Told by their parts.
        Content::ProduceRequest(_)
        | Content::ProduceResponse(_)
        | Content::FetchRequest(_)
        | Content::FetchResponse(_)
        | Content::MetadataResponse(_)
        | Content::AlterPartitionRequest(_)
        | Content::AlterPartitionResponse(_)
        | Content::AssignReplicasToDirsRequest(_)
        | Content::AssignReplicasToDirsResponse(_)
        | Content::ElectLeadersResponse(_)
        | Content::FetchMetadataResponse(_) => (0, 0, 0),
        Content::MetadataRequest(_) => (5, 0, 0),
        Content::InitProducerIdRequest(_) => (7, 0, 0),
        Content::InitProducerIdResponse(r) => {
            (8, r.error as u64, u64::from(r.producer.0) << 16 | u64::from(r.epoch.0))
        }
        Content::ListOffsetsRequest(r) => (9, u64::from(r.partition.0), r.which as u64),
        Content::ListOffsetsResponse(r) => {
            (10, u64::from(r.partition.0) << 16 | r.error as u64, r.offset.0)
        }
        Content::OffsetsForLeaderEpochRequest(r) => {
            (11, u64::from(r.partition.0), u64::from(r.leader_epoch.0))
        }
        Content::OffsetsForLeaderEpochResponse(r) => {
            let end = r.end.map_or(u64::MAX, |(_, end)| end.0);
            (12, u64::from(r.partition.0) << 16 | r.error as u64, end)
        }
        Content::BrokerRegistrationRequest(r) => {
            let incarnation = u64::from(r.broker.0) << 32 | u64::from(r.incarnation);
            (15, incarnation, r.previous.map_or(u64::MAX, |epoch| epoch.0))
        }
        Content::BrokerRegistrationResponse(r) => (16, r.error as u64, r.epoch.0),
        Content::BrokerHeartbeatRequest(r) => {
            let wishes = u64::from(r.want_fence) << 1 | u64::from(r.want_shutdown);
            (17, u64::from(r.broker.0) << 2 | wishes, r.replayed.0)
        }
        Content::BrokerHeartbeatResponse(r) => {
            let fenced = u64::from(r.fenced) << 1 | u64::from(r.may_shutdown);
            (18, r.error as u64, u64::from(r.caught_up) << 2 | fenced)
        }
        Content::FetchMetadataRequest(r) => (19, r.from.0, r.max_wait.0),
        Content::AllocateProducerIdsRequest(r) => (21, u64::from(r.broker.0), r.epoch.0),
        Content::AllocateProducerIdsResponse(r) => {
            (22, r.error as u64, u64::from(r.first.0) << 32 | u64::from(r.count))
        }
        Content::IncrementalAlterConfigsRequest(r) => {
            let topic = r.topic.map_or(u64::MAX, |t| u64::from(t.0));
            (23, topic << 16 | r.key as u64, r.value.unwrap_or(i64::MIN) as u64)
        }
        Content::ElectLeadersRequest(r) => match r.election {
            ElectionType::Unclean(partition) => (24, u64::from(partition.0), 0),
            ElectionType::Preferred => (26, 0, 0),
        },
        Content::IncrementalAlterConfigsResponse(r) => (25, r.error as u64, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, HostId, Kind};
    use crate::base::ids::{Offset, PartitionId};
    use crate::model::error::ErrorCode;
    use crate::model::message::{
        Content, IncrementalAlterConfigsResponse, Part, PartPool, ProduceResponse,
    };

    fn digest(host: u16, parts: usize) -> u64 {
        let mut pool = PartPool::default();
        let list = pool.take();
        for partition in 0..parts {
            let part = Part::Produced {
                partition: PartitionId(partition as u16),
                error: ErrorCode::None,
                offset: Offset(5),
                leader: None,
            };
            pool.push(list, part);
        }
        let content = Content::from(ProduceResponse { parts: list });
        Digest::of(Kind::Message, HostId(host)).content(&content, Some(list), &pool).value()
    }

    #[test]
    fn a_digest_depends_on_the_node_and_on_what_a_message_says() {
        let (pool, host) = (PartPool::default(), HostId(1));
        let answer = |error| Content::from(IncrementalAlterConfigsResponse { error });
        let message = Digest::of(Kind::Message, host);
        let said = |error| message.content(&answer(error), None, &pool).value();
        assert_eq!(said(ErrorCode::None), said(ErrorCode::None));
        assert_ne!(said(ErrorCode::None), said(ErrorCode::NotLeaderOrFollower));
        assert_eq!(digest(1, 1), digest(1, 1));
        assert_ne!(digest(1, 1), digest(2, 1));
        assert_ne!(digest(1, 1), digest(1, 2), "how much it says");
    }
}
