//! Broker liveness: registration, heartbeats, sessions, fencing.
//!
//! [`Registry`] is what the controller knows of brokers besides the metadata log: when each was
//! heard last and how far it has replayed. It is gone when the controller stops. Follows
//! `ClusterControlManager.java`, `BrokerHeartbeatManager.java` and `BrokerHeartbeatTracker.java`.
//! The decisions are pure and push records; what they decide takes effect when those are replayed.

use crate::base::ids::{BrokerEpoch, BrokerId, Offset};
use crate::base::time::{Span, Time};
use crate::kafka::controller::rulings;
use crate::kafka::controller::view::View;
use crate::kafka::image::Image;
use crate::model::config::BrokerConfig;
use crate::model::error::ErrorCode;
use crate::model::message::{BrokerHeartbeatRequest, BrokerRegistrationRequest};
use crate::model::metadata::MetadataRecord;
use crate::model::rules::Rules;

#[derive(Clone, Copy, Debug, Default)]
struct Liveness {
    /// Of which registration it has a session, and when that ends if nothing is heard.
    session: Option<(BrokerEpoch, Time)>,
    /// One past the last metadata record it has replayed, as it said last.
    replayed: Offset,
    /// In controlled shutdown: where the metadata log ended when its leaders had been moved.
    shutdown_at: Option<Offset>,
}

/// What the controller knows of brokers besides the metadata.
#[derive(Clone, Debug)]
pub(super) struct Registry {
    brokers: Vec<Liveness>,
    session_timeout: Span,
}

/// How a broker stands (`BrokerControlState.java`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It serves nobody.
    Fenced,
    /// It serves.
    Unfenced,
    /// Its leaderships are being moved (KIP-841).
    ShuttingDown,
    /// It is fenced and may stop.
    MayStop,
}

impl Registry {
    /// At takeover: every unfenced broker gets a fresh session. `heard` is how long ago each was
    /// heard of: not at all long, but at time zero of a run.
    ///
    /// Kafka: ClusterControlManager.activate
    pub(super) fn takeover(
        image: &Image,
        config: &BrokerConfig,
        brokers: u16,
        now: Time,
        mut heard: impl FnMut() -> Span,
    ) -> Self {
        let session_timeout = config.session_timeout;
        let mut registry =
            Self { brokers: vec![Liveness::default(); usize::from(brokers)], session_timeout };
        for (broker, registered) in image.brokers().filter(|(_, b)| !b.fenced) {
            let ends = now + Span(session_timeout.0.saturating_sub(heard().0));
            registry.entry(broker).session = Some((registered.epoch, ends));
        }
        registry
    }

    fn entry(&mut self, broker: BrokerId) -> &mut Liveness {
        let index = broker.index();
        if self.brokers.len() <= index {
            self.brokers.resize(index + 1, Liveness::default());
        }
        &mut self.brokers[index]
    }

    fn get(&self, broker: BrokerId) -> Liveness {
        self.brokers.get(broker.index()).copied().unwrap_or_default()
    }

    /// A heartbeat has been handled: the session goes on, unless fenced brokers have none.
    ///
    /// Kafka: BrokerHeartbeatManager.touch
    pub(super) fn touch(
        &mut self,
        heartbeat: &BrokerHeartbeatRequest,
        fenced: bool,
        rules: &Rules,
        now: Time,
    ) {
        let ends = now + self.session_timeout;
        let liveness = self.entry(heartbeat.broker);
        liveness.replayed = heartbeat.replayed;
        let has_session = !fenced || rulings::fenced_has_session(rules);
        liveness.session = has_session.then_some((heartbeat.epoch, ends));
    }

    /// A broker's leaders have been moved; it may stop once everybody has replayed up to here.
    pub(super) fn begin_shutdown(&mut self, broker: BrokerId, at: Offset) {
        self.entry(broker).shutdown_at.get_or_insert(at);
    }

    /// Whether this controller has a broker in controlled shutdown; one that was started anew knows
    /// of nobody. Who is fenced is in no shutdown any more.
    pub(super) fn is_shutting_down(&self, broker: BrokerId) -> bool {
        self.get(broker).shutdown_at.is_some()
    }

