//! Sending traces: one task, a bounded queue, and no deployment that ever waits for a collector.

use std::time::Duration;

use deploy_core::status::Status;
use deploy_http::Instruments;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::ENDPOINT;
use super::spans::spans;

/// Deployments that wait to be told; more are left out, and that is said.
const WAITING: usize = 256;
/// How long a collector may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long what is left may take when the control plane ends.
const LAST: Duration = Duration::from_secs(3);

/// The task that tells a collector.
pub(crate) struct Telemetry(Option<(oneshot::Sender<()>, JoinHandle<()>)>);

impl Telemetry {
    /// Begins to tell of every deployment that ends, if there is somebody to tell.
    pub(crate) fn start(instruments: &Instruments) -> Self {
        if std::env::var_os(ENDPOINT).is_none() {
            return Self(None);
        }
        let exporter = SpanExporter::builder().with_http();
        let exporter = exporter.with_protocol(Protocol::HttpJson).with_timeout(ANSWER).build();
        let mut exporter = match exporter {
            Ok(exporter) => exporter,
            Err(error) => {
                tracing::warn!(%error, "{ENDPOINT} can't be used: nothing is told to a collector");
                return Self(None);
            }
        };
        exporter.set_resource(&Resource::builder().with_service_name("deploy").build());
        let (sender, waiting) = mpsc::channel(WAITING);
        instruments.on_end(move |status| {
            if sender.try_send(status.clone()).is_err() {
                tracing::warn!(deployment = %status.id, "the collector is too slow: this one is not told");
            }
        });
        let (end, ending) = oneshot::channel();
        Self(Some((end, tokio::spawn(tell(exporter, waiting, ending)))))
    }

    /// Tells what is left, but not for long.
    pub(crate) async fn end(self) {
        let Some((end, task)) = self.0 else { return };
        // Gone already if it broke off.
        let _ = end.send(());
        let _ = tokio::time::timeout(LAST, task).await;
    }
}

async fn tell(
    exporter: SpanExporter,
    mut waiting: mpsc::Receiver<Status>,
    mut ending: oneshot::Receiver<()>,
) {
    loop {
        let next = tokio::select! {
            next = waiting.recv() => next,
            _ = &mut ending, if !waiting.is_closed() => {
                waiting.close();
                continue;
            }
        };
        let Some(status) = next else { return };
        if let Err(error) = exporter.export(spans(&status)).await {
            tracing::warn!(%error, deployment = %status.id, "the collector was not told");
        }
    }
}
