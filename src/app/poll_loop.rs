//! A consumer that polls, processes what it got record by record, and polls again.
//!
//! It stops at any exception, as a loop without error handling does.

use crate::base::ids::PartitionId;
use crate::base::time::Span;
use crate::kafka::client::{Application, Clients, Command, Polled};
use crate::model::error::ErrorCode;
use crate::model::plan::ConsumerPlan;

/// The timer of processing.
const PROCESSED: u16 = 0;

/// Polls in a loop.
#[derive(Clone, Debug)]
pub struct PollLoop {
    plan: ConsumerPlan,
    running: bool,
    processing: bool,
}

impl PollLoop {
    /// Reads as the plan says.
    #[must_use]
    pub const fn new(plan: ConsumerPlan) -> Self {
        Self { plan, running: false, processing: false }
    }
}

impl Application for PollLoop {
    fn begin(&mut self, clients: &mut Clients<'_, '_>) {
        self.running = true;
        if !self.processing {
            clients.poll();
        }
    }

    fn command(&mut self, command: Command, clients: &mut Clients<'_, '_>) {
        match command {
            Command::Start => self.begin(clients),
            Command::Stop => {
                self.running = false;
                clients.stop_polling();
                clients.stopped();
            }
            Command::Seek { partition, offset } => clients.seek(partition, offset),
            Command::Send { .. } => {}
        }
    }

    fn polled(&mut self, records: &[Polled], clients: &mut Clients<'_, '_>) {
        let count: u64 = records.iter().map(|r| u64::from(r.count)).sum();
        let processing = self.plan.processing.scaled(count, 1);
        if processing > Span::ZERO {
            self.processing = true;
            clients.set_timer(PROCESSED, processing);
        } else if self.running {
            clients.poll();
        }
    }

    fn exception(&mut self, _: PartitionId, _: ErrorCode, clients: &mut Clients<'_, '_>) {
        self.running = false;
        clients.stop_polling();
    }

    fn wake(&mut self, _: u16, clients: &mut Clients<'_, '_>) {
        self.processing = false;
        if self.running {
            clients.poll();
        }
    }
}
