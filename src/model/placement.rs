//! Which brokers hold the replicas of a new topic.
//!
//! Follows `StripedReplicaPlacer.java`: the replicas of a partition go to one rack after the
//! other, the next partition begins one rack further, and within a rack the brokers take turns.
//! Fenced brokers come last and lead nothing. Brokers without a rack are a rack of their own.
//!
//! Kafka draws where it starts and shuffles once every broker has led. A scenario's topics are
//! placed before there is a seed: without an [`Rng`] every start is the first rack and its first
//! broker, and the order is never shuffled, which is one of the outcomes that Kafka may draw.
//! The placer lies in `model`, because `scenario` places the topics of time zero with it, and the
//! controller may place later ones.

use std::fmt;

use crate::base::ids::BrokerId;
use crate::base::rng::Rng;
use crate::model::plan::BrokerPlan;

/// A registered broker that may hold replicas.
///
/// Kafka: ClusterControlManager.usableBrokers
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsableBroker {
    /// Which broker.
    pub id: BrokerId,
    /// Its `broker.rack`, as a number in the order of the racks' names; `None` comes first.
    pub rack: Option<u16>,
    /// Whether it is fenced: it may hold replicas, but leads none from the start.
    pub fenced: bool,
}

/// The brokers of a plan at time zero: each is registered and unfenced.
#[must_use]
pub fn usable(brokers: &[BrokerPlan]) -> Vec<UsableBroker> {
    let usable = |(place, broker): (usize, &BrokerPlan)| UsableBroker {
        id: BrokerId::at(place),
        rack: broker.rack,
        fenced: false,
    };
    brokers.iter().enumerate().map(usable).collect()
}

/// Why replicas cannot be placed (`InvalidReplicationFactorException`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlacementError {
    /// A partition has at least one replica.
    NotPositive,
    /// Every broker is fenced, so that nobody could lead.
    AllFenced,
    /// A broker holds a partition once.
    TooFewBrokers {
        /// The replication factor asked for.
        factor: usize,
        /// How many brokers are registered.
        brokers: usize,
    },
}

impl fmt::Display for PlacementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPositive => f.write_str("the replication factor must be at least 1"),
            Self::AllFenced => f.write_str("all brokers are fenced"),
            Self::TooFewBrokers { factor, brokers } => {
                write!(f, "{factor} replicas of a partition, and {brokers} brokers are registered")
            }
        }
    }
}

/// Places so many partitions with `factor` replicas each; the first of a list is its preferred
/// leader.
///
/// Kafka: StripedReplicaPlacer.place
///
/// # Errors
/// If the factor is zero or above the number of brokers, or if all brokers are fenced.
pub fn place(
    brokers: &[UsableBroker],
    partitions: usize,
    factor: usize,
    mut luck: Option<&mut Rng>,
) -> Result<Vec<Vec<BrokerId>>, PlacementError> {
    if factor == 0 {
        return Err(PlacementError::NotPositive);
    }
    if brokers.iter().all(|b| b.fenced) {
        return Err(PlacementError::AllFenced);
    }
    if factor > brokers.len() {
        return Err(PlacementError::TooFewBrokers { factor, brokers: brokers.len() });
    }
    let mut racks = RackList::new(brokers, luck.as_deref_mut());
    Ok((0..partitions).map(|_| racks.place(factor, luck.as_deref_mut())).collect())
}

/// Brokers that take turns.
#[derive(Clone, Debug, Default)]
struct BrokerList {
    brokers: Vec<BrokerId>,
    /// How many have been given out in this epoch.
    index: usize,
    /// Who is the first of this epoch.
    offset: usize,
    /// The epoch of the last call.
    epoch: usize,
}

impl BrokerList {
    fn initialize(&mut self, luck: Option<&mut Rng>) {
        self.brokers.sort_unstable();
        self.offset = start(self.brokers.len(), luck);
    }

    /// The next broker of an epoch, which is one partition; `None` once all had their turn.
    fn next(&mut self, epoch: usize) -> Option<BrokerId> {
        let len = self.brokers.len();
        if len == 0 {
            return None;
        }
        if self.epoch != epoch {
            self.epoch = epoch;
            self.index = 0;
            self.offset = (self.offset + 1) % len;
        }
        if self.index >= len {
            return None;
        }
        let broker = self.brokers[(self.index + self.offset) % len];
        self.index += 1;
        Some(broker)
    }
}

#[derive(Clone, Debug, Default)]
struct Rack {
    name: Option<u16>,
    fenced: BrokerList,
    unfenced: BrokerList,
}

impl Rack {
    fn next(&mut self, epoch: usize) -> Option<BrokerId> {
        self.unfenced.next(epoch).or_else(|| self.fenced.next(epoch))
    }
}

/// The racks of the cluster, in the order of their names until they are shuffled.
#[derive(Clone, Debug)]
struct RackList {
    racks: Vec<Rack>,
    unfenced: usize,
    /// Counts partitions, from 0 again after each shuffle.
    epoch: usize,
    /// Which rack leads the next partition.
    offset: usize,
}

