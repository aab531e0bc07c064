//! Examples of what messages are made of, for tests of the table.

use crate::base::ids::{
    BrokerEpoch, BrokerId, DiskId, LeaderEpoch, Offset, PartitionEpoch, PartitionId, ProcessId,
    ProducerEpoch, ProducerId, ReplicaSet, TopicId,
};
use crate::base::time::{Span, Time};
use crate::model::batch::{Batch, Marker, RecordId, Records, Sequence};
use crate::model::config::{Acks, TopicKey};
use crate::model::directory::{DirectoryId, LogDirs};
use crate::model::error::ErrorCode;
use crate::model::message::lists::{Holds, List, Sublist};
use crate::model::message::{ElectionType, FetchMetadata, FetchSessionId, Fetcher, WhichOffset};
use crate::model::metadata::PartitionState;

/// A value for tests, and pairs of values that differ in one word.
pub(crate) trait Example<L>: Copy {
    /// A value.
    fn example(lists: &mut L) -> Self;
    /// For every word: its name, and two values that differ in nothing else.
    fn pairs(lists: &mut L) -> Vec<(String, Self, Self)>;
}

/// All pairs of these values.
fn pairs_of<T: Copy + std::fmt::Debug>(values: &[T]) -> Vec<(String, T, T)> {
    let with = |(place, one): (usize, &T)| {
        let one = *one;
        values[..place].iter().map(move |other| (format!(" {one:?} {other:?}"), one, *other))
    };
    values.iter().enumerate().flat_map(with).collect()
}

macro_rules! values {
    ($($type:ty: $($value:expr),+;)*) => { $(
        impl<L> Example<L> for $type {
            fn example(_: &mut L) -> Self {
                [$($value),+][0]
            }

            fn pairs(_: &mut L) -> Vec<(String, Self, Self)> {
                pairs_of(&[$($value),+])
            }
        }
    )* };
}

/// Structs whose fields have examples.
macro_rules! structs {
    ($($type:ident { $($field:ident: $of:ty),* })*) => { $(
        example! { [L] L, $type { $($field: $of,)* } }
    )* };
}

values! {
    bool: false, true;
    u16: 0, 1, 2;
    u32: 0, 1, 2, 1 << 20;
    u64: 0, 1, 2, 1 << 40;
    i64: 0, 1, -1;
    BrokerEpoch: BrokerEpoch(0), BrokerEpoch(1);
    BrokerId: BrokerId(1), BrokerId(2);
    DiskId: DiskId(0), DiskId(1);
    LogDirs:
        LogDirs::new(DiskId(0), 2, 0),
        LogDirs::new(DiskId(0), 2, 1),
        LogDirs::new(DiskId(1), 2, 0);
    LeaderEpoch: LeaderEpoch(0), LeaderEpoch(1);
    Offset: Offset(0), Offset(1), Offset(1 << 40);
    PartitionEpoch: PartitionEpoch(0), PartitionEpoch(1);
    PartitionId: PartitionId(0), PartitionId(1);
    ProcessId: ProcessId(0), ProcessId(1);
    ProducerEpoch: ProducerEpoch(0), ProducerEpoch(1);
    ProducerId: ProducerId(0), ProducerId(1);
    ReplicaSet: ReplicaSet(0b011), ReplicaSet(0b101);
    Span: Span(0), Span(1);
    Time: Time(0), Time(1);
    TopicId: TopicId(0), TopicId(1);
    Acks: Acks::None, Acks::Leader, Acks::All;
    Records:
        Records::Marker(Marker::Commit),
        Records::Marker(Marker::Abort),
        Records::Workload(RecordId { process: ProcessId(0), ordinal: 0 }),
        Records::Workload(RecordId { process: ProcessId(1), ordinal: 0 }),
        Records::Workload(RecordId { process: ProcessId(0), ordinal: 1 });
    ErrorCode: ErrorCode::None, ErrorCode::NotLeaderOrFollower, ErrorCode::UnknownServerError;
    TopicKey: TopicKey::MinInsyncReplicas, TopicKey::FlushMs;
    WhichOffset: WhichOffset::Earliest, WhichOffset::Latest, WhichOffset::LogEnd;
    ElectionType:
        ElectionType::Preferred,
        ElectionType::Unclean(PartitionId(0)),
        ElectionType::Unclean(PartitionId(1));
    Fetcher:
        Fetcher::Consumer { read_committed: false },
        Fetcher::Consumer { read_committed: true },
        Fetcher::UnregisteredReplica { broker: BrokerId(1) },
        Fetcher::UnregisteredReplica { broker: BrokerId(2) },
        Fetcher::Replica { broker: BrokerId(1), epoch: BrokerEpoch(0) },
        Fetcher::Replica { broker: BrokerId(1), epoch: BrokerEpoch(1) },
        Fetcher::Replica { broker: BrokerId(2), epoch: BrokerEpoch(1) };
    FetchSessionId: FetchSessionId(0), FetchSessionId(1);
    FetchMetadata:
        FetchMetadata { session: FetchSessionId(0), epoch: 0 },
        FetchMetadata { session: FetchSessionId(0), epoch: -1 },
        FetchMetadata { session: FetchSessionId(0), epoch: 1 },
        FetchMetadata { session: FetchSessionId(1), epoch: 1 };
}

