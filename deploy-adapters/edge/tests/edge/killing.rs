//! The edge as a process that is killed, at moments nobody chooses.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deploy_edge::{Config, EdgeError, Limits, Listen, RouteChange, serve};

use crate::harness::{HOST, Http, Lab, any_port, get};
use crate::upstream::App;

/// The directory of the lab, for the process that is killed.
const DIR: &str = "EDGE_TEST_DIR";

/// Not a test: the process that the tests below start and kill, this binary once more.
#[test]
#[ignore = "started by other tests"]
fn edge_process() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let dir = Path::new(&dir);
    let config = Config {
        dir: dir.join("edge"),
        releases: dir.join("releases"),
        listen: Listen::Preferred(any_port()),
        trusted_proxies: Vec::new(),
        limits: Limits::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(serve(config, std::future::pending())).unwrap();
}

/// A process; killed when dropped.
struct Process(Child);

impl Process {
    #[expect(clippy::disallowed_methods, reason = "the test's own binary, without any value of a user")]
    fn start(lab: &Lab) -> Self {
        let child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "killing::edge_process", "--ignored", "--nocapture"])
            .env(DIR, lab.dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        Self(child)
    }

    /// SIGKILL, and gone when this returns.
    fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it has ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn started(lab: &Lab) -> (Process, SocketAddr) {
    let process = Process::start(lab);
    let client = lab.client();
    let answering = async {
        loop {
            if let Ok(status) = client.status().await {
                return status.address;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let address = tokio::time::timeout(Duration::from_secs(60), answering).await.expect("it starts");
    (process, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f40_an_edge_killed_while_switching_comes_back_with_the_last_word_it_gave() {
    let (lab, v1, v2) = (Lab::new(), App::start("v1").await, App::start("v2").await);
    let (mut process, address) = started(&lab).await;
    let asked = Arc::new(AtomicU64::new(0));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut epoch = 0;
    for round in 0..8 {
        let switching = async {
            loop {
                epoch += 1;
                let app = if epoch % 2 == 0 { &v2 } else { &v1 };
                asked.store(epoch, Ordering::SeqCst);
                match lab.client().switch(&app.switch(epoch)).await {
                    Ok(_) => acknowledged.store(epoch, Ordering::SeqCst),
                    Err(EdgeError::Unknown { .. } | EdgeError::Unreachable { .. }) => return,
                    Err(other) => panic!("{other:?}"),
                }
            }
        };
        let killing = async {
            let enough = asked.load(Ordering::SeqCst) + 5 + round;
            while asked.load(Ordering::SeqCst) < enough {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_micros(97 * round)).await;
            process.kill();
        };
        tokio::join!(switching, killing);

        let again;
        (process, again) = started(&lab).await;
        assert_eq!(again, address, "found where it was");
        let status = lab.client().status().await.unwrap();
        assert_eq!(status.warnings, Vec::<String>::new(), "killing damages nothing");
        let (last, tried) = (acknowledged.load(Ordering::SeqCst), asked.load(Ordering::SeqCst));
        let route = &status.routes[0];
        assert!((last..=tried).contains(&route.epoch), "{last} <= {} <= {tried}", route.epoch);
        let app = if route.epoch % 2 == 0 { &v2 } else { &v1 };
        assert_eq!((route.digest, route.upstream.clone()), (app.digest(), Some(app.upstream())));
        let reply = get(address, "/who", &[]).await;
        assert_eq!(reply.header("deploy-release"), app.digest().to_string());
        let late = lab.client().switch(&v1.switch(last - 1)).await.unwrap_err();
        assert_eq!(late.code(), "stale_epoch", "the fence has survived");
        assert!(lab.client().wait_drained(&v1.digest(), None, Duration::ZERO).await.unwrap().in_flight == 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_table_is_back_whole_after_a_kill() {
    const ROUTES: u64 = 2_000;
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let (process, _) = started(&lab).await;
    let client = lab.client();
    for n in 0..ROUTES {
        let change =
            RouteChange { host: format!("h{n}.example"), target: format!("t{n}"), ..app.switch(n + 1) };
        client.switch(&change).await.unwrap();
    }
    client.switch(&app.switch(7)).await.unwrap();
    process.kill();
    let (_process, address) = started(&lab).await;
    let status = client.status().await.unwrap();
    assert_eq!(status.routes.len() as u64, ROUTES + 1);
    for route in &status.routes {
        let n = route.host.strip_prefix('h').and_then(|rest| rest.split('.').next()?.parse::<u64>().ok());
        assert_eq!(route.epoch, n.map_or(7, |n| n + 1), "{route:?}");
    }
    let mut http = Http::open(address).await;
    for host in ["h0.example", "H1999.example.:80", HOST] {
        http.send(format!("GET /who HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(http.reply(true).await.unwrap().text(), "v1", "{host}");
    }
}
