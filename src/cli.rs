//! The command line: the only module that prints.
//!
//! Results go to stdout and never depend on threads or time; progress and notes go to stderr. Does
//! not decide anything about a run: it reads arguments, calls the library, and chooses where the
//! bytes go.

mod args;
mod input;
mod list;
mod output;
mod progress;
mod replay;
mod run;
mod show;

use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command, SchemaOf};
use output::{Exit, print};

/// Reads the arguments, does what they say, and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own words: help and version are no errors and exit 0.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::BadInput as u8 } else { 0 });
        }
    };
    // What a panic says is on stderr by then.
    let exit = catch_unwind(|| carry_out(&cli.command)).unwrap_or(Exit::Internal);
    ExitCode::from(exit as u8)
}

fn carry_out(command: &Command) -> Exit {
    match command {
        Command::Run(args) => run::run(args),
        Command::Replay(args) => replay::replay(args),
        Command::List { what } => {
            print(&list::list(*what));
            Exit::Held
        }
        Command::Schema { of } => {
            print(&match of {
                SchemaOf::Scenario => crate::scenario::schema(),
                SchemaOf::Results => crate::report::json::schema(),
                SchemaOf::Repro => crate::repro::schema(),
            });
            Exit::Held
        }
    }
}
