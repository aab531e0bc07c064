//! Progress on stderr: a bar on a terminal, a line now and then otherwise, or nothing.
//!
//! Looks at a sweep's counters ten times a second; the threads that run seeds never draw.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{sync::Arc, thread};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::args::Progress as Wanted;
use crate::sweep::Progress;

const LOOK: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(10);

/// Shows the progress of one sweep until it is dropped by [`Shown::finish`].
#[derive(Debug)]
pub(crate) struct Shown {
    done: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Shown {
    /// Begins to show.
    pub(crate) fn start(
        wanted: Wanted,
        progress: &Arc<Progress>,
        total: u64,
        jobs: usize,
        name: &str,
    ) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let (done, finished) = channel();
        let bar = match wanted {
            Wanted::None => return Self { done, thread: None },
            Wanted::Bar => true,
            Wanted::Auto => terminal,
            Wanted::Counter => false,
        };
        let progress = Arc::clone(progress);
        let name = name.to_owned();
        let thread = thread::spawn(move || {
            if bar {
                draw(&progress, total, &name, &finished);
            }
            count(&progress, total, jobs, bar, &finished);
        });
        Self { done, thread: Some(thread) }
    }

    /// Ends, with one last line that says how long it took.
    pub(crate) fn finish(mut self) {
        drop(self.done);
        if let Some(thread) = self.thread.take() {
            // A panic of the drawing thread must not hide the results.
            let _ = thread.join();
        }
    }
}

fn draw(progress: &Progress, total: u64, name: &str, finished: &Receiver<()>) {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(
        "{prefix} {wide_bar} {pos}/{len} seeds  {elapsed}  eta {eta}  {msg}",
    );
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(name.to_owned());
    while finished.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        bar.set_position(progress.done.load(Ordering::Relaxed));
        let failing = progress.failing.load(Ordering::Relaxed);
        if failing > 0 {
            bar.set_message(format!("{failing} failing"));
        }
    }
    bar.finish_and_clear();
}

fn count(progress: &Progress, total: u64, jobs: usize, drawn: bool, finished: &Receiver<()>) {
    let started = Instant::now();
    let mut last = started;
    while !drawn && finished.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if last.elapsed() >= LINE {
            last = Instant::now();
            say(&format!("{}/{total} seeds", progress.done.load(Ordering::Relaxed)));
        }
    }
    let done = progress.done.load(Ordering::Relaxed);
    let tenths = started.elapsed().as_millis() / 100;
    let time = if drawn { String::new() } else { format!("   {}.{} s", tenths / 10, tenths % 10) };
    say(&format!("{done}/{total} seeds   {jobs} jobs{time}"));
}

/// A line on stderr; if stderr is gone there is nobody to tell.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
