//! The controller that a test plays: it answers what brokers ask, and writes the metadata log.

use crate::base::ids::{
    BrokerEpoch, BrokerId, ConnectionId, LeaderEpoch, NodeId, Offset, ProducerId,
};
use crate::kafka::broker::tests::harness::{CONTROLLER, Cluster, Proposal};
use crate::kafka::metadata_log;
use crate::model::directory::LogDirs;
use crate::model::error::ErrorCode;
use crate::model::message::{
    AllocateProducerIdsResponse, ApiVersionsResponse, BrokerHeartbeatRequest,
    BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse, Content,
    FetchMetadataRequest, FetchMetadataResponse, Message,
};
use crate::model::metadata::MetadataRecord;

pub(super) fn registered(of: (BrokerId, BrokerEpoch, u32), log_dirs: LogDirs) -> MetadataRecord {
    let (broker, epoch, incarnation) = of;
    MetadataRecord::BrokerRegistered { broker, epoch, incarnation, unclean: false, log_dirs }
}

impl Cluster {
    pub(super) fn on_controller(&mut self, connection: ConnectionId, message: Message) {
        if self.silent {
            return;
        }
        let correlation = message.correlation;
        let content = match message.content {
            Content::ApiVersionsRequest(_) => ApiVersionsResponse {}.into(),
            Content::FetchMetadataRequest(FetchMetadataRequest { from, watermark, .. }) => {
                self.metadata_fetches.push(from);
                if from.min(watermark).0 >= self.log.len() as u64 {
                    return self.waiting.push((connection, correlation, from));
                }
                return self.answer_metadata(connection, correlation, from);
            }
            Content::AlterPartitionRequest(request) => {
                let item = self.lists.get(request.partitions)[0];
                let members = self.lists.get(request.broker_states).to_vec();
                return self.proposals.push(Proposal { connection, correlation, item, members });
            }
            Content::BrokerRegistrationRequest(request) => {
                let BrokerRegistrationRequest { broker, incarnation, log_dirs, .. } = request;
                let epoch = BrokerEpoch(self.metadata.len() as u64);
                self.decide_later(registered((broker, epoch, incarnation), log_dirs));
                BrokerRegistrationResponse { error: ErrorCode::None, epoch }.into()
            }
            Content::BrokerHeartbeatRequest(request) => {
                let BrokerHeartbeatRequest { broker, epoch, want_shutdown, .. } = request;
                let BrokerHeartbeatRequest { replayed, want_fence, offline_dirs, .. } = request;
                self.heartbeats.push((broker, want_shutdown, offline_dirs));
                if self.mute {
                    return;
                }
                let caught_up = replayed.0 > epoch.0;
                let fenced = want_fence || !caught_up;
                if !fenced && !want_shutdown {
                    self.decide_later(MetadataRecord::BrokerUnfenced { broker, epoch });
                }
                let led = self.state.leader == Some(broker);
                let may_shutdown = want_shutdown && !led;
                let error = ErrorCode::None;
                BrokerHeartbeatResponse { error, caught_up, fenced, may_shutdown }.into()
            }
            Content::AssignReplicasToDirsRequest(request) => {
                let replicas = self.lists.get(request.partitions).iter();
                self.assigned.extend(replicas.map(|replica| (request.broker, *replica)));
                return;
            }
            Content::AllocateProducerIdsRequest(_) => {
                let (error, first, count) = (ErrorCode::None, ProducerId(1000), 1000);
                AllocateProducerIdsResponse { error, first, count }.into()
            }
            _ => return,
        };
        self.controller_sends(connection, correlation, content);
    }

    /// Appends to the metadata log, unless it says so already.
    fn decide_later(&mut self, record: MetadataRecord) {
        if !self.metadata.contains(&record) {
            self.write_metadata(record);
            for (connection, correlation, from) in std::mem::take(&mut self.waiting) {
                self.answer_metadata(connection, correlation, from);
            }
        }
    }

    pub(super) fn write_metadata(&mut self, record: MetadataRecord) {
        let (base, epoch) = (Offset(self.log.len() as u64), LeaderEpoch(1));
        let records = vec![record.clone()];
        self.log.push(metadata_log::batch(records, base, epoch, self.now, &mut self.bodies));
        self.metadata.push(record);
    }

    pub(super) fn answer_metadata(
        &mut self,
        connection: ConnectionId,
        correlation: u32,
        from: Offset,
    ) {
        let end = Offset(self.log.len() as u64);
        let follower = self.other_end(connection, CONTROLLER);
        let told = |(broker, _): &mut _| NodeId::Broker(BrokerId(*broker)) == follower;
        let diverging = self.parts_at.take_if(told).map(|(_, parts_at)| parts_at);
        let records = self.lists.take();
        let told = self.log.iter().skip(from.0 as usize).filter(|_| diverging.is_none());
        told.for_each(|batch| self.lists.push(records, *batch));
        let response = FetchMetadataResponse { from, end, diverging, records };
        self.controller_sends(connection, correlation, response.into());
    }
}
