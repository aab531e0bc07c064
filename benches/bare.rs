//! The engine's bare loop, to which every cost is set in relation: no Kafka in it.

use highwater::internals::base::Rng;
use highwater::internals::sim::{Class, Queue};
use highwater::types::{Span, Time};

/// What the nodes of the bare loop tell each other: 56 bytes with the address, 64 in the slab.
#[derive(Clone, Copy)]
enum Message {
    Ping(Body),
    Pong(Body),
}

#[derive(Clone, Copy, Default)]
struct Body {
    number: u64,
    padding: [u64; 4],
}

#[derive(Clone, Copy)]
struct Delivery {
    from: u32,
    to: u32,
    message: Message,
}

impl Default for Delivery {
    fn default() -> Self {
        Self { from: 0, to: 0, message: Message::Ping(Body::default()) }
    }
}

#[derive(Clone, Copy, Default)]
struct Node {
    seen: u64,
    sum: u64,
}

impl Node {
    fn hear(&mut self, body: &Body, now: Time) -> Body {
        self.seen += 1;
        self.sum = self.sum.wrapping_mul(31).wrapping_add(body.number ^ now.0 ^ body.padding[0]);
        Body { number: body.number + 1, padding: [now.0; 4] }
    }
}

/// The engine's own queue and stream, with a ping between nodes instead of Kafka: `null-best` of
/// the performance notes. A ping is answered with a pong, a pong with a ping to a random node; one
/// draw a message gives its latency and its destination.
///
/// A delivery is a variant of an enum and is dispatched to a handler of its node, as whatever the
/// engine delivers is: an event is one handler run. Without that the kinds were told apart by a
/// conditional move, which no engine can do whose handlers do different things.
struct Bare {
    rng: Rng,
    queue: Queue<Delivery>,
    nodes: Vec<Node>,
    now: Time,
    seq: u64,
}

impl Bare {
    fn on_ping(&mut self, Delivery { from, to, .. }: Delivery, body: &Body) {
        let answer = self.nodes[to as usize].hear(body, self.now);
        let bits = self.rng.next_u64();
        self.send(Delivery { from: to, to: from, message: Message::Pong(answer) }, bits);
    }

    fn on_pong(&mut self, Delivery { to, .. }: Delivery, body: &Body) {
        let next = self.nodes[to as usize].hear(body, self.now);
        let bits = self.rng.next_u64();
        let other = self.any_node(bits);
        self.send(Delivery { from: to, to: other, message: Message::Ping(next) }, bits);
    }

    fn any_node(&self, bits: u64) -> u32 {
        (((bits & 0xffff_ffff) * self.nodes.len() as u64) >> 32) as u32
    }

    fn send(&mut self, delivery: Delivery, bits: u64) {
        let latency = Span(1_000_000 + (((bits >> 32) * 9_000_000) >> 32));
        self.queue.push(self.now + latency, Class::Ordinary, self.seq, delivery);
    }
}

/// So many messages among so many nodes; what they heard, so that nothing is optimised away.
pub(crate) fn bare_engine_loop(nodes: u32, messages: u64) -> u64 {
    let mut bare = Bare {
        rng: Rng::named(7, "bare"),
        queue: Queue::new(),
        nodes: vec![Node::default(); nodes as usize],
        now: Time::ZERO,
        seq: 0,
    };
    for from in 0..nodes {
        let bits = bare.rng.next_u64();
        let to = bare.any_node(bits);
        bare.send(Delivery { from, to, ..Delivery::default() }, bits);
    }
    for _ in 0..messages {
        let Some(popped) = bare.queue.pop() else { break };
        (bare.now, bare.seq) = (popped.time, popped.seq);
        match &popped.event.message {
            Message::Ping(body) => bare.on_ping(popped.event, body),
            Message::Pong(body) => bare.on_pong(popped.event, body),
        }
    }
    bare.nodes.iter().fold(0, |sum, node| sum ^ node.seen ^ node.sum)
}
