//! A table of things too large for an event: each is put in once and taken out once.

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Table<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Table<T> {
    /// An empty table.
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// Puts a thing in; the number takes it out.
    pub(super) fn put(&mut self, thing: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.places[number as usize] = Some(thing);
            return number;
        }
        self.places.push(Some(thing));
        (self.places.len() - 1) as u32
    }

    /// Takes a thing out.
    ///
    /// # Panics
    /// If it has been taken out before.
    pub(super) fn take(&mut self, number: u32) -> T {
        self.free.push(number);
        self.places[number as usize].take().expect("a thing is taken out of the table once")
    }
}
