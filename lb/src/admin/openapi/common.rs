//! Adds to every operation the responses that are common to all.

use utoipa::Modify;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};

/// Rejections before a handler runs.
const ACCESS: [(&str, &str); 7] = [
    ("400", "'Host' is missing or repeated, or the request is invalid: the message says why"),
    ("401", "The token is missing"),
    (
        "403",
        "The token is wrong; or a change has neither a token nor the header X-LB-Admin and is not JSON; or the request \
         is cross-site",
    ),
    ("414", "The target is longer than --max-target"),
    ("421", "'Host' is no name of this balancer"),
    ("429", "Ten wrong tokens came from this address within a minute"),
    ("431", "The header is larger than --max-header-size, or has more than 96 fields"),
];

/// The failure that any handler may return.
const STOPPING: (&str, &str) =
    ("503", "The balancer is stopping, or the operation is not possible now: the message says why");

/// Rejections of operations with a body.
const BODY: [(&str, &str); 2] = [
    ("408", "The body was not complete within --client-head-timeout"),
    ("413", "The body is larger than --max-control-body, or a form larger than 4096 bytes"),
];

/// Adds the common responses to the document.
pub(crate) struct CommonResponses;

impl Modify for CommonResponses {
    fn modify(&self, document: &mut OpenApi) {
        for (path, item) in &mut document.paths.paths {
            if let Some(head) = &mut item.head {
                head.operation_id = head.operation_id.as_ref().map(|id| format!("{id}_head"));
                for response in head.responses.responses.values_mut() {
                    if let RefOr::T(response) = response {
                        response.content.clear();
                        response.links.clear();
                    }
                }
            }
            let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                add_to(path, operation, failure);
            }
            if let Some(head) = &mut item.head {
                add_to(path, head, |why| ResponseBuilder::new().description(why).build());
            }
        }
    }
}

fn add_to(path: &str, operation: &mut Operation, answer: fn(&str) -> Response) {
    let body = operation.request_body.iter().flat_map(|_| BODY);
    let answers = match path {
        // These paths need no token.
        "/livez" | "/readyz" | "/login" | "/login.css" => {
            let open = ACCESS.into_iter().filter(|(status, _)| !["401", "429"].contains(status));
            open.chain(body).collect()
        }
        _ => ACCESS.into_iter().chain([STOPPING]).chain(body).collect::<Vec<_>>(),
    };
    for (status, why) in answers {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| answer(why).into());
    }
}

fn failure(why: &str) -> Response {
    let schema = Ref::from_schema_name("Failure");
    ResponseBuilder::new().description(why).content("application/json", Content::new(Some(schema))).build()
}
