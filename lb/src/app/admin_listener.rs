//! The admin server: our dispatcher and actix-web's `App`, in a worker of its own.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use actix_http::Request;
use actix_http::body::BoxBody;
use actix_rt::net::TcpStream;
use actix_server::{Server, ServerHandle};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_factory, fn_service, map_config};
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

use super::reload::ReloadHandle;
use super::{StartError, spawn};

/// Serves the admin listener with at most `max_connections` connections at one time.
pub(super) fn serve(
    config: &Config,
    listener: TcpListener,
    (admin, max_connections): (Admin, usize),
    access: Access,
    reload: ReloadHandle,
) -> Result<(SocketAddr, ServerHandle), StartError> {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    let address = listener.local_addr().unwrap_or(unknown);
    let failed = |error| StartError::Listen { flag: "--admin-listen", address, error };
    let (limits, connections) = (connection_settings(config), ConnectionLimit::new(max_connections));
    let builder = Server::build()
        .workers(1)
        // Connections over the limit are answered 503; beyond this number actix stops accepting.
        .max_concurrent_connections(max_connections + (max_connections / 16).max(1))
        .shutdown_timeout(0)
        .disable_signals();
    let builder = builder.listen("admin", listener, move || {
        let admission = Rc::new(Admission::new(limits.clone(), connections.clone()));
        let access = Rc::new(RefCell::new(access.clone()));
        let (live_admission, live_access) = (admission.clone(), access.clone());
        let limits = admin.limits.clone();
        reload.follow(move |_, config| {
            limits.set(config.control_body());
            live_admission.configure(connection_settings(config));
            live_access.borrow_mut().configure(&config.access());
        });
        let (admin, admission) = (admin.clone(), admission.clone());
        fn_factory(move || {
            let (service, admission) = (service(admin.clone(), access.clone()), admission.clone());
            async move {
                let service = Rc::new(service.await?);
                Ok::<_, ()>(fn_service(move |io: TcpStream| {
                    socket::limit_stall(&io);
                    let peer = io.peer_addr();
                    let connection = peer.map(|peer| admission.serve(io, Some(peer), service.clone()));
                    async move {
                        connection?.await;
                        Ok::<_, io::Error>(())
                    }
                }))
            }
        })
    });
    Ok((address, spawn(builder.map_err(failed)?.run())))
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
) -> Result<
    impl Service<
        Incoming,
        Response = Response<BoxBody>,
        Error = Infallible,
        Future = LocalBoxFuture<'static, Result<Response<BoxBody>, Infallible>>,
    >,
    (),
> {
    let app = App::new().app_data(web::Data::new(access)).wrap(from_fn(admin::authorize));
    let app = app.configure(admin::routes(admin)).into_factory();
    let app = Rc::new(map_config(app, |()| AppConfig::default()).new_service(()).await?);
    Ok(fn_service(move |incoming: Incoming| {
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
    }))
}
