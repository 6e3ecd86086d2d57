//! Telling a collector about every deployment that ended, in a build with the feature `otlp` and where
//! `OTEL_EXPORTER_OTLP_ENDPOINT` says where one is. Without either nothing is told to anybody.

#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod spans;

#[cfg(feature = "otlp")]
pub(crate) use export::Telemetry;

/// The variable that says where the collector is.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// What a build without the feature has instead.
#[cfg(not(feature = "otlp"))]
pub(crate) struct Telemetry;

#[cfg(not(feature = "otlp"))]
impl Telemetry {
    /// Says so if somebody expects something to be told.
    pub(crate) fn start(_: &deploy_http::Instruments) -> Self {
        if std::env::var_os(ENDPOINT).is_some() {
            tracing::warn!("{ENDPOINT} is passed over: this program was built without the feature `otlp`");
        }
        Self
    }

    #[expect(clippy::unused_async, reason = "the same as with the feature")]
    pub(crate) async fn end(self) {}
}
