//! /api/openapi.json: the OpenAPI document of the admin listener, generated from its handlers and types.
//!
//! - `common`: the responses that are common to all operations

mod common;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use utoipa::openapi::{OpenApi, PathItem};
use utoipa::{OpenApi as _, ToSchema};

use common::CommonResponses;

/// Why a call was refused; nothing has changed.
#[derive(ToSchema)]
#[schema(example = json!({ "message": "<Error> 'n' is missing", "status": "failure" }))]
#[allow(dead_code, reason = "only the schema; `proxy::error_body` writes the body")]
pub(crate) struct Failure {
    /// Starts with `<Error> `.
    #[schema(pattern = "^<Error> ")]
    message: String,
    status: Failed,
}

/// The status of every failure.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "as above")]
pub(crate) enum Failed {
    Failure,
}

/// Collects the operations and schemas.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "lb", description = "The management API of lb: state, metrics, plans and changes of the fleet, and \
        explanations of the placement of keys. Where a token is required (see --admin-token-file), every request except /livez and /readyz \
        carries it as `Authorization: Bearer TOKEN`. Without a token a change must have a JSON `Content-Type`, or the \
        header `X-LB-Admin` with any value."),
    paths(
        document,
        super::livez,
        super::readyz,
        super::api::state::state,
        super::api::ring::ring,
        super::api::explain::explain,
        super::api::events::events,
        super::api::history::history,
        super::api::hot_keys::hot_keys,
        super::api::traffic::traffic,
        super::metrics::metrics,
        super::api::change::plan,
        super::api::change::add,
        super::api::change::remove,
        super::api::fleet::drain,
        super::api::fleet::undrain,
        super::api::fleet::replace,
        super::api::fleet::rolling_replace,
        super::api::fleet::weigh,
        super::api::upstreams::add_upstream,
        super::api::upstreams::remove_upstream,
        super::api::reload::reload,
        super::api::logs::logs,
        super::access::login::by_link,
        super::access::login::by_form,
        super::access::login::style,
        dashboard,
    ),
    components(schemas(Failure)),
    modifiers(&CommonResponses)
)]
struct Document;

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(Document::openapi);

/// The OpenAPI document of the admin listener
#[utoipa::path(
    method(get, head),
    path = "/api/openapi.json",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value))
)]
pub(crate) async fn document() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).json(&*DOCUMENT)
}

/// The dashboard
///
/// Its scripts and style sheets are below /dashboard.
#[utoipa::path(
    method(get, head),
    path = "/",
    responses((status = 200, description = "The page", body = String, content_type = "text/html"))
)]
#[allow(dead_code, reason = "only the description; admin::dashboard serves it")]
fn dashboard() {}

/// The methods of a path in the form of the header `Allow`; `None` if there is no such path.
pub(crate) fn allowed(path: &str) -> Option<String> {
    let matches = |template: &str| {
        let (mut expected, mut actual) = (template.split('/'), path.split('/'));
        expected.by_ref().zip(actual.by_ref()).all(|(expected, actual)| {
            if expected.starts_with('{') { !actual.is_empty() } else { expected == actual }
        }) && template.split('/').count() == path.split('/').count()
    };
    let (_, item) = DOCUMENT.paths.paths.iter().find(|(template, _)| matches(template))?;
    Some(methods(item).join(", "))
}

fn methods(item: &PathItem) -> Vec<&'static str> {
    let all = [
        ("GET", &item.get),
        ("HEAD", &item.head),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("DELETE", &item.delete),
    ];
    all.into_iter().filter(|(_, operation)| operation.is_some()).map(|(method, _)| method).collect()
}
