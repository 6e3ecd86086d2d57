//! Many followers of one live run, a tenth of them dead-slow.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::server::now_micros;
use crate::{Server, number};

/// Steps that are let through while all follow: two events each.
const STEPS: usize = 20;

/// What one follower received: number, and when in microseconds.
type Received = Vec<(u64, u64)>;

/// Measures, and prints what came out.
pub(crate) async fn measure(server: &mut Server, api: SocketAddr, path: &str, count: usize) {
    let before = server.memory();
    let head = format!("GET {path}/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n");
    let (stop, stopped) = watch::channel(false);
    let (mut reading, mut dead) = (tokio::task::JoinSet::new(), Vec::new());
    for n in 0..count {
        let mut stream = TcpStream::connect(api).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        if n % 10 == 9 {
            dead.push(stream);
        } else {
            reading.spawn(follow(stream, stopped.clone()));
        }
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    for _ in 0..STEPS {
        server.order("go");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    tokio::time::sleep(Duration::from_secs(number("SETTLE", 10) as u64)).await;
    let memory = server.memory();
    stop.send_replace(true);
    let received = reading.join_all().await;
    report(&received, &durable(server, path), count);
    println!("memory: {before} MiB without followers, {memory} MiB with {count}");
    drop(dead);
}

async fn follow(mut stream: TcpStream, mut stopped: watch::Receiver<bool>) -> Received {
    let (mut received, mut text, mut buffer) = (Vec::new(), String::new(), vec![0; 4096]);
    loop {
        let read = tokio::select! {
            read = stream.read(&mut buffer) => read.unwrap(),
            _ = stopped.wait_for(|stopped| *stopped) => return received,
        };
        assert!(read > 0, "the stream ended");
        let now = now_micros();
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        while let Some(end) = text.find('\n') {
            if let Some(id) = text[..end].strip_prefix("id: ") {
                received.push((id.trim().parse().unwrap(), now));
            }
            text.drain(..=end);
        }
    }
}

/// When each event of the run was durable.
fn durable(server: &Server, path: &str) -> HashMap<u64, u64> {
    let id = path.rsplit('/').next().unwrap();
    let lines = std::iter::from_fn(|| server.said.try_recv().ok());
    let mut durable = HashMap::new();
    for line in lines {
        if let ["durable", of, sequence, at] = line.split(' ').collect::<Vec<_>>()[..]
            && of == id
        {
            durable.insert(sequence.parse().unwrap(), at.parse().unwrap());
        }
    }
    durable
}

fn report(received: &[Received], durable: &HashMap<u64, u64>, count: usize) {
    let last = received.iter().filter_map(|events| events.last()).map(|(id, _)| *id).max().unwrap_or(0);
    let in_order = |events: &Received| events.iter().map(|(id, _)| *id).eq(1..=events.len() as u64);
    let broken = received.iter().filter(|events| !in_order(events)).count();
    let behind = received.iter().filter(|events| events.len() as u64 != last).count();
    let mut delays: Vec<u64> = received
        .iter()
        .flatten()
        .filter_map(|(id, at)| durable.get(id).map(|durable| at.saturating_sub(*durable)))
        .collect();
    delays.sort_unstable();
    let at = |part: f64| delays[((delays.len() - 1) as f64 * part) as usize] as f64 / 1_000.0;
    println!(
        "{count} followers, every tenth of them dead: {broken} with a gap or a double in {last} events, {behind} not at the end yet; from durable to received: median {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0),
    );
}