    /// Follows a record that is part of the metadata log now. How far a broker has replayed is
    /// forgotten with every change of its registration, until its next heartbeat: the change is
    /// replayed when the heartbeat that caused it has been taken in.
    ///
    /// Kafka: ClusterControlManager.replayRegistrationChange
    /// Kafka: BrokerHeartbeatManager.register
    pub(super) fn replay(&mut self, record: &MetadataRecord, rules: &Rules) {
        match *record {
            MetadataRecord::BrokerRegistered { broker, .. } => {
                *self.entry(broker) = Liveness::default();
            }
            MetadataRecord::BrokerFenced { broker, .. } => {
                let liveness = self.entry(broker);
                liveness.shutdown_at = None;
                liveness.replayed = Offset::ZERO;
                if !rulings::fenced_has_session(rules) {
                    liveness.session = None;
                }
            }
            MetadataRecord::BrokerUnfenced { broker, .. }
            | MetadataRecord::BrokerLogDirsChanged { broker, .. }
            | MetadataRecord::BrokerShuttingDown { broker, .. } => {
                self.entry(broker).replayed = Offset::ZERO;
            }
            MetadataRecord::PartitionCreated { .. }
            | MetadataRecord::PartitionChanged { .. }
            | MetadataRecord::ReplicaAssigned { .. }
            | MetadataRecord::ConfigSet { .. }
            | MetadataRecord::ProducerIds { .. } => {}
        }
    }

    /// Strictly longer than the time-out since the last contact (`BrokerHeartbeatTracker`).
    ///
    /// Kafka: BrokerHeartbeatManager.hasValidSession
    fn has_session(&self, broker: BrokerId, epoch: BrokerEpoch, now: Time) -> bool {
        self.get(broker).session.is_some_and(|(of, ends)| of == epoch && now <= ends)
    }

    /// The session that has been without contact the longest, and when it ends.
    pub(super) fn first_to_end(&self) -> Option<(BrokerId, Time)> {
        let sessions = self.brokers.iter().enumerate();
        let sessions = sessions.filter_map(|(i, b)| Some((BrokerId::at(i), b.session?.1)));
        sessions.min_by_key(|(broker, ends)| (*ends, *broker))
    }

    /// Ends the session that has been without contact the longest, if its time is over.
    pub(super) fn end_one_session(&mut self, now: Time) -> Option<BrokerId> {
        let (broker, ends) = self.first_to_end()?;
        if now <= ends {
            return None;
        }
        self.entry(broker).session = None;
        Some(broker)
    }

    /// How far every active broker has replayed; `None` if there is none to wait for.
    ///
    /// Kafka: BrokerHeartbeatManager.lowestActiveOffset
    fn replayed_by_all_active(&self, image: &Image) -> Option<Offset> {
        let active = image.brokers().filter(|(id, b)| !b.fenced && !self.is_shutting_down(*id));
        active.map(|(broker, _)| self.get(broker).replayed).min()
    }
}

/// Whether a request comes from the present incarnation of a broker.
///
/// Kafka: ClusterControlManager.checkBrokerEpoch
pub(super) fn check_epoch(image: &Image, broker: BrokerId, epoch: BrokerEpoch) -> ErrorCode {
    match image.broker(broker) {
        Some(registered) if registered.epoch == epoch => ErrorCode::None,
        _ => ErrorCode::StaleBrokerEpoch,
    }
}

/// Decides a registration. The granted epoch is the offset of its record.
///
/// Kafka: ClusterControlManager.registerBroker
pub(super) fn register(
    view: &View<'_>,
    request: &BrokerRegistrationRequest,
    now: Time,
    records: &mut Vec<MetadataRecord>,
) -> Result<BrokerEpoch, ErrorCode> {
    let BrokerRegistrationRequest { broker, incarnation, previous, log_dirs } = *request;
    let mut unclean = false;
    if let Some(registered) = view.image.broker(broker) {
        if registered.incarnation == incarnation {
            return Ok(registered.epoch);
        }
        if view.registry.has_session(broker, registered.epoch, now) {
            return Err(ErrorCode::DuplicateBrokerRegistration);
        }
        // The clean-shutdown marker carries the epoch of the incarnation that wrote it.
        unclean = previous != Some(registered.epoch);
        if unclean && view.elr {
            view.remove_unclean(broker, records);
        } else {
            view.remove(broker, records);
        }
    }
    let epoch = BrokerEpoch((view.image.end() + records.len() as u64).0);
    let registered =
        MetadataRecord::BrokerRegistered { broker, epoch, incarnation, unclean, log_dirs };
    records.push(registered);
    Ok(epoch)
}

/// Decides fencing: the partitions first, so that nobody sees a fenced broker lead.
///
/// Kafka: ReplicationControlManager.handleBrokerFenced
pub(super) fn fence(view: &View<'_>, broker: BrokerId, records: &mut Vec<MetadataRecord>) {
    if let Some(registered) = view.image.broker(broker) {
        view.remove(broker, records);
        records.push(MetadataRecord::BrokerFenced { broker, epoch: registered.epoch });
    }
}

/// Whether a broker has replayed its own registration.
pub(super) fn is_caught_up(heartbeat: &BrokerHeartbeatRequest) -> bool {
    heartbeat.replayed.0 > heartbeat.epoch.0
}

