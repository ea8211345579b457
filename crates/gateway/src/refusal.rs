//! How a request over HTTP is refused, whatever it wanted.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub::{Denied, HubError};

/// Why a request is refused, as HTTP says it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// For players, which show the credentials of their URL only to who asks with `Basic` (ffmpeg, VLC).
    pub(crate) fn into_player_response(self) -> Response {
        let mut response = self.into_response();
        if let Some(challenge) = response.headers_mut().get_mut(header::WWW_AUTHENTICATE) {
            *challenge = HeaderValue::from_static("Basic realm=\"medley\", charset=\"UTF-8\"");
        }
        response
    }

    /// Of a method that the resource does not have; `accepted` lists those that it has.
    pub(crate) fn method(accepted: &'static str) -> Response {
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("accepted methods: {accepted}"));
        let mut response = refusal.into_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(accepted));
        response
    }
}

impl From<HubError> for Refusal {
    fn from(error: HubError) -> Self {
        let status = match error {
            HubError::Denied(Denied::CredentialsNeeded | Denied::WrongCredentials) => {
                StatusCode::UNAUTHORIZED
            }
            HubError::Denied(Denied::NotPermitted) | HubError::FedHere => StatusCode::FORBIDDEN,
            HubError::Taken => StatusCode::CONFLICT,
            HubError::NotFound => StatusCode::NOT_FOUND,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Refusal {
    /// RFC 9457 problem details: one sentence for the person who reads it.
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "status": self.status.as_u16(), "detail": self.detail });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            // Not `Basic`, which is accepted all the same: browsers would put their own window over our page's.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"medley\""));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
