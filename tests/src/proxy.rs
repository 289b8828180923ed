//! A TCP proxy that makes a network misbehave.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What happens to bytes in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// They pass.
    #[default]
    Pass,
    /// They pass after a while.
    Delay(Duration),
    /// They are kept until the flow changes; the connection stands.
    Hang,
}

/// Stands between a client and a server. Runs on the runtime it was started in.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    control: Arc<watch::Sender<Control>>,
    listening: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Control {
    requests: Flow,
    replies: Flow,
    refusing: bool,
    /// Connections of an earlier generation are cut.
    generation: u64,
    /// How many connections there have been.
    accepted: u64,
    /// The connections before this one are dead without a sign of it.
    frozen: u64,
}

impl Proxy {
    /// Listens on a free port and forwards to `target`.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port can be bound");
        let address = listener.local_addr().expect("a bound port has a number");
        let control = Arc::new(watch::Sender::new(Control::default()));
        let listening = tokio::spawn(listen(listener, target, Arc::clone(&control)));
        Self { address, control, listening }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection; new ones are accepted.
    pub fn cut(&self) {
        self.control.send_modify(|control| control.generation += 1);
    }

    /// Closes every connection, and new ones as soon as they come, or ends that.
    pub fn refuse(&self, refusing: bool) {
        self.control.send_modify(|control| {
            control.refusing = refusing;
            control.generation += 1;
        });
    }

    /// Lets no more bytes through the connections there are; new ones work. That is what a half-open connection looks like.
    pub fn freeze(&self) {
        self.control.send_modify(|control| control.frozen = control.accepted);
    }

    /// How many connections there have been.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.control.borrow().accepted
    }

    /// Sets what happens to bytes from the client to the server.
    pub fn requests(&self, flow: Flow) {
        self.control.send_modify(|control| control.requests = flow);
    }

    /// Sets what happens to bytes from the server to the client.
    pub fn replies(&self, flow: Flow) {
        self.control.send_modify(|control| control.replies = flow);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, target: SocketAddr, control: Arc<watch::Sender<Control>>) {
    // Its connections end with this task.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let now = *control.borrow();
        if !now.refusing {
            control.send_modify(|control| control.accepted += 1);
            connections.spawn(forward(client, target, control.subscribe(), now));
        }
    }
}

async fn forward(client: TcpStream, target: SocketAddr, control: watch::Receiver<Control>, begun: Control) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    for side in [&client, &server] {
        side.set_nodelay(true).expect("a TCP stream can do without delay");
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let flow = |control: &Control, flow| if begun.accepted < control.frozen { Flow::Hang } else { flow };
    let requests = pump(from_client, to_server, control.clone(), |control| flow(control, control.requests));
    let replies = pump(from_server, to_client, control.clone(), |control| flow(control, control.replies));
    let mut cut = control;
    tokio::select! {
        _ = requests => {}
        _ = replies => {}
        _ = cut.wait_for(|control| control.generation != begun.generation) => {}
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut control: watch::Receiver<Control>,
    flow: impl Fn(&Control) -> Flow + Send + Sync,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        let count = from.read(&mut buffer).await?;
        // The end of a stream is kept back as well.
        let state = *control.wait_for(|control| flow(control) != Flow::Hang).await.map_err(io::Error::other)?;
        if count == 0 {
            return Ok(());
        }
        if let Flow::Delay(span) = flow(&state) {
            tokio::time::sleep(span).await;
        }
        to.write_all(&buffer[..count]).await?;
    }
}
