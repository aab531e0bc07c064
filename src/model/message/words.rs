//! What the plain values in messages and logs say, for fingerprints. Every field is named, so that
//! one that is added to any of them does not compile until it is here.

use crate::base::ids::BrokerId;
use crate::base::words::{Word, words};
use crate::model::batch::{Batch, Marker, RecordId, Records, Sequence};
use crate::model::body::BodyId;
use crate::model::config::{Acks, TopicKey};
use crate::model::directory::DirectoryId;
use crate::model::error::ErrorCode;
use crate::model::message::{ElectionType, FetchMetadata, FetchSessionId, Fetcher, WhichOffset};
use crate::model::metadata::{MetadataRecord, PartitionState};

macro_rules! plain_enums {
    ($($type:ty),*) => { $(
        impl Word for $type {
            #[inline]
            fn word(&self) -> u64 {
                *self as u64
            }
        }
    )* };
}

plain_enums!(Acks, ErrorCode, Marker, TopicKey, WhichOffset);

impl Word for BodyId {
    fn word(&self) -> u64 {
        self.number()
    }
}

impl Word for Records {
    #[inline]
    fn word(&self) -> u64 {
        match self {
            Self::Workload(first) => words![0_u64, *first],
            Self::Body(body) => words![1_u64, *body],
            Self::Marker(marker) => words![2_u64, *marker],
        }
    }
}

impl Word for Fetcher {
    #[inline]
    fn word(&self) -> u64 {
        match *self {
            Self::Replica { broker, epoch } => words![0_u64, broker, epoch],
            Self::Consumer { read_committed } => words![1_u64, read_committed],
            Self::UnregisteredReplica { broker } => words![2_u64, broker],
        }
    }
}

impl Word for FetchSessionId {
    #[inline]
    fn word(&self) -> u64 {
        u64::from(self.0)
    }
}

impl Word for FetchMetadata {
    #[inline]
    fn word(&self) -> u64 {
        let Self { session, epoch } = *self;
        words![session, i64::from(epoch)]
    }
}

impl Word for ElectionType {
    fn word(&self) -> u64 {
        match self {
            Self::Preferred => 0,
            Self::Unclean(partition) => 1 + partition.word(),
        }
    }
}

impl Word for DirectoryId {
    fn word(&self) -> u64 {
        let Self { disk, dir } = *self;
        words![disk, dir]
    }
}

impl Word for RecordId {
    #[inline]
    fn word(&self) -> u64 {
        let Self { process, ordinal } = *self;
        u64::from(process.0) << 32 | u64::from(ordinal)
    }
}

impl Word for Sequence {
    #[inline]
    fn word(&self) -> u64 {
        let Self { producer, epoch, first } = *self;
        words![producer, epoch, first]
    }
}

impl Word for Batch {
    #[inline]
    fn word(&self) -> u64 {
        let Self { base, max_timestamp, records, count, bytes, leader_epoch, sequence } = *self;
        words![base, max_timestamp, records, count, bytes, leader_epoch, sequence]
    }
}

impl Word for PartitionState {
    fn word(&self) -> u64 {
        let Self { isr, elr, leader, last_known_elr, leader_epoch, partition_epoch, recovering } =
            *self;
        words![isr, elr, leader, last_known_elr, leader_epoch, partition_epoch, recovering]
    }
}

impl Word for MetadataRecord {
    fn word(&self) -> u64 {
        match *self {
            Self::BrokerRegistered { broker, epoch, incarnation, unclean, log_dirs } => {
                words![0_u64, broker, epoch, incarnation, unclean, log_dirs]
            }
            Self::BrokerFenced { broker, epoch } => words![1_u64, broker, epoch],
            Self::BrokerUnfenced { broker, epoch } => words![2_u64, broker, epoch],
            Self::BrokerShuttingDown { broker, epoch } => words![3_u64, broker, epoch],
            Self::PartitionCreated { partition, topic, ref replicas, state } => {
                let all = |all, broker: &BrokerId| words![all, *broker];
                words![4_u64, partition, topic, replicas.iter().fold(0_u64, all), state]
            }
            Self::PartitionChanged { partition, state } => words![5_u64, partition, state],
            Self::ReplicaAssigned { partition, broker, directory, state } => {
                words![6_u64, partition, broker, directory, state]
            }
            Self::ConfigSet { topic, key, value } => words![7_u64, topic, key, value],
            Self::ProducerIds { next } => words![8_u64, next],
            Self::BrokerLogDirsChanged { broker, epoch, log_dirs } => {
                words![9_u64, broker, epoch, log_dirs]
            }
        }
    }
}
