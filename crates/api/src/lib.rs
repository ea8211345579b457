//! MediaMTX's control API and the metrics under MediaMTX's names: what the hub and the gateways hold, read when asked.
//!
//! | module | what it gives |
//! |---|---|
//! | [`routes`] | `/v3/...`: lists, single members, kicks |
//! | [`metrics`] | the metric families, for a page that `app` begins |
//! | `resources` | what of a path or a session is shown, under MediaMTX's names |
//! | `page` | `?page=&itemsPerPage=` |
//!
//! Names and forms are those of MediaMTX 1.20 (its `api/openapi.yaml` and `internal/metrics/metrics.go`), so that scripts
//! and dashboards go on working; where it has a newer name for something, both are there. Nobody is authorized here:
//! `app` puts that in front.
#![forbid(unsafe_code)]

mod context;
mod error;
pub mod metrics;
mod page;
mod resources;
mod routes;

pub use context::{ConfiguredPath, ConfiguredPaths, Context, Info};
pub use error::refusal;
pub use routes::routes;
