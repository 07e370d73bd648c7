//! The admin server: our guard, actix's HTTP/1 dispatcher and actix-web's `App`, in a worker of its own.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::{HttpService, KeepAlive, Request, Response};
use actix_rt::net::TcpStream;
use actix_server::{Server, ServerHandle};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_factory, fn_service, map_config,
};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::{App, web};

use crate::admin;
use crate::admin::{Access, Admin};
use crate::config::Config;
use crate::proxy::guard;
use crate::proxy::guard::{Admission, ConnectionLimit, GuardedStream, ResponseBody};
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
    let (limits, connections) = (guard_settings(config), ConnectionLimit::new(max_connections));
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
            live_admission.configure(guard_settings(config));
            live_access.borrow_mut().configure(&config.access());
        });
        // The guard enforces all deadlines.
        let http = HttpService::build()
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .h1_allow_half_closed(false)
            .on_connect_ext(|io: &GuardedStream<TcpStream>, extensions| {
                drop(extensions.insert(io.connection()))
            })
            .h1(service(admin.clone(), access));
        fn_service(move |io: TcpStream| {
            socket::limit_stall(&io);
            ready(io.peer_addr().map(|peer| (admission.guard(io), Some(peer))))
        })
        .map_err(actix_http::error::DispatchError::Io)
        .and_then(http)
    });
    Ok((address, spawn(builder.map_err(failed)?.run())))
}

/// The limits of client connections. A subscriber of events or output that closes its connection leaves at once: the stream
/// may be silent, and the number of subscribers is limited.
fn guard_settings(config: &Config) -> guard::Settings {
    config.guard().with_fin_ending_streams()
}

/// Creates the `App` and calls it for the requests that the guard accepts.
fn service(
    admin: Admin,
    access: Rc<RefCell<Access>>,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Response<ResponseBody<BoxBody>>,
    Error = Infallible,
    InitError = (),
    Service: 'static,
    Future: 'static,
> {
    fn_factory(move || {
        let app = App::new().app_data(web::Data::new(access.clone())).wrap(from_fn(admin::authorize));
        let app = app.configure(admin::routes(admin.clone())).into_factory();
        let app = map_config(app, |()| AppConfig::default()).new_service(());
        async move {
            let app = Rc::new(app.await?);
            Ok(fn_service(move |request: Request| {
                let app = app.clone();
                let serve = async move |request: Request| match app.call(request).await {
                    Ok(answer) => Response::from(answer).map_into_boxed_body(),
                    Err(error) => Response::from(error.error_response()),
                };
                async move { Ok(guard::answer(request, serve, admin::reject).await) }
            }))
        }
    })
}
