//! The fixed reference loop: what an event costs with nothing of ours in it.
//!
//! A 4-ary heap of u128 keys with a lazy root, a slab, and one ChaCha8 draw an event, over a ping
//! between 100 nodes: `null-best` of the performance notes. It shares no code with the engine and
//! does not change, so that the engine's own bare loop cannot be slowed to flatter a ratio.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

#[derive(Clone, Copy)]
struct Message {
    from: u32,
    to: u32,
    pong: bool,
    number: u64,
    padding: [u64; 4],
}

struct Heap {
    keys: Vec<u128>,
    hole: bool,
}

impl Heap {
    fn push(&mut self, key: u128) {
        if self.hole {
            self.hole = false;
            self.keys[0] = key;
            self.sink(0);
            return;
        }
        let mut place = self.keys.len();
        self.keys.push(key);
        while place > 0 {
            let parent = (place - 1) / 4;
            if self.keys[parent] <= key {
                break;
            }
            self.keys[place] = self.keys[parent];
            place = parent;
        }
        self.keys[place] = key;
    }

    fn pop(&mut self) -> Option<u128> {
        if self.hole {
            self.hole = false;
            let last = self.keys.pop()?;
            if self.keys.is_empty() {
                return None;
            }
            self.keys[0] = last;
            self.sink(0);
        }
        let first = *self.keys.first()?;
        self.hole = true;
        Some(first)
    }

    fn sink(&mut self, mut place: usize) {
        let key = self.keys[place];
        loop {
            let first = place * 4 + 1;
            if first >= self.keys.len() {
                break;
            }
            let end = (first + 4).min(self.keys.len());
            let mut least = first;
            for child in first + 1..end {
                if self.keys[child] < self.keys[least] {
                    least = child;
                }
            }
            if self.keys[least] >= key {
                break;
            }
            self.keys[place] = self.keys[least];
            place = least;
        }
        self.keys[place] = key;
    }
}

/// Delivers `messages` pings and pongs between `nodes` nodes, one outstanding each; returns a
/// checksum so that nothing is optimised away.
pub(crate) fn reference_loop(nodes: u32, messages: u64) -> u64 {
    let mut rng = ChaCha8Rng::from_seed([7; 32]);
    let mut heap = Heap { keys: Vec::new(), hole: false };
    let mut slab: Vec<Message> = Vec::new();
    let mut free: Vec<u32> = Vec::new();
    let mut seen = vec![0u64; nodes as usize];
    let mut seq = 0u64;
    let latency = |bits: u64| 1_000_000 + (((bits >> 32) * 9_000_000) >> 32);
    for from in 0..nodes {
        let bits = rng.next_u64();
        let to = ((bits & 0xffff_ffff) * u64::from(nodes) >> 32) as u32;
        slab.push(Message { from, to, pong: false, number: 0, padding: [0; 4] });
        heap.push(u128::from(latency(bits)) << 64 | u128::from(seq) << 24 | u128::from(from));
        seq += 1;
    }
    let mut sum = 0u64;
    for _ in 0..messages {
        let Some(key) = heap.pop() else { break };
        let slot = (key & 0xff_ffff) as u32;
        let now = (key >> 64) as u64;
        let message = slab[slot as usize];
        free.push(slot);
        seen[message.to as usize] += 1;
        sum = sum.wrapping_mul(31).wrapping_add(message.number ^ now ^ message.padding[0]);
        let bits = rng.next_u64();
        let to = if message.pong {
            ((bits & 0xffff_ffff) * u64::from(nodes) >> 32) as u32
        } else {
            message.from
        };
        let next = Message {
            from: message.to,
            to,
            pong: !message.pong,
            number: message.number + 1,
            padding: [now; 4],
        };
        let slot = free.pop().unwrap_or(0);
        slab[slot as usize] = next;
        let at = now + latency(bits);
        heap.push(u128::from(at) << 64 | u128::from(seq) << 24 | u128::from(slot));
        seq += 1;
    }
    sum ^ seen.iter().fold(0, |a, b| a ^ b)
}
