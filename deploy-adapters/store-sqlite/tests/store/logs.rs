//! Log lines: bounded, and honest about what is missing. Numbers and filters are in the contract.

use crate::common::{Run, Temp};
use deploy_core::port::{LogSink as _, Logs as _};
use deploy_core::status::StatusName;
use deploy_store_sqlite::{Limits, LogLimits};

fn with_logs(logs: LogLimits) -> Temp {
    Temp::with(Limits { logs, ..Limits::default() })
}

async fn kept(temp: &Temp, run: &Run) -> Vec<(u64, String)> {
    temp.store.flush().await.unwrap();
    let lines = temp.store.lines(&run.lines()).await.unwrap();
    lines.into_iter().map(|line| (line.sequence.0, line.message)).collect()
}

#[tokio::test]
async fn lines_become_readable_without_a_flush() {
    let temp = Temp::new();
    let run = Run::submit("web", &temp.store).await;
    temp.store.line(run.line("hello"));
    for _ in 0..200 {
        if !temp.store.lines(&run.lines()).await.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the line never came");
}

#[tokio::test]
async fn inv_39_a_flood_is_dropped_counted_and_said_where_it_happened() {
    let temp = with_logs(LogLimits { queue_lines: 100, batch: 10, ..LogLimits::default() });
    let run = Run::submit("web", &temp.store).await;
    for n in 0..20_000 {
        temp.store.line(run.line(n.to_string()));
    }
    let lines = kept(&temp, &run).await;
    let (mut next, mut dropped) = (0, 0);
    for (_, message) in &lines {
        match message.parse::<u64>() {
            Ok(number) => {
                assert_eq!(number, next, "exactly as many are missing as the log says, where it says so");
                next += 1;
            }
            Err(_) => {
                let count: u64 = message.split(' ').next().unwrap().parse().unwrap();
                assert!(message.contains("dropped"), "{message}");
                next += count;
                dropped += count;
            }
        }
    }
    assert_eq!(next, 20_000);
    assert!(dropped > 0, "the queue was meant to be too small");
}

#[tokio::test]
async fn inv_39_a_log_keeps_its_head_a_notice_and_its_tail() {
    let temp = with_logs(LogLimits { lines: 10, tail: 3, batch: 4, ..LogLimits::default() });
    let run = Run::submit("web", &temp.store).await;
    for n in 1..=100 {
        temp.store.line(run.line(n.to_string()));
        if n % 7 == 0 {
            temp.store.flush().await.unwrap();
        }
    }
    let lines = kept(&temp, &run).await;
    let messages: Vec<_> = lines.iter().map(|(_, message)| message.as_str()).collect();
    assert_eq!(messages[..10], ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
    assert!(messages[10].starts_with("truncated"));
    assert_eq!(messages[11..], ["98", "99", "100"]);
    let numbers: Vec<_> = lines.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers[9..], [10, 11, 99, 100, 101]);
}

#[tokio::test]
async fn inv_39_a_log_is_bounded_in_bytes_too() {
    let temp = with_logs(LogLimits { bytes: 1_000, tail: 2, ..LogLimits::default() });
    let run = Run::submit("web", &temp.store).await;
    for _ in 0..50 {
        temp.store.line(run.line("x".repeat(100)));
    }
    assert_eq!(kept(&temp, &run).await.len(), 10 + 1 + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_24_a_flood_holds_up_no_append() {
    let temp = Temp::new();
    let noisy = Run::submit("noisy", &temp.store).await;
    let mut quiet = Run::submit("quiet", &temp.store).await;
    let (store, line) = (temp.store.clone(), noisy.line("x".repeat(200)));
    let flood = tokio::task::spawn_blocking(move || (0..200_000).for_each(|_| store.line(line.clone())));
    for _ in 0..50 {
        quiet.append(&temp.store, 1, StatusName::Executing).await.unwrap();
    }
    flood.await.unwrap();
    temp.store.flush().await.unwrap();
}

#[tokio::test]
async fn inv_39_all_logs_together_are_bounded_and_the_oldest_go_first() {
    let temp = with_logs(LogLimits { total_bytes: 20_000, batch: 10, ..LogLimits::default() });
    let mut runs = Vec::new();
    for _ in 0..4 {
        let mut run = Run::submit("web", &temp.store).await;
        for n in 0..100 {
            temp.store.line(run.line(format!("{n:0100}")));
        }
        temp.store.flush().await.unwrap();
        run.end(&temp.store, StatusName::Stopped, None).await.unwrap();
        runs.push(run);
    }
    let mut counts = Vec::new();
    for run in &runs {
        counts.push(kept(&temp, run).await.len());
    }
    assert_eq!((counts[0], counts[3]), (1, 100), "{counts:?}");
    assert!(counts.iter().sum::<usize>() < 230, "{counts:?}");
    let (number, message) = kept(&temp, &runs[0]).await.remove(0);
    assert!(message.starts_with("removed"), "{message}");
    assert_eq!(number, 100);
}
