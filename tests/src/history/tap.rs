//! A TCP proxy that looks at what passes and decides about each piece.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// What becomes of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// It passes after a while, and what comes behind it waits.
    After(Duration),
    /// It never passes, and nothing behind it does.
    Never,
}

/// Some bytes as they were read.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Whether they go to the server.
    pub is_request: bool,
    /// A number of the connection that they belong to.
    pub connection: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl Piece<'_> {
    /// Whether the bytes contain `needle`.
    #[must_use]
    pub fn contains(&self, needle: &[u8]) -> bool {
        self.bytes.windows(needle.len()).any(|window| window == needle)
    }
}

type Judge = Arc<dyn Fn(Piece<'_>) -> Verdict + Send + Sync>;

/// Stands between a client and a server. Runs on the runtime it was started in, until dropped.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    listening: JoinHandle<()>,
}

impl Tap {
    /// Listens on a free port and forwards to `target` what `judge` lets pass.
    pub async fn start(target: SocketAddr, judge: impl Fn(Piece<'_>) -> Verdict + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port can be bound");
        let address = listener.local_addr().expect("a bound port has a number");
        Self { address, listening: tokio::spawn(listen(listener, target, Arc::new(judge))) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, target: SocketAddr, judge: Judge) {
    // Its connections end with this task.
    let mut connections = JoinSet::new();
    let mut number = 0;
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        number += 1;
        connections.spawn(forward(client, target, number, Arc::clone(&judge)));
    }
}

async fn forward(client: TcpStream, target: SocketAddr, connection: u64, judge: Judge) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    for side in [&client, &server] {
        side.set_nodelay(true).expect("a TCP stream can do without delay");
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let requests = pump(from_client, to_server, |bytes| judge(Piece { is_request: true, connection, bytes }));
    let replies = pump(from_server, to_client, |bytes| judge(Piece { is_request: false, connection, bytes }));
    tokio::select! {
        _ = requests => {}
        _ = replies => {}
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    judge: impl Fn(&[u8]) -> Verdict,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let bytes = &buffer[..count];
        match judge(bytes) {
            Verdict::Pass => {}
            Verdict::After(span) => tokio::time::sleep(span).await,
            Verdict::Never => std::future::pending().await,
        }
        to.write_all(bytes).await?;
    }
}
