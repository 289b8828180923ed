//! Serves the network as web pages.

pub mod feed;
mod gauge;
mod likes;
mod limits;
mod live;
mod node;
mod reading;
mod redis_server;
mod sessions;
mod switches;
mod trending;
mod unaided;
mod view;
mod web;
mod writing;

use std::{error::Error, net::SocketAddr, sync::Arc};

use sea_orm::DatabaseConnection;
use tokio::{net::TcpListener, signal, sync::watch, task::JoinSet};

use self::{node::Node, redis_server::RedisServer, switches::Switches};
use crate::{
    celebrities,
    cli::Serve,
    database::{Brake, Home},
    generate::{Size, generate},
    schema,
};

type Failed = Box<dyn Error + Send + Sync>;

/// Serves until it is told to stop.
pub async fn serve(args: &Serve) -> Result<(), Failed> {
    let brake = Brake::default();
    let home = Home::new(args.database_url.as_deref())?;
    prepare(&home.connect(2).await?, args).await?;

    let (redis_url, redis) = match &args.redis_url {
        Some(url) => (Some(url.clone()), None),
        None if args.nodes > 1 => {
            let server = RedisServer::start().await?;
            (Some(server.url()), Some(server))
        }
        None => (None, None),
    };
    let switches = Arc::new(Switches::new(brake.clone(), redis));

    let mut listeners = Vec::new();
    for number in 0..args.nodes {
        let port = if args.port == 0 { 0 } else { args.port.saturating_add(number.into()) };
        let listener = TcpListener::bind(SocketAddr::new(args.bind, port)).await;
        listeners.push(listener.map_err(|error| format!("port {port}: {error} (--port names another)"))?);
    }
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    let urls: Arc<[String]> = addresses.iter().map(|address| format!("http://{address}")).collect();

    let (closing, closed) = watch::channel(false);
    let (mut nodes, mut servers) = (Vec::new(), JoinSet::new());
    for (index, listener) in listeners.into_iter().enumerate() {
        let db = home.connect_with(8, &brake).await?;
        let node =
            Node::open(index, &urls, db, redis_url.as_deref(), Arc::clone(&switches), closed.clone(), args).await?;
        let mut closed = closed.clone();
        let stop = async move { closed.wait_for(|closed| *closed).await.map(drop).unwrap_or_default() };
        let router = web::router(Arc::clone(&node));
        servers.spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stop).await });
        nodes.push(node);
    }
    for (index, url) in urls.iter().enumerate() {
        println!("node {}: {url}", index + 1);
    }
    println!("Ctrl-C ends it.");

    until_told().await;
    closing.send_replace(true);
    while let Some(ended) = servers.join_next().await {
        ended??;
    }
    switches.resume_redis();
    for node in &nodes {
        node.close().await?;
    }
    Ok(())
}

/// Creates the network, unless it is there.
async fn prepare(db: &DatabaseConnection, args: &Serve) -> Result<(), Failed> {
    let existing = schema::existing_tables(db).await;
    if existing.len() == schema::TABLES && !args.reset {
        return Ok(());
    }
    if !existing.is_empty() && !args.reset {
        let names = existing.join(", ");
        return Err(format!("the database has {names} already, but not all tables: pass --reset to drop them").into());
    }
    let size = Size { members: args.users, tweets: args.tweets, favourites: args.tweets, seed: 42 };
    schema::recreate(db).await?;
    schema::load(db, generate(size)).await?;
    celebrities::look_at_all(db, args.large_above).await?;
    Ok(())
}

/// Returns on Ctrl-C, and on SIGTERM.
async fn until_told() {
    let interrupted = async { signal::ctrl_c().await.unwrap_or_default() };
    #[cfg(unix)]
    let terminated = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => _ = signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
