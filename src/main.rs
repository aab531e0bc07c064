//! The `highwater` command: arguments in, exit code out. Everything else is the library.

fn main() -> std::process::ExitCode {
    highwater::internals::main()
}
