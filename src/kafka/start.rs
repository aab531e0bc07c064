//! What nodes are started with, and what the operator tells a client process.
//!
//! Plain values that the machine room fills in from the plan. A node started by these and its disk
//! needs nothing else; a restart differs from the first start only by `initial`.

use std::sync::Arc;

use crate::base::ids::{
    BrokerEpoch, BrokerId, ControllerId, LeaderEpoch, Offset, PartitionEpoch, PartitionId,
    PartitionIds, ProcessId, ReplicaSet,
};
use crate::kafka::image::BootstrapImage;
use crate::model::config::{BrokerConfig, Features};
use crate::model::plan::ClientsPlan;

/// What a broker is started with besides its disk.
#[derive(Clone, Debug)]
pub struct BrokerStart {
    /// Which broker.
    pub id: BrokerId,
    /// Its configuration.
    pub config: BrokerConfig,
    /// The controllers, for its registration.
    pub controllers: Vec<ControllerId>,
    /// Which start of the process this is, from 0: the incarnation it registers with.
    pub incarnation: u32,
    /// At time zero of a run: it is registered and unfenced already, and has replayed its copy of
    /// the metadata log.
    pub initial: Option<Initial>,
    /// What the metadata log said when the run began.
    pub bootstrap: Arc<BootstrapImage>,
}

/// A broker's state at time zero of a run.
#[derive(Clone, Debug)]
pub struct Initial {
    /// Its broker epoch.
    pub epoch: BrokerEpoch,
}

/// What a controller is started with besides its disk, on which its metadata log lies.
#[derive(Clone, Debug)]
pub struct ControllerStart {
    /// Its configuration.
    pub config: BrokerConfig,
    /// Feature levels.
    pub features: Features,
    /// The racks of the brokers, as numbers in the order of the racks' names.
    pub racks: Vec<Option<u16>>,
    /// The ids of each topic's partitions, by `TopicId`.
    pub topics: Vec<PartitionIds>,
    /// Time zero of a run: it has been active for some time, and brokers were heard of before.
    pub initial: bool,
}

/// What a client process is started with besides its store and its application.
#[derive(Clone, Debug)]
pub struct ProcessStart {
    /// Which process.
    pub id: ProcessId,
    /// How many brokers there are: its bootstrap servers.
    pub brokers: u16,
    /// The ids of each topic's partitions, by `TopicId`; metadata tells which of them exist.
    pub topics: Vec<PartitionIds>,
    /// Which clients it has.
    pub clients: ClientsPlan,
    /// Whether its application begins by itself.
    pub begins: bool,
}

/// What the operator tells a client process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin (a paced producer sends, a consumer polls).
    Start,
    /// Stop: flush, then say `Fact::ClientStopped`.
    Stop,
    /// Send records one after the other, beside what it does anyway.
    Send {
        /// How many.
        count: u32,
        /// Number of the label of their values, and the first number behind it: labels are
        /// counted over a whole script, whoever sends.
        label: Option<(u16, u32)>,
        /// To this partition; the partitioner chooses if `None`.
        partition: Option<PartitionId>,
        /// Whether each waits for the answer to the one before.
        awaits: bool,
    },
    /// Move a consumer's position.
    Seek {
        /// Of this partition.
        partition: PartitionId,
        /// To this offset.
        offset: Offset,
    },
}

/// What a broker says of one of its replicas when the run audits it. For audits and reports of the
/// final state only; no checker and no node may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaView {
    /// Whether it leads.
    pub leads: bool,
    /// In which leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// Log start offset.
    pub log_start: Offset,
    /// Log end offset.
    pub end: Offset,
    /// High watermark.
    pub watermark: Offset,
    /// The partition epoch of the committed state that it goes by.
    pub partition_epoch: PartitionEpoch,
    /// The ISR it believes committed (leaders only).
    pub isr: ReplicaSet,
    /// Whether its log directory is offline.
    pub offline: bool,
}
