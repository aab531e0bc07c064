//! The hinge: what a node may read, what it may ask for, and the trait that every node has.
//!
//! A handler gets its input and a [`Ctx`], and nothing else. What it wants done is pushed into
//! [`Effects`], which the machine room carries out when the handler has returned. No effect tells
//! anything about the world: [`Ctx::open`] returns an id and nothing else, and what became of a
//! connection comes by `on_opened` and `on_closed`.

use crate::base::ids::{ConnectionId, LogId, NodeId, Offset};
use crate::base::rng::Rng;
use crate::base::time::{Span, Time};
use crate::kafka::timers::Timer;
use crate::model::body::Bodies;
use crate::model::disk::IoError;
use crate::model::fact::{Fact, StopKind};
use crate::model::message::{Content, Entry, Holds, List, Lists, Message};
use crate::model::rules::Rules;

/// The operator's connection to a node: requests of a script or a fault line come on it, and
/// answers sent on it reach the script. It is never opened or closed.
pub const OPERATOR: ConnectionId = ConnectionId(u32::MAX);

/// Why a connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Nobody listens there (the process is down).
    Refused,
    /// The other end did not answer within the set-up time-out.
    SetupTimeout,
    /// The other end closed it.
    Peer,
    /// It was reset (the other process died, or a fault).
    Reset,
    /// TCP gave up retransmitting.
    GaveUp,
}

/// What handlers asked for; carried out in this order: disk observations, claims, flushes, opens,
/// sends, closes, timers, port, exit.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Facts: claims of nodes, and observed application callbacks of processes.
    pub notes: Vec<Fact>,
    /// Syncs asked for: of a log, up to this offset.
    pub flushes: Vec<(LogId, Offset)>,
    /// Connections to open: id, to whom, set-up time-out.
    pub opens: Vec<(ConnectionId, NodeId, Span)>,
    /// Messages to send.
    pub sends: Vec<(ConnectionId, Message)>,
    /// Connections to close.
    pub closes: Vec<ConnectionId>,
    /// Timers to set (`Some`) or cancel (`None`).
    pub timers: Vec<(Timer, Option<Span>)>,
    /// The node opens its port.
    pub listens: bool,
    /// The node stops.
    pub exit: Option<StopKind>,
    /// The incoming message's lists stay with the node, which gives them back by
    /// [`Ctx::release`].
    pub kept: bool,
    next_connection: u32,
    free_connections: Vec<u32>,
}

impl Effects {
    /// Gives a connection id back, once the network and both ends have forgotten it.
    pub fn free_connection(&mut self, connection: ConnectionId) {
        self.free_connections.push(connection.0);
    }

    fn take_connection(&mut self) -> ConnectionId {
        ConnectionId(self.free_connections.pop().unwrap_or_else(|| {
            self.next_connection += 1;
            self.next_connection - 1
        }))
    }
}

/// What a handler may read and ask for.
#[derive(Debug)]
pub struct Ctx<'a> {
    /// The node's wall clock.
    pub wall: Time,
    /// The node's monotonic clock.
    pub monotonic: Time,
    /// The node's own stream of luck.
    pub rng: &'a mut Rng,
    /// What the node's code does.
    pub rules: &'a Rules,
    /// The arena of bodies.
    pub bodies: &'a mut Bodies,
    /// The lists of messages.
    pub lists: &'a mut Lists,
    /// What the handler asks for.
    pub effects: &'a mut Effects,
    /// Whether anybody wants facts.
    pub wants_facts: bool,
    /// Whether anybody wants those too that only a trace tells.
    pub wants_trace: bool,
}

