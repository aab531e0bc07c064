//! A replica list: the brokers that hold a partition, in Kafka's order.
//!
//! Speed: the place of a broker in it is read off a table by broker id. A search of a list of three
//! ends where no branch predictor expects it, half of the time.

use std::ops::Deref;
use std::sync::Arc;

use crate::base::ids::BrokerId;

const NOWHERE: u8 = u8::MAX;

/// The brokers of one partition; a [`ReplicaSet`](crate::base::ids::ReplicaSet) numbers its places.
/// A clone is the same list: every image, replica and ghost of a partition shares one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaList(Arc<Lists>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Lists {
    brokers: Vec<BrokerId>,
    /// By broker id.
    places: Vec<u8>,
}

impl ReplicaList {
    /// The place of a broker in the list.
    #[must_use]
    #[inline]
    pub fn place(&self, broker: BrokerId) -> Option<usize> {
        let place = self.0.places.get(usize::from(broker.0)).copied().unwrap_or(NOWHERE);
        (place != NOWHERE).then_some(usize::from(place))
    }
}

impl From<&[BrokerId]> for ReplicaList {
    fn from(brokers: &[BrokerId]) -> Self {
        let highest = brokers.iter().map(|broker| usize::from(broker.0)).max();
        let mut places = vec![NOWHERE; highest.map_or(0, |highest| highest + 1)];
        for (place, broker) in brokers.iter().enumerate() {
            places[usize::from(broker.0)] = place as u8;
        }
        Self(Arc::new(Lists { brokers: brokers.to_vec(), places }))
    }
}

impl From<Vec<BrokerId>> for ReplicaList {
    fn from(brokers: Vec<BrokerId>) -> Self {
        Self::from(&brokers[..])
    }
}

impl Deref for ReplicaList {
    type Target = [BrokerId];

    fn deref(&self) -> &[BrokerId] {
        &self.0.brokers
    }
}

#[cfg(test)]
mod tests {
    use super::ReplicaList;
    use crate::base::ids::BrokerId;

    #[test]
    fn a_broker_is_found_where_it_stands_or_not_at_all() {
        let list = ReplicaList::from(&[BrokerId(3), BrokerId(1)][..]);
        let places = [0, 1, 2, 3, 4].map(|id| list.place(BrokerId(id)));
        assert_eq!(places, [None, Some(1), None, Some(0), None]);
        assert_eq!(list.len(), 2);
        assert_eq!(ReplicaList::default().place(BrokerId(1)), None);
    }
}
