//! Who may use the API and see the metrics.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use gateway::credentials;
use hub::Denied;

use crate::auth::UserAuthorizer;

/// Lets requests in to `router`, and to what it has no route for, from whom the access rules let use the API. They show
/// Basic (RFC 7617) or Bearer (RFC 6750) credentials, as Prometheus and MediaMTX's clients do; to come from this machine
/// is no credential.
pub fn guarded(router: Router, authorizer: Arc<UserAuthorizer>) -> Router {
    router.layer(middleware::from_fn_with_state(authorizer, guard))
}

async fn guard(
    State(authorizer): State<Arc<UserAuthorizer>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let credentials = credentials::from_headers(request.headers()).unwrap_or_default();
    let mut response = match authorizer.authorize_api(peer.ip(), &credentials).await {
        Ok(()) => next.run(request).await,
        Err(denied) => refuse(denied),
    };
    // Addresses and names of patients, and of the moment.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refuse(denied: Denied) -> Response {
    let status = match denied {
        Denied::CredentialsNeeded | Denied::WrongCredentials => StatusCode::UNAUTHORIZED,
        Denied::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::FORBIDDEN,
    };
    let mut response = api::refusal(status, denied);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"medley\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
