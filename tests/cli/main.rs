//! What a user meets: the program with broken inputs and Ctrl-C, every console block of the README,
//! and the library in the example.

mod broken_inputs;
mod interrupt;
mod own_consumer;
mod readme;
mod vary;
