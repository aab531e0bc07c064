//! What a client believes about leaders, and when it asks again.
//!
//! Follows `Metadata.java`: a request for an update is granted after a back-off that grows with
//! failures and with answers that said nothing new; a leader epoch never goes back, so an answer
//! of a broker that lags is ignored partition by partition. A partition exists for a client if the
//! latest answer named it: a broker that lags behind the creation of a partition takes it away
//! again, until the next answer. Does not know which broker is asked.

use crate::base::ids::{BrokerId, LeaderEpoch, PartitionId};
use crate::base::number_set::NumberSet;
use crate::base::rng::Rng;
use crate::base::time::{Span, Time};
use crate::kafka::backoff;
use crate::model::config::ClientConfig;

/// A partition's leader as far as the client knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Leadership {
    /// The leader, if there is one.
    pub(super) leader: Option<BrokerId>,
    /// Its epoch; none before the first answer.
    pub(super) epoch: Option<LeaderEpoch>,
}

/// A client's metadata.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    config: ClientConfig,
    leaders: Vec<Leadership>,
    /// By partition, the number of the last answer that named it.
    named: Vec<u32>,
    /// How many answers have been asked for.
    answers: u32,
    /// By broker, the partitions that it leads, in order.
    led: Vec<Vec<PartitionId>>,
    /// Partitions whose leader or epoch has changed since [`Cache::next_moved`] named them.
    moved: NumberSet,
    known: bool,
    wanted: bool,
    asking: bool,
    last_success: Time,
    /// Not before this moment, whoever wants an update.
    not_before: Time,
    failures: u32,
    equivalent: u32,
}

impl Cache {
    /// Nothing is known, and an update is wanted.
    pub(super) fn new(config: ClientConfig) -> Self {
        Self {
            config,
            leaders: Vec::new(),
            named: Vec::new(),
            answers: 0,
            led: Vec::new(),
            moved: NumberSet::default(),
            known: false,
            wanted: true,
            asking: false,
            last_success: Time::ZERO,
            not_before: Time::ZERO,
            failures: 0,
            equivalent: 0,
        }
    }

    /// Whether any broker has answered yet.
    pub(super) const fn is_known(&self) -> bool {
        self.known
    }

    /// Who leads the partition.
    pub(super) fn leadership(&self, partition: PartitionId) -> Leadership {
        self.leaders.get(partition.index()).copied().unwrap_or_default()
    }

    /// Who leads the partition, if anybody does.
    pub(super) fn leader(&self, partition: PartitionId) -> Option<BrokerId> {
        self.leadership(partition).leader
    }

    /// The partitions that a broker leads, in order.
    ///
    /// Kafka: Cluster.partitionsForNode
    pub(super) fn led_by(&self, broker: BrokerId) -> &[PartitionId] {
        self.led.get(broker.index()).map_or(&[], Vec::as_slice)
    }

    /// The place of the partition led by a broker that comes before this place, or, if there is
    /// none, of the last that it leads; the place itself if it leads nothing.
    pub(super) fn led_before(&self, broker: BrokerId, place: usize) -> usize {
        let led = self.led_by(broker);
        let before = led.partition_point(|partition| partition.index() < place);
        let before = before.checked_sub(1).or(led.len().checked_sub(1));
        before.map_or(place, |before| led[before].index())
    }

    /// A partition whose leadership has changed since it was last named here, or since the start.
    pub(super) fn next_moved(&mut self) -> Option<PartitionId> {
        let place = self.moved.first_from(0)?;
        self.moved.remove(place);
        Some(PartitionId(place as u16))
    }

    /// Takes a partition's leadership over.
    fn set(&mut self, partition: PartitionId, now: Leadership) {
        let before = std::mem::replace(&mut self.leaders[partition.index()], now);
        if before == now {
            return;
        }
        self.moved.insert(partition.index());
        if before.leader == now.leader {
            return;
        }
        if let Some(leader) = before.leader {
            let led = &mut self.led[leader.index()];
            if let Ok(place) = led.binary_search(&partition) {
                led.remove(place);
            }
        }
        if let Some(leader) = now.leader {
            if self.led.len() <= leader.index() {
                self.led.resize_with(leader.index() + 1, Vec::new);
            }
            let led = &mut self.led[leader.index()];
            let place = led.partition_point(|other| *other < partition);
            led.insert(place, partition);
        }
    }

    /// The next update is to come as soon as the back-off allows.
    pub(super) const fn want_update(&mut self) {
        self.wanted = true;
    }

    /// When the next update is due; `None` while one is being asked for.
    pub(super) fn due(&self) -> Option<Time> {
        if self.asking {
            return None;
        }
        let expiry = self.last_success + self.config.metadata_max_age;
        Some(if self.wanted { self.not_before } else { expiry.max(self.not_before) })
    }

    /// Whether an update is due now. Until it has been asked for, a client sends nothing else.
    ///
    /// Kafka: NetworkClient.isReady
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// The request is on its way.
    pub(super) const fn asked(&mut self) {
        self.asking = true;
        self.answers += 1;
    }

    /// The request failed.
    pub(super) fn failed(&mut self, now: Time, rng: &mut Rng) {
        self.asking = false;
        self.failures += 1;
        self.not_before = now + self.wait(self.failures - 1, rng);
    }