impl RackList {
    fn new(brokers: &[UsableBroker], mut luck: Option<&mut Rng>) -> Self {
        let mut racks: Vec<Rack> = Vec::new();
        for broker in brokers {
            let known = racks.iter().position(|rack| rack.name == broker.rack);
            let place = known.unwrap_or_else(|| {
                racks.push(Rack { name: broker.rack, ..Rack::default() });
                racks.len() - 1
            });
            let Rack { fenced, unfenced, .. } = &mut racks[place];
            let list = if broker.fenced { fenced } else { unfenced };
            list.brokers.push(broker.id);
        }
        racks.sort_by_key(|rack| rack.name);
        for rack in &mut racks {
            rack.fenced.initialize(luck.as_deref_mut());
            rack.unfenced.initialize(luck.as_deref_mut());
        }
        let offset = start(racks.len(), luck);
        let unfenced = brokers.iter().filter(|b| !b.fenced).count();
        Self { racks, unfenced, epoch: 0, offset }
    }

    /// The replicas of the next partition.
    ///
    /// Kafka: StripedReplicaPlacer.RackList.place
    fn place(&mut self, factor: usize, luck: Option<&mut Rng>) -> Vec<BrokerId> {
        // Every unfenced broker has had its turn. One alone always has.
        if self.epoch == self.unfenced && self.unfenced > 1 {
            if let Some(rng) = luck {
                self.shuffle(rng);
            }
            self.epoch = 0;
        }
        let (count, epoch) = (self.racks.len(), self.epoch);
        self.offset %= count;
        let mut replicas = Vec::with_capacity(factor);
        let mut led_by = self.offset;
        while replicas.is_empty() {
            match self.racks[led_by].unfenced.next(epoch) {
                Some(leader) => replicas.push(leader),
                None => led_by = (led_by + 1) % count,
            }
        }
        // Followers come from every rack in turn, but once not from the leader's.
        let mut skipped = Some(led_by);
        let mut rack = self.offset;
        while replicas.len() < factor {
            if skipped == Some(rack) {
                skipped = None;
            } else {
                replicas.extend(self.racks[rack].next(epoch));
            }
            rack = (rack + 1) % count;
        }
        self.epoch += 1;
        self.offset += 1;
        replicas
    }

    fn shuffle(&mut self, rng: &mut Rng) {
        shuffle(&mut self.racks, rng);
        for rack in &mut self.racks {
            shuffle(&mut rack.fenced.brokers, rng);
            shuffle(&mut rack.unfenced.brokers, rng);
        }
    }
}

/// Where a list of so many begins.
fn start(len: usize, luck: Option<&mut Rng>) -> usize {
    match luck {
        Some(rng) if len > 0 => rng.below(len as u64) as usize,
        _ => 0,
    }
}

