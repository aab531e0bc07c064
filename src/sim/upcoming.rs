//! What will happen next, in words: for a run that is stopped because it does not get on.
//!
//! Carries nothing out, and is asked by nobody in a run that ends by itself.

use crate::kafka::timers::Timer;
use crate::sim::event::{Event, HostId};
use crate::sim::world::World;

impl World {
    /// The next event and its node: `timer Linger of p`. `None` if nothing will ever happen.
    #[must_use]
    pub(crate) fn upcoming(&self) -> Option<String> {
        let at = |host: HostId| self.plan.names.node(self.node(host));
        let end = |conn, end| self.network.host(conn, end).map_or_else(String::new, at);
        Some(match *self.queue.peek()? {
            Event::Begin => "beginning".to_owned(),
            Event::Start { host, .. } => format!("start of {}", at(host)),
            Event::Arrive { slot, end, stamp } => match self.network.receiver(slot, end, stamp) {
                Some(host) => {
                    let what = self.network.arriving(slot, end).unwrap_or("connection signal");
                    format!("{what} at {}", at(host))
                }
                None => "arrival on a connection that is closed".to_owned(),
            },
            Event::Syn { conn, .. } | Event::SynArrive { conn } | Event::Accepted { conn } => {
                format!("connection of {} to {}", end(conn, 0), end(conn, 1))
            }
            Event::SetupTimeout { conn } => format!("set-up time-out of {}", end(conn, 0)),
            Event::Retransmit { conn, end: from } => {
                format!("retransmission by {}", end(conn, from))
            }
            Event::GiveUp { conn, end: from } => format!("TCP gives up at {}", end(conn, from)),
            Event::Closed { conn, end: to, .. } => format!("close heard by {}", end(conn, to)),
            Event::Fire { host, timer, .. } => format!("timer {} of {}", name(timer), at(host)),
            Event::Wake { host, lane, .. } => format!("free lane {lane:?} of {}", at(host)),
            Event::Flushed { host, .. } => format!("end of a sync at {}", at(host)),
            Event::Writeback { host } => format!("writeback of {}", at(host)),
            Event::Terminate { host, .. } => format!("SIGTERM to {}", at(host)),
            Event::Command { host, .. } => format!("command to {}", at(host)),
            Event::Operate { .. } => "operation of the controller".to_owned(),
            Event::Direct { .. } => "waking of the director".to_owned(),
            Event::Inject { .. } => "beginning of a fault".to_owned(),
            Event::Heal { .. } => "end of a fault".to_owned(),
        })
    }
}

/// The name of a timer, with its payload.
fn name(timer: Timer) -> String {
    match timer {
        Timer::Broker(timer) => format!("{timer:?}"),
        Timer::Controller(timer) => format!("{timer:?}"),
        Timer::Client(timer) => format!("{timer:?}"),
    }
}
