//! `campanile serve`: the broker and its API until a signal ends them.

use super::{Failure, output};
use crate::broker::Broker;
use crate::config::Config;
use crate::http;
use crate::telemetry::{self, LogFormat};
use clap::Args;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Args)]
pub(super) struct Serve {
    /// The config file; without one the defaults hold
    #[arg(long)]
    config: Option<PathBuf>,
    /// For development: http and loopback destinations, and the first key may publish
    #[arg(long)]
    dev: bool,
    /// Where to listen, over the config
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// The data folder, over the config
    #[arg(long)]
    data: Option<PathBuf>,
    /// How lines of the log look
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        telemetry::start(self.log_format);
        let mut config = Config::load(self.config.as_deref()).map_err(Failure::Config)?;
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        if let Some(data) = self.data {
            config.storage.path = data;
        }
        if self.dev {
            relax(&mut config)?;
        }
        raise_open_files();
        let listener = bind(config.server.listen)?;
        let broker =
            Broker::open(config).map_err(|error| Failure::to_start(error, self.config.as_deref()))?;
        actix_rt::System::new().block_on(serve(broker, listener, self.dev))
    }
}

/// What `--dev` allows, and what it refuses for that.
pub(super) fn relax(config: &mut Config) -> Result<(), Failure> {
    if !config.server.listen.ip().is_loopback() {
        return Err(Failure::Usage(format!(
            "--dev listens on loopback only, not on {}",
            config.server.listen
        )));
    }
    config.delivery.allow_http = true;
    for loopback in ["127.0.0.0/8", "::1/128"] {
        config.delivery.allow_networks.extend(loopback.parse::<ipnet::IpNet>());
    }
    Ok(())
}

pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| Failure::Listen { address, error })
}

/// Every stream and every delivery is an open file.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

async fn serve(broker: Broker, listener: TcpListener, dev: bool) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let address = listener.local_addr()?;
    let (server, handle) = http::serve(broker.clone(), listener)?;
    let serving = actix_rt::spawn(server);
    introduce(&broker, address, dev).await?;
    signals.next().await;
    tracing::info!("stopping: what is under way is finished");
    broker.begin_drain();
    let drain = broker.config().server.drain;
    let stopped = async {
        // Meanwhile who asks is told that the broker drains, instead of finding nobody.
        broker.drain().await;
        handle.stop(true).await;
        broker.shutdown().await;
    };
    tokio::select! {
        ended = tokio::time::timeout(drain + drain, stopped) => drop(ended),
        () = signals.next() => {}
    }
    // Whoever would not wait any longer has not stopped it.
    handle.stop(false).await;
    drop(serving.await);
    Ok(())
}

/// The key comes last: when nobody reads, none is made that nobody knows.
async fn introduce(broker: &Broker, address: SocketAddr, dev: bool) -> Result<(), Failure> {
    let folder = broker.config().storage.path.display();
    let told =
        output::line(format_args!("campanile {} listens on http://{address}", env!("CARGO_PKG_VERSION")))
            .and_then(|()| output::line(format_args!("data folder: {folder}")));
    if let Err(failure) = told {
        if broker.log().management().keys.is_empty() {
            return Err(failure);
        }
        // Whoever has a key needs none of this.
        tracing::warn!(%failure, "standard output is not read");
    }
    let first = broker.first_key(dev).await.map_err(|error| Failure::Command(error.to_string()))?;
    first.map_or(Ok(()), |key| output::line(format_args!("admin key, shown this once: {key}")))
}

/// What makes the program end in order. Listened for before anybody is told that it runs.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Until one comes.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
