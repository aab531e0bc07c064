//! The fetcher's half of incremental fetch sessions: what the next fetch must name.
//!
//! Followers and consumers share it, one [`FetchSessionHandler`] for each broker that they fetch
//! from. The other half is in [`super::broker`]. A handler knows the session and its epoch; which
//! partitions are in the session, and what was last asked of each, lies with the partitions, so
//! that a fetch costs by what has changed and not by what there is: a partition is named in an
//! incremental fetch if something else is asked of it than before.

use crate::model::error::ErrorCode;
use crate::model::message::{FetchMetadata, FetchResponse, FetchSessionId};

/// The session with one broker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchSessionHandler {
    next: FetchMetadata,
}

impl Default for FetchSessionHandler {
    fn default() -> Self {
        Self { next: FetchMetadata::INITIAL }
    }
}

impl FetchSessionHandler {
    /// What the next fetch says of its session.
    pub(crate) const fn next(&self) -> FetchMetadata {
        self.next
    }

    /// Takes an answer over. False if it says nothing of partitions: the next fetch is full then.
    /// Kafka: FetchSessionHandler.handleResponse
    pub(crate) fn handle_response(&mut self, response: &FetchResponse) -> bool {
        let good = response.error.is_none();
        self.next = match response.error {
            ErrorCode::FetchSessionIdNotFound => FetchMetadata::INITIAL,
            _ if !good => self.next.next_close_existing_attempt_new(),
            _ if response.session == FetchSessionId::NONE => FetchMetadata::INITIAL,
            _ if self.next.is_full() => FetchMetadata::new_incremental(response.session),
            _ => self.next.next_incremental(),
        };
        good
    }

    /// A fetch was lost with its connection: the next one is full and closes the session.
    /// Kafka: FetchSessionHandler.handleError
    pub(crate) const fn handle_error(&mut self) {
        self.next = self.next.next_close_existing_attempt_new();
    }
}

#[cfg(test)]
mod tests {
    use super::FetchSessionHandler;
    use crate::model::error::ErrorCode;
    use crate::model::message::{FetchMetadata, FetchResponse, FetchSessionId, Lists};

    #[test]
    fn a_session_begins_goes_on_and_is_given_up() {
        let mut lists = Lists::default();
        let (partitions, records) = (lists.take(), lists.take());
        let answer = |error, session| FetchResponse { error, session, partitions, records };
        let (none, session) = (FetchSessionId::NONE, FetchSessionId(7));
        let ok = ErrorCode::None;
        let nth = |epoch| FetchMetadata { session, epoch };
        let table = [
            // The broker has no room for a session.
            (answer(ok, none), FetchMetadata::INITIAL),
            (answer(ok, session), nth(1)),
            (answer(ok, session), nth(2)),
            // The broker has lost count: a full fetch that closes the session.
            (answer(ErrorCode::InvalidFetchSessionEpoch, none), nth(0)),
            (answer(ok, session), nth(1)),
            // The broker knows no such session.
            (answer(ErrorCode::FetchSessionIdNotFound, none), FetchMetadata::INITIAL),
            (answer(ok, session), nth(1)),
            // The broker has closed it, as it held nothing any more.
            (answer(ok, none), FetchMetadata::INITIAL),
        ];
        let mut handler = FetchSessionHandler::default();
        for (place, (answer, expected)) in table.iter().enumerate() {
            assert_eq!(handler.handle_response(answer), answer.error.is_none());
            assert_eq!(handler.next(), *expected, "after answer {place}");
        }
        handler.handle_response(&answer(ok, session));
        handler.handle_error();
        assert_eq!(handler.next(), nth(0), "lost: a full fetch that closes the session");
    }

    #[test]
    fn epochs_go_round_and_leave_out_the_full_ones() {
        let largest = FetchMetadata { session: FetchSessionId(7), epoch: i32::MAX };
        assert_eq!(largest.next_incremental().epoch, 1);
        assert_eq!(FetchMetadata::next_epoch(FetchMetadata::FINAL_EPOCH), -1);
        assert!(FetchMetadata::LEGACY.is_full() && FetchMetadata::INITIAL.is_full());
    }
}
