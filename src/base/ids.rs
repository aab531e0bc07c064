//! Names of things as numbers: one newtype each, so that an epoch is never taken for an offset.
//!
//! Does not know what the numbered things are.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

macro_rules! epoch {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        id!($(#[$doc])* $name($inner), "e");

        impl $name {
            /// The next epoch.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }
    };
}

id!(
    /// A broker, numbered from 1 as in Kafka.
    BrokerId(u16), "b"
);
id!(
    /// A controller (voter of the metadata quorum), numbered from 1.
    ControllerId(u16), "ctl"
);
id!(
    /// A client process, numbered from 0 in the order of the scenario file.
    ProcessId(u16), "p"
);
id!(
    /// How often a broker's disk has been formatted anew: each time its directories get new ids.
    DiskId(u32), "disk"
);
id!(
    /// A topic, numbered from 0 in the order of the scenario file.
    TopicId(u16), "topic"
);
id!(
    /// A partition, numbered from 0 over all topics. Its name (`orders-0`) is in `model::names`.
    PartitionId(u16), "partition"
);
id!(
    /// A producer id as the cluster hands it out; unique per cluster.
    ProducerId(u32), "pid"
);
id!(
    /// A network connection; an id may be used again once both ends have forgotten it.
    ConnectionId(u32), "c"
);
epoch!(
    /// Counts the leaders of a partition.
    LeaderEpoch(u32)
);
epoch!(
    /// Counts the changes of a partition's committed state.
    PartitionEpoch(u32)
);
id!(
    /// The offset of a broker's registration in the metadata log; higher is newer.
    BrokerEpoch(u64), "e"
);
epoch!(
    /// Fences the older sessions of one producer id.
    ProducerEpoch(u16)
);

impl BrokerId {
    /// Position in a vector over all brokers.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }

    /// The broker at this position of a vector over all brokers.
    #[must_use]
    pub const fn at(index: usize) -> Self {
        Self(index as u16 + 1)
    }
}

impl ControllerId {
    /// Position in a vector over all controllers.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }
}

impl ProcessId {
    /// Position in a vector over all processes.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl TopicId {
    /// Position in a vector over all topics.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl PartitionId {
    /// Position in a vector over all partitions.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The ids of one topic's partitions, which Kafka numbers from 0 within their topic. They follow
/// one another, with room for those that are created later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionIds {
    /// Partition 0.
    pub first: PartitionId,
    /// How many partitions the topic has at most.
    pub most: u16,
}

impl PartitionIds {
    /// The partition of this number within the topic.
    #[must_use]
    pub const fn id(self, number: u16) -> PartitionId {
        PartitionId(self.first.0 + number)
    }

    /// The number of a partition within the topic; `None` if it belongs to another topic.
    #[must_use]
    pub fn number(self, partition: PartitionId) -> Option<u16> {
        partition.0.checked_sub(self.first.0).filter(|number| *number < self.most)
    }

    /// All of them, whether they exist or not.
    pub fn all(self) -> impl Iterator<Item = PartitionId> {
        (0..self.most).map(move |number| self.id(number))
    }
}

/// Something that is appended to, synced, truncated and recovered. Orders as a disk is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogId {
    /// The log of one replica of a partition.
    Partition(PartitionId),
    /// `__cluster_metadata`: the controller's log, and each broker's copy of it.
    Metadata,
}

impl LogId {
    /// The partition whose log it is.
    #[must_use]
    pub const fn partition(self) -> Option<PartitionId> {
        match self {
            Self::Partition(partition) => Some(partition),
            Self::Metadata => None,
        }
    }
}

impl From<PartitionId> for LogId {
    fn from(partition: PartitionId) -> Self {
        Self::Partition(partition)
    }
}

/// A node of the simulated world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeId {
    /// A broker.
    Broker(BrokerId),
    /// A controller.
    Controller(ControllerId),
    /// A client process.
    Process(ProcessId),
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(id) => id.fmt(f),
            Self::Controller(id) => id.fmt(f),
            Self::Process(id) => id.fmt(f),
        }
    }
}

/// A place in a partition's log, or in the metadata log; ends are exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

impl Offset {
    /// The start of every log.
    pub const ZERO: Self = Self(0);
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Add<u64> for Offset {
    type Output = Self;
    fn add(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl AddAssign<u64> for Offset {
    fn add_assign(&mut self, count: u64) {
        self.0 += count;
    }
}

/// How many offsets lie between; zero if the other is ahead.
impl Sub for Offset {
    type Output = u64;
    fn sub(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }
}

/// A set of replicas of one partition: bit *i* is the *i*-th entry of its replica list (RF ≤ 64).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaSet(pub u64);

impl ReplicaSet {
    /// No replica.
    pub const EMPTY: Self = Self(0);

    /// The first `count` replicas of the list.
    #[must_use]
    pub const fn first(count: usize) -> Self {
        Self(if count >= 64 { u64::MAX } else { (1 << count) - 1 })
    }

    /// The replica at this place of the list, alone.
    #[must_use]
    pub const fn only(place: usize) -> Self {
        Self(1 << place)
    }

    /// Whether the replica at this place is in the set.
    #[must_use]
    pub const fn has(self, place: usize) -> bool {
        self.0 >> place & 1 == 1
    }

    /// With the replica at this place.
    #[must_use]
    pub const fn with(self, place: usize) -> Self {
        Self(self.0 | 1 << place)
    }

    /// Without the replica at this place.
    #[must_use]
    pub const fn without(self, place: usize) -> Self {
        Self(self.0 & !(1 << place))
    }

    /// In either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// In this set and not in the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every member is in the other set.
    #[must_use]
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// How many replicas.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether it has no member.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The places in the set, in the order of the replica list.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let place = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                place
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ReplicaSet;

    #[test]
    fn a_replica_set_is_a_set() {
        let set = ReplicaSet::first(3).without(1);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 2]);
        assert!(set.is_subset(ReplicaSet::first(3)) && !ReplicaSet::first(3).is_subset(set));
        assert_eq!(set.union(ReplicaSet::only(5)).len(), 3);
        assert_eq!(ReplicaSet::first(64).len(), 64);
    }
}