structs! {
    DirectoryId { disk: DiskId, dir: u16 }
    Sequence { producer: ProducerId, epoch: ProducerEpoch, first: u32 }
    Batch {
        base: Offset, max_timestamp: Time, records: Records, count: u32, bytes: u32,
        leader_epoch: LeaderEpoch, sequence: Option<Sequence>
    }
    PartitionState {
        isr: ReplicaSet, elr: ReplicaSet, leader: Option<BrokerId>,
        last_known_elr: Option<BrokerId>, leader_epoch: LeaderEpoch,
        partition_epoch: PartitionEpoch, recovering: bool
    }
}

impl<T: Example<L>, L> Example<L> for Option<T> {
    fn example(lists: &mut L) -> Self {
        Some(T::example(lists))
    }

    fn pairs(lists: &mut L) -> Vec<(String, Self, Self)> {
        let mut found: Vec<_> = T::pairs(lists)
            .into_iter()
            .map(|(word, one, other)| (word, Some(one), Some(other)))
            .collect();
        found.push((" None".to_owned(), None, Some(T::example(lists))));
        found
    }
}

impl<A: Example<L>, B: Example<L>, L> Example<L> for (A, B) {
    fn example(lists: &mut L) -> Self {
        (A::example(lists), B::example(lists))
    }

    fn pairs(lists: &mut L) -> Vec<(String, Self, Self)> {
        let (a, b) = Self::example(lists);
        let first = A::pairs(lists).into_iter().map(|(w, x, y)| (format!(".0{w}"), (x, b), (y, b)));
        let mut found: Vec<_> = first.collect();
        let second = B::pairs(lists).into_iter();
        found.extend(second.map(|(w, x, y)| (format!(".1{w}"), (a, x), (a, y))));
        found
    }
}

impl<T: Copy, L> Example<L> for Sublist<T> {
    fn example(_: &mut L) -> Self {
        Self::new(0..1)
    }

    fn pairs(_: &mut L) -> Vec<(String, Self, Self)> {
        vec![
            (".start".to_owned(), Self::new(0..1), Self::new(1..2)),
            (".count".to_owned(), Self::new(0..1), Self::new(0..2)),
        ]
    }
}

impl<T: Example<L> + crate::model::message::Entry, L: Holds<T>> Example<L> for List<T> {
    fn example(lists: &mut L) -> Self {
        let entry = T::example(lists);
        list_of(&[entry], lists)
    }

    fn pairs(lists: &mut L) -> Vec<(String, Self, Self)> {
        let same = T::example(lists);
        let mut found = Vec::new();
        for (word, one, other) in T::pairs(lists) {
            let last = list_of(&[same, one], lists);
            found.push((format!("[1] {word}"), last, list_of(&[same, other], lists)));
            let first = list_of(&[one, same], lists);
            found.push((format!("[0] {word}"), first, list_of(&[other, same], lists)));
            let order = list_of(&[one, other], lists);
            found.push((format!("[order] {word}"), order, list_of(&[other, one], lists)));
        }
        found.push((".len".to_owned(), list_of(&[], lists), list_of(&[same], lists)));
        found
    }
}

fn list_of<T: crate::model::message::Entry, L: Holds<T>>(entries: &[T], lists: &mut L) -> List<T> {
    let pool = lists.pool_mut();
    let list = pool.take();
    entries.iter().for_each(|entry| pool.push(list, *entry));
    list
}