/// Decides what a heartbeat changes. The broker epoch has been checked.
///
/// Kafka: ReplicationControlManager.processBrokerHeartbeat
pub(super) fn heartbeat(
    view: &View<'_>,
    heartbeat: &BrokerHeartbeatRequest,
    records: &mut Vec<MetadataRecord>,
) -> Standing {
    let BrokerHeartbeatRequest { broker, epoch, .. } = *heartbeat;
    let liveness = view.registry.get(broker);
    let registered = view.image.broker(broker);
    let current = if view.registry.is_shutting_down(broker) {
        Standing::ShuttingDown
    } else if registered.is_none_or(|b| b.fenced) {
        Standing::Fenced
    } else {
        Standing::Unfenced
    };
    let next = next_standing(current, heartbeat, || duties(view, broker, liveness.shutdown_at));
    if next == current {
        return next;
    }
    match next {
        Standing::Fenced | Standing::MayStop => fence(view, broker, records),
        Standing::Unfenced => {
            records.push(MetadataRecord::BrokerUnfenced { broker, epoch });
            view.elect_leaderless(broker, records);
        }
        Standing::ShuttingDown => {
            if registered.is_some_and(|b| !b.shutting_down) {
                records.push(MetadataRecord::BrokerShuttingDown { broker, epoch });
            }
            view.remove(broker, records);
        }
    }
    next
}

/// What keeps a broker from stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duties {
    /// It leads partitions.
    Leads,
    /// Some active broker has not heard yet that it leads nothing.
    Unheard,
    /// Nothing.
    None,
}

fn duties(view: &View<'_>, broker: BrokerId, shutdown_at: Option<Offset>) -> Duties {
    if view.image.partitions().any(|(_, p)| p.state.leader == Some(broker)) {
        return Duties::Leads;
    }
    let heard = view.registry.replayed_by_all_active(view.image);
    match (shutdown_at, heard) {
        (Some(at), Some(heard)) if heard < at => Duties::Unheard,
        _ => Duties::None,
    }
}

/// Where a broker goes from where it stands, by what it wishes.
///
/// Kafka: BrokerHeartbeatManager.calculateNextBrokerState
fn next_standing(
    current: Standing,
    heartbeat: &BrokerHeartbeatRequest,
    duties: impl FnOnce() -> Duties,
) -> Standing {
    let BrokerHeartbeatRequest { want_fence, want_shutdown, .. } = *heartbeat;
    match current {
        Standing::Fenced if want_shutdown => Standing::MayStop,
        Standing::Fenced if !want_fence && is_caught_up(heartbeat) => Standing::Unfenced,
        Standing::Fenced => Standing::Fenced,
        Standing::Unfenced if want_fence && want_shutdown => Standing::MayStop,
        Standing::Unfenced if want_fence => Standing::Fenced,
        Standing::Unfenced if want_shutdown => match duties() {
            Duties::Leads => Standing::ShuttingDown,
            Duties::Unheard | Duties::None => Standing::MayStop,
        },
        Standing::Unfenced => Standing::Unfenced,
        Standing::ShuttingDown | Standing::MayStop => match duties() {
            Duties::Leads | Duties::Unheard => Standing::ShuttingDown,
            Duties::None => Standing::MayStop,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standings_follow_wishes_and_duties() {
        use Standing::{Fenced, MayStop, ShuttingDown, Unfenced};
        // before, replayed, wants fence, wants shutdown, duties, after; registered at offset 5
        let table = [
            (Fenced, 5, false, false, Duties::None, Fenced),
            (Fenced, 6, false, false, Duties::None, Unfenced),
            (Fenced, 6, true, false, Duties::None, Fenced),
            (Fenced, 0, false, true, Duties::None, MayStop),
            (Unfenced, 6, false, false, Duties::Leads, Unfenced),
            (Unfenced, 6, true, false, Duties::Leads, Fenced),
            (Unfenced, 6, true, true, Duties::Leads, MayStop),
            (Unfenced, 6, false, true, Duties::Leads, ShuttingDown),
            (Unfenced, 6, false, true, Duties::Unheard, MayStop),
            (Unfenced, 6, false, true, Duties::None, MayStop),
            (ShuttingDown, 6, false, true, Duties::Leads, ShuttingDown),
            (ShuttingDown, 6, false, true, Duties::Unheard, ShuttingDown),
            (ShuttingDown, 6, false, true, Duties::None, MayStop),
        ];
        for (current, replayed, want_fence, want_shutdown, duties, expected) in table {
            let heartbeat = BrokerHeartbeatRequest {
                broker: BrokerId(1),
                epoch: BrokerEpoch(5),
                replayed: Offset(replayed),
                want_fence,
                want_shutdown,
                offline_dirs: 0,
            };
            let next = next_standing(current, &heartbeat, || duties);
            assert_eq!(next, expected, "{current:?} {heartbeat:?} {duties:?}");
        }
    }
}