/// Each order is as likely as any other (Fisher and Yates).
fn shuffle<T>(list: &mut [T], rng: &mut Rng) {
    for last in (1..list.len()).rev() {
        list.swap(last, rng.below(last as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::base::rng::Rng;

    const fn broker(id: u16, rack: Option<u16>) -> UsableBroker {
        UsableBroker { id: BrokerId(id), rack, fenced: false }
    }

    const fn fenced(id: u16, rack: Option<u16>) -> UsableBroker {
        UsableBroker { id: BrokerId(id), rack, fenced: true }
    }

    fn ids(lists: &[&[u16]]) -> Vec<Vec<BrokerId>> {
        lists.iter().map(|list| list.iter().copied().map(BrokerId).collect()).collect()
    }

    fn fixed(brokers: &[UsableBroker], partitions: usize, factor: usize) -> Vec<Vec<BrokerId>> {
        place(brokers, partitions, factor, None).expect("a placement")
    }

    #[test]
    fn without_racks_partitions_begin_one_broker_further() {
        let brokers = [broker(1, None), broker(2, None), broker(3, None), broker(4, None)];
        let expected: &[&[u16]] = &[&[1, 2, 3], &[2, 3, 4], &[3, 4, 1], &[4, 1, 2], &[1, 2, 3]];
        assert_eq!(fixed(&brokers, 5, 3), ids(expected));
    }

    /// The examples of `StripedReplicaPlacer.java`, at offsets of zero.
    #[test]
    fn racks_are_striped() {
        let nine = (1..=9).map(|id| broker(id, Some((id - 1) % 3))).collect::<Vec<_>>();
        let expected: &[&[u16]] = &[&[1, 2, 3], &[5, 6, 4], &[9, 7, 8]];
        assert_eq!(fixed(&nine, 3, 3), ids(expected));
        let four = (0..4).map(|rack| broker(rack + 1, Some(rack))).collect::<Vec<_>>();
        let expected: &[&[u16]] = &[&[1, 2, 3], &[2, 3, 4], &[3, 4, 1], &[4, 1, 2]];
        assert_eq!(fixed(&four, 4, 3), ids(expected));
    }

    #[test]
    fn fenced_brokers_come_last_and_do_not_lead() {
        let brokers = [
            broker(1, Some(0)),
            fenced(2, Some(0)),
            broker(3, Some(1)),
            fenced(4, Some(2)),
            broker(5, Some(0)),
        ];
        let expected: &[&[u16]] = &[&[1, 3, 4], &[3, 4, 5], &[1, 4, 3]];
        assert_eq!(fixed(&brokers, 3, 3), ids(expected));
        assert_eq!(fixed(&brokers, 1, 5)[0], ids(&[&[1, 3, 4, 5, 2]])[0]);
        let alone = [broker(1, None), fenced(2, None), fenced(3, None)];
        let expected: &[&[u16]] = &[&[1, 2], &[1, 3], &[1, 2]];
        assert_eq!(fixed(&alone, 3, 2), ids(expected), "one that is not fenced leads all");
    }

    #[test]
    fn what_cannot_be_placed_is_refused() {
        let brokers = [fenced(1, None), fenced(2, None)];
        let refused = |factor, brokers: &[UsableBroker]| place(brokers, 1, factor, None).err();
        assert_eq!(refused(0, &brokers), Some(PlacementError::NotPositive));
        assert_eq!(refused(1, &brokers), Some(PlacementError::AllFenced));
        assert_eq!(refused(1, &[]), Some(PlacementError::AllFenced));
        let brokers = [broker(1, None), fenced(2, None)];
        let few = PlacementError::TooFewBrokers { factor: 3, brokers: 2 };
        assert_eq!(refused(3, &brokers), Some(few));
    }

    /// Brokers, dealt to so many racks in turn.
    fn cluster(count: u16, racks: u16) -> Vec<UsableBroker> {
        (0..count).map(|i| broker(i + 1, (racks > 0).then(|| i % racks))).collect()
    }

    /// The most and the least that one of these counts.
    fn spread(counts: impl IntoIterator<Item = usize> + Clone) -> usize {
        let least = counts.clone().into_iter().min().unwrap_or(0);
        counts.into_iter().max().unwrap_or(0) - least
    }

    /// The greatest common divisor.
    fn divisor(a: usize, b: usize) -> usize {
        if b == 0 { a } else { divisor(b, a % b) }
    }

    proptest! {
        #[test]
        fn replicas_are_spread(
            count in 1u16..20,
            racks in 0u16..6,
            factor in 1usize..6,
            rounds in 1usize..4,
            seed in proptest::option::of(0u64..1000),
        ) {
            let factor = factor.min(usize::from(count));
            let brokers = cluster(count, racks);
            let mut rng = seed.map(|seed| Rng::named(seed, "placement"));
            let partitions = rounds * usize::from(count);
            let lists = place(&brokers, partitions, factor, rng.as_mut()).expect("placed");
            prop_assert_eq!(lists.len(), partitions);
            let racks = usize::from(racks.clamp(1, count));
            let rack_of = |id: &BrokerId| id.index() % racks;
            for list in &lists {
                let mut seen = list.clone();
                seen.sort_unstable();
                seen.dedup();
                prop_assert_eq!(seen.len(), factor, "a broker twice: {:?}", list);
                let held = |rack| list.iter().filter(|id| rack_of(id) == rack).count();
                // A rack that is full gives no more, so that others hold the rest.
                let even = usize::from(count) % racks == 0 || factor <= racks;
                if even {
                    prop_assert!(spread((0..racks).map(held)) <= 1, "racks of {:?}", list);
                }
            }
            // Once every broker has had its turn, a rack that held nothing of the partition that
            // begins the next round counts as used up. So it is in Kafka.
            if rounds > 1 && factor < racks {
                return Ok(());
            }
            let led = |rack| lists.iter().filter(|list| rack_of(&list[0]) == rack).count();
            prop_assert!(spread((0..racks).map(led)) <= rounds, "{:?}", lists);
            // A rack gives its next broker whenever it holds a replica, and leads one partition in
            // `racks`: where the two keep step, some of its brokers never lead. So it is in Kafka.
            let each = usize::from(count) / racks;
            if usize::from(count) % racks == 0 && divisor(factor.min(racks), each) == 1 {
                let led = |b: &UsableBroker| lists.iter().filter(|l| l[0] == b.id).count();
                prop_assert_eq!(spread(brokers.iter().map(led)), 0, "{:?}", lists);
            }
        }

        #[test]
        fn nobody_who_is_fenced_leads(
            states in vec((0u16..3, any::<bool>()), 1..12),
            factor in 1usize..5,
        ) {
            let brokers: Vec<UsableBroker> = states
                .iter()
                .enumerate()
                .map(|(i, (rack, fenced))| UsableBroker {
                    id: BrokerId::at(i),
                    rack: Some(*rack),
                    fenced: *fenced,
                })
                .collect();
            let Ok(lists) = place(&brokers, 20, factor, None) else { return Ok(()) };
            for list in lists {
                prop_assert!(!brokers[list[0].index()].fenced);
            }
        }
    }
}