impl Ctx<'_> {
    /// The node's wall clock (offset, jumps): record timestamps, retention.
    #[must_use]
    pub const fn wall(&self) -> Time {
        self.wall
    }

    /// The node's monotonic clock (drift only): timers and time-outs.
    #[must_use]
    pub const fn monotonic(&self) -> Time {
        self.monotonic
    }

    /// Opens this node's port, until it stops. Before that its kernel refuses every connection.
    pub const fn listen(&mut self) {
        self.effects.listens = true;
    }

    /// Opens a connection. Answered by `on_opened` or `on_closed`.
    pub fn open(&mut self, to: NodeId, setup_timeout: Span) -> ConnectionId {
        let connection = self.effects.take_connection();
        self.effects.opens.push((connection, to, setup_timeout));
        connection
    }

    /// Sends on an open connection.
    #[inline]
    pub fn send(&mut self, connection: ConnectionId, correlation: u32, content: Content) {
        self.effects.sends.push((connection, Message { correlation, content }));
    }

    /// Closes a connection. No `on_closed` follows for this node; the peer hears of it. Bytes sent
    /// before may still arrive there, bytes under way to this node are lost.
    pub fn close(&mut self, connection: ConnectionId) {
        self.effects.closes.push(connection);
    }

    /// Sets (or sets again) a timer, by the monotonic clock.
    pub fn set(&mut self, timer: impl Into<Timer>, after: Span) {
        self.effects.timers.push((timer.into(), Some(after)));
    }

    /// Cancels a timer.
    pub fn cancel(&mut self, timer: impl Into<Timer>) {
        self.effects.timers.push((timer.into(), None));
    }

    /// Asks for a sync of a log. Answered by `on_flushed` or `on_flush_failed`.
    pub fn flush(&mut self, log: LogId, up_to: Offset) {
        self.effects.flushes.push((log, up_to));
    }

    /// Stops this node at the end of the handler.
    pub const fn exit(&mut self, how: StopKind) {
        self.effects.exit = Some(how);
    }

    /// Notes a fact: a claim, or (processes only) an application callback.
    #[inline]
    pub fn note(&mut self, fact: Fact) {
        if self.wants_facts {
            self.effects.notes.push(fact);
        }
    }

    /// Notes a claim that no check and no number needs: only a trace tells it, and a pattern that a
    /// fault waits for may be of it.
    pub fn note_trace(&mut self, fact: Fact) {
        if self.wants_trace {
            self.effects.notes.push(fact);
        }
    }

    /// An empty list for a message to send.
    pub fn take_list<T: Entry>(&mut self) -> List<T>
    where
        Lists: Holds<T>,
    {
        self.lists.take()
    }

    /// Appends to a list.
    #[inline]
    pub fn push<T: Entry>(&mut self, list: List<T>, entry: T)
    where
        Lists: Holds<T>,
    {
        self.lists.push(list, entry);
    }

    /// The entries of a list.
    #[must_use]
    pub fn list<T: Entry>(&self, list: List<T>) -> &[T]
    where
        Lists: Holds<T>,
    {
        self.lists.get(list)
    }

    /// One entry of a list, copied, so that the list is not borrowed while it is handled.
    #[must_use]
    pub fn entry<T: Entry>(&self, list: List<T>, place: usize) -> Option<T>
    where
        Lists: Holds<T>,
    {
        self.lists.get(list).get(place).copied()
    }

    /// Keeps the lists of the message being handled beyond this handler.
    pub const fn keep_lists(&mut self) {
        self.effects.kept = true;
    }

    /// Gives a kept list, or one that was not sent after all, back.
    pub fn release<T: Entry>(&mut self, list: List<T>)
    where
        Lists: Holds<T>,
    {
        self.lists.give_back(list);
    }

    /// Gives all kept lists of a message back.
    pub fn release_lists(&mut self, content: &Content) {
        content.give_back(self.lists);
    }
}

/// A node of the world, as the machine room meets it. `start` is also recovery: nothing survives a
/// stop but what `stop` returns.
pub trait Node: Sized {
    /// What it is started with besides its disk.
    type Config;
    /// What survives.
    type Disk;
    /// Its timers.
    type Timer;

    /// Starts on what the disk holds.
    fn start(config: Self::Config, disk: Self::Disk, ctx: &mut Ctx<'_>) -> Self;
    /// A connection is open: one it asked for, or one that `peer` opened to it.
    fn on_opened(&mut self, connection: ConnectionId, peer: NodeId, ctx: &mut Ctx<'_>);
    /// A message arrived.
    fn on_message(&mut self, connection: ConnectionId, message: &Message, ctx: &mut Ctx<'_>);
    /// A connection is gone; everything in flight on it has an unknown fate.
    fn on_closed(&mut self, connection: ConnectionId, reason: CloseReason, ctx: &mut Ctx<'_>);
    /// A timer fired.
    fn on_timer(&mut self, timer: Self::Timer, ctx: &mut Ctx<'_>);
    /// A sync asked for by `flush` is done.
    fn on_flushed(&mut self, log: LogId, up_to: Offset, ctx: &mut Ctx<'_>);
    /// A sync failed.
    fn on_flush_failed(&mut self, log: LogId, error: IoError, ctx: &mut Ctx<'_>);
    /// The operator asks for a controlled shutdown (SIGTERM). Ends in [`Ctx::exit`].
    fn on_shutdown(&mut self, ctx: &mut Ctx<'_>);
    /// Its disk, for the machine room.
    fn disk(&mut self) -> &mut Self::Disk;
    /// Stops at once; everything but the disk is gone.
    fn stop(self) -> Self::Disk;
}
