//! The admin server: our dispatcher and actix-web's `App`, in a worker of its own.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use actix_http::Request;
use actix_http::body::BoxBody;
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use futures::future::{FutureExt, LocalBoxFuture};

use crate::admin;
use crate::admin::{Access, Admin};
use crate::config::Config;
use crate::proxy::dispatcher;
use crate::proxy::dispatcher::{Admission, ConnectionLimit, Fields, Incoming, Response};
use crate::proxy::socket;

use super::StartError;
use super::reload::ReloadHandle;
use super::workers::{Worker, Workers};

/// Serves the admin listener with at most `max_connections` connections at one time.
pub(super) fn serve(
    config: &Config,
    listener: TcpListener,
    (admin, max_connections): (Admin, usize),
    access: Access,
    reload: ReloadHandle,
) -> Result<(SocketAddr, Workers), StartError> {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    let address = listener.local_addr().unwrap_or(unknown);
    let failed = |error| StartError::Listen { flag: "--admin-listen", address, error };
    socket::limit_stall(&listener);
    let (limits, connections) = (connection_settings(config), ConnectionLimit::new(max_connections));
    // Connections over the limit are answered 503; beyond this number none is accepted.
    let max_open = max_connections + (max_connections / 16).max(1);
    let workers = Workers::start(1, listener, max_open, move || {
        let admission = Rc::new(Admission::new(limits.clone(), connections.clone()));
        let access = Rc::new(RefCell::new(access.clone()));
        let (live_admission, live_access) = (admission.clone(), access.clone());
        let limits = admin.limits.clone();
        reload.follow(move |_, config| {
            limits.set(config.control_body());
            live_admission.configure(connection_settings(config));
            live_access.borrow_mut().configure(&config.access());
        });
        let service = service(admin.clone(), access);
        async { Worker { admission, service: Rc::new(service.await) } }
    });
    Ok((address, workers.map_err(failed)?))
}

/// The limits of client connections. A subscriber of events or output that closes its connection leaves at once: the stream
/// may be silent, and the number of subscribers is limited.
fn connection_settings(config: &Config) -> dispatcher::Settings {
    config.client_connections().with_fin_ending_streams()
}

/// Creates the `App`, and a service that calls it for the requests that the dispatcher accepts.
async fn service(
    admin: Admin,
    access: Rc<RefCell<Access>>,
) -> impl Service<
    Incoming,
    Response = Response<BoxBody>,
    Error = Infallible,
    Future = LocalBoxFuture<'static, Result<Response<BoxBody>, Infallible>>,
> {
    let app = App::new().app_data(web::Data::new(access)).wrap(from_fn(admin::authorize));
    let app = app.configure(admin::routes(admin)).into_factory();
    let app = map_config(app, |()| AppConfig::default()).new_service(()).await;
    let app = Rc::new(app.expect("the factories of the routes cannot fail"));
    fn_service(move |incoming: Incoming| {
        let app = app.clone();
        let serve = async move |mut request: Request, fields: Fields| {
            request.head_mut().headers = fields.to_map();
            Response::from(match app.call(request).await {
                Ok(answer) => actix_http::Response::from(answer).map_into_boxed_body(),
                Err(error) => error.error_response().into(),
            })
        };
        let refuse = |rejection| admin::reject(rejection).into();
        async move { Ok(incoming.answer(serve, refuse).await) }.boxed_local()
    })
}
