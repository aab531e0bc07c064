//! The account that liveness properties share: obligations, counted open and paid.
//!
//! An obligation arises at the heal or later and is paid once. A property has come true when none
//! of its obligations is open; the moment of the last payment is how long it took.

use crate::base::time::{Span, Time};

/// Open obligations of one property.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    open: u64,
    paid_at: Time,
}

impl Account {
    /// Something is owed from now on.
    pub(crate) const fn owe(&mut self, obligations: u64) {
        self.open += obligations;
    }

    /// Something that was owed came true.
    pub(crate) fn pay(&mut self, obligations: u64, now: Time) {
        if obligations > 0 {
            self.open = self.open.saturating_sub(obligations);
            self.paid_at = now;
        }
    }

    /// Whether nothing is owed.
    pub(crate) const fn is_settled(&self) -> bool {
        self.open == 0
    }

    /// How long after the heal the last obligation was paid; `None` while any is open.
    pub(crate) fn took(&self, healed: Time) -> Option<Span> {
        self.is_settled().then(|| self.paid_at.since(healed))
    }
}
