//! A table by small numbers of which its owner fills only a few: pages, made when first needed.
//!
//! Speed: memory and walks cost by what is filled. One of a thousand brokers holds six of two
//! thousand partitions and fetches from a dozen others; it pays a byte for each that it might hold
//! and a page for those that it does. Walks are in the order of the numbers.

/// How many entries a page holds.
const PAGE: usize = 8;

/// See the module.
#[derive(Clone, Debug)]
pub struct Sparse<T> {
    pages: Vec<Option<Box<[Option<T>; PAGE]>>>,
}

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T> Sparse<T> {
    /// The entry of a number.
    #[must_use]
    #[inline]
    pub fn get(&self, number: usize) -> Option<&T> {
        self.pages.get(number / PAGE)?.as_ref()?[number % PAGE].as_ref()
    }

    /// The same, to change it.
    #[must_use]
    #[inline]
    pub fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.pages.get_mut(number / PAGE)?.as_mut()?[number % PAGE].as_mut()
    }

    /// Puts an entry in, in place of the one that may be there.
    pub fn insert(&mut self, number: usize, entry: T) -> &mut T {
        let slot = self.slot(number);
        slot.insert(entry)
    }

    /// The entry of a number; makes it if there is none.
    #[inline]
    pub fn get_or_insert_with(&mut self, number: usize, make: impl FnOnce() -> T) -> &mut T {
        self.slot(number).get_or_insert_with(make)
    }

    /// Takes an entry out.
    pub fn remove(&mut self, number: usize) -> Option<T> {
        self.pages.get_mut(number / PAGE)?.as_mut()?[number % PAGE].take()
    }

    /// Every entry, in order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten().flat_map(|slots| slots.iter().flatten())
    }

    /// Every entry, in order, to change it.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pages.iter_mut().flatten().flat_map(|slots| slots.iter_mut().flatten())
    }

    /// The first entry whose number is not below `from`, with its number: for walks on which
    /// entries come and go.
    #[must_use]
    pub fn next_mut(&mut self, from: usize) -> Option<(usize, &mut T)> {
        let number = self.first_from(from)?;
        Some((number, self.get_mut(number)?))
    }

    /// The first number that has an entry and is not below `from`.
    #[must_use]
    pub fn first_from(&self, from: usize) -> Option<usize> {
        let mut place = from % PAGE;
        for page in from / PAGE..self.pages.len() {
            if let Some(slots) = &self.pages[page]
                && let Some(found) = slots[place..].iter().position(Option::is_some)
            {
                return Some(page * PAGE + place + found);
            }
            place = 0;
        }
        None
    }

    #[inline]
    fn slot(&mut self, number: usize) -> &mut Option<T> {
        let page = number / PAGE;
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let slots = self.pages[page].get_or_insert_with(|| Box::new([const { None }; PAGE]));
        &mut slots[number % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{any, prop, proptest};

    use super::Sparse;

    proptest! {
        #[test]
        fn it_is_a_map_in_order(
            steps in prop::collection::vec((any::<Option<u8>>(), 0_usize..100), 0..100),
            from in 0_usize..110,
        ) {
            let (mut table, mut model) = (Sparse::default(), BTreeMap::new());
            for (entry, number) in steps {
                match entry {
                    Some(entry) => {
                        table.insert(number, entry);
                        model.insert(number, entry);
                    }
                    None => assert_eq!(table.remove(number), model.remove(&number)),
                }
                assert_eq!(table.get(number), model.get(&number));
                assert_eq!(table.get_mut(number), model.get_mut(&number));
            }
            let next = table.next_mut(from).map(|(number, entry)| (number, *entry));
            assert_eq!(next, model.range(from..).next().map(|(number, entry)| (*number, *entry)));
            assert!(table.values().eq(model.values()));
            assert!(table.values_mut().eq(model.values_mut()));
            assert_eq!(*table.get_or_insert_with(200, || 7), 7);
        }
    }
}
