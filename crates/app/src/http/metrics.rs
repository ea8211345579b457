//! `/metrics` in the OpenMetrics text form. Nothing is counted twice for it: collectors read live state when scraped.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fmt, fs};

use api::metrics::Filter;
use axum::Router;
use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use gateway::transport::TlsAcceptor;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::listener::Counters;
use crate::tls::Tls;

/// The media type of what [`Metrics::encode`] gives.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All figures of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// With the figures of the process itself: build, start, memory, processor time, descriptors.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("medley_build", "The version that runs", build);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        registry.register_collector(Box::new(Process { started }));
        Self { registry }
    }

    /// Adds figures that are read at each scrape. Their names begin with `medley_`.
    pub fn register(&mut self, collector: impl Collector) {
        self.registry.register_collector(Box::new(collector));
    }

    /// Adds the figures of HTTP listeners, by their names in `[listen]`.
    pub fn register_listeners(&mut self, listeners: Vec<(&'static str, Arc<Counters>)>) {
        self.register(Listeners(listeners));
    }

    /// Adds the certificate's figures, and those of the listeners that show it, by their names in `[listen]`.
    pub fn register_tls(&mut self, tls: Tls, listeners: Vec<(&'static str, TlsAcceptor)>) {
        self.register(Certificate { tls, listeners });
    }

    /// All figures as text.
    ///
    /// # Errors
    /// What a collector says; this process's own never fail.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }

    /// `GET /metrics` with the figures of no single stream: for listeners that are open to more than a monitoring
    /// system.
    pub fn routes(self: Arc<Self>) -> Router {
        Router::new().route("/metrics", get(async move || answer(self.encode())))
    }

    /// `GET /metrics` with the figures of each stream and session under MediaMTX's names beside, by MediaMTX's filters.
    /// Who filters gets MediaMTX's families only.
    pub fn routes_beside_mediamtx(self: Arc<Self>, context: api::Context) -> Router {
        let answer = async move |Query(parameters): Query<HashMap<String, String>>| {
            answer(self.encode_beside_mediamtx(&context, &Filter::new(parameters)))
        };
        Router::new().route("/metrics", get(answer))
    }

    fn encode_beside_mediamtx(&self, context: &api::Context, filter: &Filter) -> Result<String, fmt::Error> {
        let mut page = String::new();
        if filter.is_empty() {
            text::encode_registry(&mut page, &self.registry)?;
        }
        api::metrics::write(context, filter, &mut page)?;
        text::encode_eof(&mut page)?;
        Ok(page)
    }
}

fn answer(page: Result<String, fmt::Error>) -> Response {
    match page {
        Ok(page) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], page).into_response(),
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A figure that only grows.
pub(crate) fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> fmt::Result {
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
}

/// A figure that goes up and down.
pub(crate) fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

#[derive(Debug)]
struct Listeners(Vec<(&'static str, Arc<Counters>)>);

impl Collector for Listeners {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let kind = ConstGauge::new(0_u64).metric_type();
        let mut open =
            encoder.encode_descriptor("medley_http_connections", "HTTP connections now", None, kind)?;
        for (listener, counters) in &self.0 {
            ConstGauge::new(read(&counters.open)).encode(open.encode_family(&[("listener", *listener)])?)?;
        }
        type Pick = fn(&Counters) -> &AtomicU64;
        let totals: [(&str, &str, Pick); 3] = [
            ("medley_http_connections_accepted", "HTTP connections since the start", |all| &all.accepted),
            ("medley_http_connections_refused", "HTTP connections beyond the limit", |all| &all.refused),
            ("medley_http_header_timeouts", "HTTP connections without a whole header in time", |all| {
                &all.timeouts
            }),
        ];
        for (name, help, pick) in totals {
            let kind = ConstCounter::new(0_u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (listener, counters) in &self.0 {
                let total = ConstCounter::new(read(pick(counters)));
                total.encode(family.encode_family(&[("listener", *listener)])?)?;
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Certificate {
    tls: Tls,
    listeners: Vec<(&'static str, TlsAcceptor)>,
}

impl Collector for Certificate {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let expires = self.tls.not_after().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let help = "When the certificate expires, since 1970";
        gauge(&mut encoder, "medley_tls_certificate_expiry_seconds", help, expires)?;
        let kind = ConstCounter::new(0_u64).metric_type();
        let help = "TLS handshakes that failed or took too long";
        let mut family = encoder.encode_descriptor("medley_tls_handshake_failures", help, None, kind)?;
        for (listener, acceptor) in &self.listeners {
            let total = ConstCounter::new(acceptor.failures());
            total.encode(family.encode_family(&[("listener", *listener)])?)?;
        }
        Ok(())
    }
}

/// The figures that every Prometheus client library gives under these names.
#[derive(Debug)]
struct Process {
    /// Seconds since 1970.
    started: f64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        gauge(&mut encoder, "process_start_time_seconds", "Start of the process since 1970", self.started)?;
        if let Some(bytes) = resident_bytes() {
            gauge(&mut encoder, "process_resident_memory_bytes", "Memory of the process", bytes)?;
        }
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let help = "Processor time of the process, user and system";
            let metric =
                encoder.encode_descriptor("process_cpu_seconds", help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            let count = u32::try_from(entries.count()).unwrap_or(u32::MAX);
            gauge(&mut encoder, "process_open_fds", "Open file descriptors", count.into())?;
        }
        Ok(())
    }
}

/// proc_pid_status(5): `VmRSS` in units of 1024 bytes.
fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u32 = line.split_whitespace().next()?.parse().ok()?;
    Some(f64::from(kibibytes) * 1024.0)
}

/// proc_pid_stat(5): fields 14 and 15, in clock ticks, of which Linux shows user space 100 in a second on every
/// architecture that this program is built for. The second field may hold spaces, so counting starts after it.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((f64::from(user) + f64::from(system)) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Streams;

    impl Collector for Streams {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            counter(&mut encoder, "medley_frames", "Frames", 7)
        }
    }

    fn value<'t>(page: &'t str, name: &str) -> &'t str {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{page}"))
    }

    #[test]
    fn the_process_and_its_parts_are_in_one_page() {
        let mut metrics = Metrics::new();
        metrics.register(Streams);
        let counters = Arc::<Counters>::default();
        counters.accepted.store(3, Ordering::Relaxed);
        metrics.register_listeners(vec![("http", Arc::clone(&counters)), ("webrtc", Arc::default())]);
        let page = metrics.encode().unwrap();
        assert_eq!(value(&page, "medley_frames_total"), "7");
        assert_eq!(value(&page, r#"medley_http_connections_accepted_total{listener="http"}"#), "3");
        assert_eq!(value(&page, r#"medley_http_connections{listener="webrtc"}"#), "0");
        let build = format!("medley_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
        assert_eq!(value(&page, &build), "1");
        assert!(value(&page, "process_resident_memory_bytes").parse::<f64>().unwrap() > 1e6, "{page}");
        assert!(value(&page, "process_start_time_seconds").parse::<f64>().unwrap() > 1.7e9, "{page}");
        assert!(value(&page, "process_open_fds").parse::<f64>().unwrap() >= 3.0, "{page}");
        assert!(page.ends_with("# EOF\n"));
        counters.accepted.store(4, Ordering::Relaxed);
        let later = metrics.encode().unwrap();
        assert_eq!(value(&later, r#"medley_http_connections_accepted_total{listener="http"}"#), "4");
    }

    #[test]
    fn processor_time_grows_with_work() {
        let before = cpu_seconds().unwrap();
        let begun = std::time::Instant::now();
        let mut sum = 0_u64;
        while cpu_seconds().unwrap() < before + 0.02 {
            assert!(begun.elapsed().as_secs() < 10, "20 ms of work were not counted in 10 s");
            sum = std::hint::black_box((0..10_000).fold(sum, u64::wrapping_add));
        }
    }
}
