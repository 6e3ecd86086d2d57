//! Threads that serve public connections, each with an event loop of its own.
//!
//! A connection stays on one thread from accept to close. Compared with a work-stealing runtime this saves the
//! wake-ups and cache traffic between cores, which for small files is a good part of the work.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

use crate::lifecycle::{Phase, reached};

/// Connections handed to a thread that it has not taken yet; more make the accepting side wait.
const QUEUE: usize = 64;

/// How long a thread waits at its end for file reads in progress.
const LAST_READS: Duration = Duration::from_secs(1);

/// Runs inside a worker's event loop, where it spawns the task of a connection. Is told which worker it is.
type Job = Box<dyn FnOnce(usize) + Send>;

/// The threads. They end when the edge is closed.
#[derive(Debug)]
pub(crate) struct Workers {
    queues: Vec<mpsc::Sender<Job>>,
    next: AtomicUsize,
}

impl Workers {
    /// Starts `threads` threads, each allowed `disk_reads` blocking reads at once.
    pub(crate) fn start(threads: usize, disk_reads: usize, phase: &watch::Sender<Phase>) -> io::Result<Self> {
        let mut queues = Vec::new();
        for number in 0..threads.max(1) {
            let runtime =
                Builder::new_current_thread().enable_all().max_blocking_threads(disk_reads.max(1)).build()?;
            let (sender, jobs) = mpsc::channel(QUEUE);
            let phase = phase.subscribe();
            std::thread::Builder::new()
                .name("edge-worker".to_owned())
                .spawn(move || work(number, runtime, jobs, phase))?;
            queues.push(sender);
        }
        Ok(Self { queues, next: AtomicUsize::new(0) })
    }

    /// Runs `job` on the next thread in turn. It is dropped if the edge is closed.
    pub(crate) async fn run(&self, job: impl FnOnce(usize) + Send + 'static) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.queues.len();
        if self.queues[turn].send(Box::new(job)).await.is_err() {
            tracing::debug!("a connection came too late");
        }
    }
}

fn work(number: usize, runtime: Runtime, mut jobs: mpsc::Receiver<Job>, mut phase: watch::Receiver<Phase>) {
    runtime.block_on(async {
        loop {
            tokio::select! {
                () = reached(&mut phase, Phase::Closed) => return,
                job = jobs.recv() => match job {
                    Some(job) => job(number),
                    None => return,
                },
            }
        }
    });
    runtime.shutdown_timeout(LAST_READS);
}
