//! /api/openapi.json: the admin listener, described by what its handlers and types say of themselves.
//!
//! - `common`: the answers that any call may get

mod common;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use utoipa::openapi::{OpenApi, PathItem};
use utoipa::{OpenApi as _, ToSchema};

use common::Answers;

/// Why a call was refused; nothing has changed.
#[derive(ToSchema)]
#[schema(example = json!({ "message": "<Error> 'n' is missing", "status": "failure" }))]
#[allow(dead_code, reason = "it only stands for what http::error writes")]
pub(crate) struct Failure {
    /// Starts with `<Error> `.
    #[schema(pattern = "^<Error> ")]
    message: String,
    status: Failed,
}

/// Always this.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "as above")]
pub(crate) enum Failed {
    Failure,
}

/// The document.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "lb", description = "The admin listener of lb: what the fleet does, why a key goes where it goes, \
        what a change would do, and the changes. With a token (see --admin-token-file) every call but /livez and \
        /readyz shows it as `Authorization: Bearer TOKEN`; without one a change is JSON by its `Content-Type`, or has the \
        header `X-LB-Admin`, with any value."),
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
    modifiers(&Answers)
)]
struct Document;

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(Document::openapi);

/// The description of the admin listener
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
/// What it consists of beside this page is below /dashboard.
#[utoipa::path(
    method(get, head),
    path = "/",
    responses((status = 200, description = "A page for a browser", body = String, content_type = "text/html"))
)]
#[allow(dead_code, reason = "http::dashboard serves it")]
fn dashboard() {}

/// The methods of a path, as `Allow` has them; `None` if it is none of ours.
pub(crate) fn allowed(path: &str) -> Option<String> {
    let fits = |template: &str| {
        let (mut ours, mut theirs) = (template.split('/'), path.split('/'));
        ours.by_ref()
            .zip(theirs.by_ref())
            .all(|(our, their)| if our.starts_with('{') { !their.is_empty() } else { our == their })
            && template.split('/').count() == path.split('/').count()
    };
    let (_, item) = DOCUMENT.paths.paths.iter().find(|(template, _)| fits(template))?;
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
