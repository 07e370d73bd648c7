//! The fleet changed by way of the admin listener, and what a change would do: /api/plan, /api/add, /api/remove.

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use crate::actors::supervisor::{Add, Plan, Remove};
use crate::fleet::Refusal;

use super::admin::Admin;
use super::control::{self, bad};
use super::error::Error;

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/plan", web::post().to(plan))
        .route("/api/add", web::post().to(add))
        .route("/api/remove", web::post().to(remove));
}

/// `{"add":2}` or `{"remove":["server2"]}`, and `"keys"` to be told of.
async fn plan(admin: web::Data<Admin>, body: web::Payload) -> Result<HttpResponse, Error> {
    let fields = control::read(body.into_inner(), admin.limits).await?;
    planned(&admin, wanted(&fields)?, &fields).await
}

/// As /add; with `"dry_run": true` the plan.
async fn add(admin: web::Data<Admin>, body: web::Payload) -> Result<HttpResponse, Error> {
    let fields = control::read(body.into_inner(), admin.limits).await?;
    let add = control::to_add(&fields)?;
    if dry_run(&fields)? {
        return planned(&admin, Plan::Add(add), &fields).await;
    }
    Ok(control::ask(&admin.supervisor, add).await?.map_into_boxed_body().into())
}

/// As /rm; with `"dry_run": true` the plan.
async fn remove(admin: web::Data<Admin>, body: web::Payload) -> Result<HttpResponse, Error> {
    let fields = control::read(body.into_inner(), admin.limits).await?;
    let remove = control::to_remove(&fields)?;
    if dry_run(&fields)? {
        return planned(&admin, Plan::Remove(remove), &fields).await;
    }
    Ok(control::ask(&admin.supervisor, remove).await?.map_into_boxed_body().into())
}

async fn planned(admin: &Admin, wanted: Plan, fields: &Map<String, Value>) -> Result<HttpResponse, Error> {
    let keys = keys(fields)?;
    let plan = admin.supervisor.send(wanted).await.map_err(|_| Refusal::Stopping)??;
    let mut answer = json!(plan);
    if let Some(keys) = keys {
        let fate = |key: &str| {
            let fate = plan.fate(key.as_bytes());
            json!({ "key": key, "slot": fate.slot, "from": fate.from, "to": fate.to })
        };
        answer["keys"] = keys.into_iter().map(fate).collect();
    }
    Ok(HttpResponse::Ok().json(answer))
}

fn wanted(fields: &Map<String, Value>) -> Result<Plan, Error> {
    match (present(fields, "add"), present(fields, "remove")) {
        (Some(n), None) => {
            let n = n.as_u64().filter(|n| *n >= 1).and_then(|n| usize::try_from(n).ok());
            let n = n.ok_or_else(|| bad("'add' is not an integer of 1 or more"))?;
            Ok(Plan::Add(Add { n, names: Vec::new() }))
        }
        (None, Some(list)) => {
            let names = control::names(control::list_of(list, "remove")?, "remove")?;
            match names.len() {
                0 => Err(bad("'remove' is empty: name at least one replica")),
                n => Ok(Plan::Remove(Remove { n, names })),
            }
        }
        _ => Err(bad("give either 'add' or 'remove': {\"add\":2} or {\"remove\":[\"server2\"]}")),
    }
}

fn dry_run(fields: &Map<String, Value>) -> Result<bool, Error> {
    match present(fields, "dry_run") {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| bad("'dry_run' is not true or false")),
    }
}

fn keys(fields: &Map<String, Value>) -> Result<Option<Vec<&str>>, Error> {
    let wrong = || bad("'keys' is not a list of strings");
    let Some(keys) = present(fields, "keys") else { return Ok(None) };
    let keys = keys.as_array().ok_or_else(wrong)?.iter();
    keys.map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong).map(Some)
}

fn present<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}
