//! The program as a user meets it: broken inputs, Ctrl-C, and every console block of the README.

mod broken_inputs;
mod interrupt;
mod readme;
