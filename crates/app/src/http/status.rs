//! `/healthz`: whether the process serves, for load balancers and service managers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

/// Where the process is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Not all listeners are open.
    Starting,
    /// All is well.
    Ok,
    /// It was told to stop.
    Stopping,
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ok => "ok",
            Self::Stopping => "stopping",
        }
    }
}

/// The process's phase. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Status(Arc<AtomicU8>);

impl Status {
    const PHASES: [Phase; 3] = [Phase::Starting, Phase::Ok, Phase::Stopping];

    /// The phase.
    pub fn phase(&self) -> Phase {
        let index = usize::from(self.0.load(Ordering::Relaxed));
        Self::PHASES.get(index).copied().unwrap_or(Phase::Stopping)
    }

    /// Enters a phase.
    pub fn enter(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }

    /// `GET /healthz`: 200 while all is well, else 503; the same JSON for both. Open to everybody, so it says no more.
    pub fn routes(self) -> Router {
        let answer = move || {
            let phase = self.phase();
            async move {
                let code = if phase == Phase::Ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                let body =
                    serde_json::json!({ "status": phase.name(), "version": env!("CARGO_PKG_VERSION") });
                let headers =
                    [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
                (code, headers, body.to_string()).into_response()
            }
        };
        Router::new().route("/healthz", get(answer))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn each_phase_has_its_answer() {
        let status = Status::default();
        for (phase, code, word) in
            [(Phase::Starting, 503, "starting"), (Phase::Ok, 200, "ok"), (Phase::Stopping, 503, "stopping")]
        {
            status.enter(phase);
            let request = Request::get("/healthz").body(Body::empty()).unwrap();
            let answer = status.clone().routes().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), code);
            let body = to_bytes(answer.into_body(), 1024).await.unwrap();
            let expected = format!(r#"{{"status":"{word}","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
            assert_eq!(body, expected);
        }
    }
}
