//! The rows of a streamed statement, with a write's tags pending until they end.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt, future::BoxFuture};
use sea_orm::{DatabaseConnection, DbErr, QueryResult, QueryStream, Statement, StreamTrait};
use tokio::sync::mpsc;

use super::{
    observe::Plan,
    run::QueryAll,
    write,
    writer::{Landing, Writer},
};

/// The stream of a [`CachedConnection`](crate::CachedConnection).
///
/// The tags of a write (`INSERT .. RETURNING`) are pending until the stream ends or is dropped.
pub struct CachedStream(Kind);

enum Kind {
    Read(Box<QueryStream>),
    /// A write that had to run in a transaction of its own: it is over.
    Done(std::vec::IntoIter<QueryResult>),
    Write {
        rows: mpsc::Receiver<Result<QueryResult, DbErr>>,
        /// Sends the rows, and holds the intent meanwhile.
        driver: Option<BoxFuture<'static, ()>>,
    },
}

impl CachedStream {
    pub(super) fn read(stream: QueryStream) -> Self {
        Self(Kind::Read(Box::new(stream)))
    }

    pub(super) async fn write(
        writer: &Writer,
        db: &DatabaseConnection,
        plan: Plan,
        statement: Statement,
    ) -> Result<Self, DbErr> {
        if plan.look.is_some() {
            let rows = write::autocommit(writer, db, plan, QueryAll(statement)).await?;
            return Ok(Self(Kind::Done(rows.into_iter())));
        }
        let mut intent = writer.begin(plan.tags).await?;
        if writer.needs_outbox(&intent) {
            let rows = write::with_intent(writer, db, intent, plan.transactional, None, QueryAll(statement)).await?;
            return Ok(Self(Kind::Done(rows.into_iter())));
        }
        // The statement is sent when the first row is asked for.
        let mut stream = match db.stream_raw(statement).await {
            Ok(stream) => stream,
            Err(error) => {
                let _outcome = intent.finish().await;
                return Err(error);
            }
        };
        let (sender, rows) = mpsc::channel(1);
        let writer = writer.clone();
        let driver = Box::pin(async move {
            let sending = async {
                while let Some(row) = stream.next().await {
                    if sender.send(Ok(row?)).await.is_err() {
                        break;
                    }
                }
                Ok(())
            };
            let result = writer.hold(&mut intent, sending).await.flatten();
            let _outcome = writer.conclude(intent, &result, false, Vec::new(), Landing::NotAwaited).await;
            if let Err(error) = result {
                let _unless_dropped = sender.send(Err(error)).await;
            }
        });
        Ok(Self(Kind::Write { rows, driver: Some(driver) }))
    }
}

impl Stream for CachedStream {
    type Item = Result<QueryResult, DbErr>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Kind::Read(stream) => stream.poll_next_unpin(cx),
            Kind::Done(rows) => Poll::Ready(rows.next().map(Ok)),
            Kind::Write { rows, driver } => {
                // The driver first: what it sends is taken in the same poll.
                if let Some(running) = driver
                    && running.as_mut().poll(cx).is_ready()
                {
                    *driver = None;
                }
                rows.poll_recv(cx)
            }
        }
    }
}

impl fmt::Debug for CachedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CachedStream")
    }
}
