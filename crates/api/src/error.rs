//! What cannot be answered.

use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gateway::sessions::SessionIdError;
use serde::Serialize;

/// Why a call is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// Nothing has the name or the id.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// What stands for an id is none.
    #[error(transparent)]
    Id(#[from] SessionIdError),
    /// A query parameter is not what it should be.
    #[error("{parameter}: accepted: {accepted}")]
    Parameter {
        /// Which.
        parameter: &'static str,
        /// What it should be.
        accepted: &'static str,
    },
    /// Not in the API.
    #[error("no such call")]
    Call,
    /// In the API, with another method.
    #[error("no such method of this call")]
    Method,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NotFound(_) | Self::Call => StatusCode::NOT_FOUND,
            Self::Id(_) | Self::Parameter { .. } => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
        };
        refusal(status, self)
    }
}

/// MediaMTX's form of an error: `{"status":"error","error":"..."}`.
pub fn refusal(status: StatusCode, error: impl fmt::Display) -> Response {
    #[derive(Serialize)]
    struct Refusal {
        status: &'static str,
        error: String,
    }
    (status, Json(Refusal { status: "error", error: error.to_string() })).into_response()
}