    /// An answer begins; its entries follow by [`Cache::learn`], its end by [`Cache::answered`].
    /// Says whether that entry was news.
    pub(super) fn learn(
        &mut self,
        partition: PartitionId,
        leader: Option<BrokerId>,
        epoch: LeaderEpoch,
    ) -> bool {
        if self.leaders.len() <= partition.index() {
            self.leaders.resize(partition.index() + 1, Leadership::default());
            self.named.resize(partition.index() + 1, 0);
        }
        self.named[partition.index()] = self.answers;
        let entry = self.leaders[partition.index()];
        if entry.epoch.is_some_and(|known| known > epoch) {
            return false;
        }
        let news = entry.epoch != Some(epoch);
        self.set(partition, Leadership { leader, epoch: Some(epoch) });
        news
    }

    /// The answer has been read.
    pub(super) fn answered(&mut self, news: bool, now: Time, rng: &mut Rng) {
        self.asking = false;
        self.known = true;
        self.wanted = false;
        self.failures = 0;
        self.last_success = now;
        self.equivalent = if news { 0 } else { self.equivalent + 1 };
        self.not_before = now + self.wait(self.equivalent.saturating_sub(1), rng);
        // A partition without a leader is worth another look (`Metadata.update`,
        // `requestUpdate` on LEADER_NOT_AVAILABLE); one that was not named exists no more.
        for place in 0..self.leaders.len() {
            let known = self.leaders[place];
            if self.named[place] == self.answers {
                self.wanted |= known.leader.is_none();
            } else if known.leader.is_some() {
                self.set(PartitionId(place as u16), Leadership { leader: None, ..known });
            }
        }
    }

    /// A produce answer named the present leader (KIP-951). Only a newer epoch counts.
    pub(super) fn hint(&mut self, partition: PartitionId, leader: BrokerId, epoch: LeaderEpoch) {
        if let Some(entry) = self.leaders.get(partition.index())
            && entry.epoch.is_none_or(|known| known < epoch)
        {
            self.set(partition, Leadership { leader: Some(leader), epoch: Some(epoch) });
            self.equivalent = 0;
        }
    }

    fn wait(&self, attempts: u32, rng: &mut Rng) -> Span {
        let (initial, max) = (self.config.retry_backoff, self.config.retry_backoff_max);
        backoff::exponential(initial, max, attempts, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::Cache;
    use crate::base::ids::{BrokerId, LeaderEpoch, PartitionId};
    use crate::base::rng::Rng;
    use crate::base::time::{Span, Time};
    use crate::model::config::ClientConfig;

    const P: PartitionId = PartitionId(0);

    #[test]
    fn an_older_epoch_is_ignored() {
        let mut cache = Cache::new(ClientConfig::default());
        assert!(cache.learn(P, Some(BrokerId(2)), LeaderEpoch(5)));
        assert!(!cache.learn(P, Some(BrokerId(1)), LeaderEpoch(4)));
        assert_eq!(cache.leader(P), Some(BrokerId(2)));
        cache.hint(P, BrokerId(3), LeaderEpoch(5));
        assert_eq!(cache.leader(P), Some(BrokerId(2)), "a hint must be newer");
        cache.hint(P, BrokerId(3), LeaderEpoch(6));
        assert_eq!(cache.leader(P), Some(BrokerId(3)));
    }

    #[test]
    fn a_partition_is_there_if_the_latest_answer_names_it() {
        let (mut rng, grown) = (Rng::named(1, "cache"), PartitionId(3));
        let mut cache = Cache::new(ClientConfig::default());
        let mut answer = |cache: &mut Cache, named: &[PartitionId]| {
            cache.asked();
            for partition in named {
                cache.learn(*partition, Some(BrokerId(1)), LeaderEpoch(0));
            }
            cache.answered(true, Time::ZERO, &mut rng);
            (cache.leader(P), cache.leader(grown))
        };
        let leader = Some(BrokerId(1));
        assert_eq!(answer(&mut cache, &[P]), (leader, None));
        assert_eq!(cache.due(), Some(Time::ZERO + Span::secs(300)), "what is not there has none");
        assert_eq!(answer(&mut cache, &[P, grown]), (leader, leader));
        assert_eq!(cache.led_by(BrokerId(1)), [P, grown]);
        assert_eq!(answer(&mut cache, &[P]), (leader, None), "a broker that lags does not name it");
        assert_eq!(answer(&mut cache, &[P, grown]), (leader, leader));
    }

    #[test]
    fn answers_without_news_are_spaced_out() {
        let mut rng = Rng::named(1, "cache");
        let mut cache = Cache::new(ClientConfig::default());
        assert!(cache.is_due(Time::ZERO), "the first update is due at once");
        let mut now = Time::ZERO;
        let mut waits = Vec::new();
        for _ in 0..6 {
            cache.asked();
            assert_eq!(cache.due(), None);
            let news = cache.learn(P, Some(BrokerId(1)), LeaderEpoch(0));
            cache.answered(news, now, &mut rng);
            cache.want_update();
            let due = cache.due().expect("nothing is being asked");
            waits.push(due.since(now));
            now = due;
        }
        assert!(waits[0] <= Span::millis(120) && waits[5] >= Span::millis(800), "{waits:?}");
    }

    #[test]
    fn metadata_ages() {
        let mut rng = Rng::named(1, "cache");
        let mut cache = Cache::new(ClientConfig::default());
        cache.asked();
        cache.learn(P, Some(BrokerId(1)), LeaderEpoch(0));
        cache.answered(true, Time::ZERO, &mut rng);
        assert_eq!(cache.due(), Some(Time::ZERO + Span::secs(300)));
    }
}
