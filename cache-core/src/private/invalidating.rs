//! Runs an annotated writer between the two ends of an intent.

use std::pin::pin;

use super::{source::Source, stale::Stale};
use crate::{cache::Cache, engine::Pending, error::Error, tag::Tag};

/// Runs `body` while the tags are pending, and makes them stale then, whatever comes out. Dropped on the way, they stay
/// pending for one more `intent_lease`, in which what the body has sent arrives, and become stale then.
///
/// In a plain transaction, whose commit nobody hears of, the tags stay pending for the cache's `hook_lease` instead. With
/// `when_remote_is_down = Refuse` the function fails before its body has run, if its result can say so; else it runs, and the
/// invalidation is retried.
pub async fn invalidating<R, F, Fut>(source: Source<'_>, stale: Stale, refusal: Option<fn(Error) -> R>, body: F) -> R
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    let tags = stale.into_tags();
    if tags.is_empty() {
        return body().await;
    }
    match source.find() {
        Ok(cache) => around(&cache, tags, refusal, body).await,
        Err(Some(inside)) => {
            if let Some(cache) = inside.cache.filter(|_| inside.unseen) {
                let engine = cache.engine();
                if let Err(error) = engine.pend(tags.clone(), engine.settings().hook_lease).await {
                    match refusal {
                        Some(refuse) => return refuse(error),
                        None => {
                            let _deferred = cache.invalidate(tags).await;
                        }
                    }
                }
            }
            body().await
        }
        Err(None) => body().await,
    }
}

async fn around<R, F, Fut>(cache: &Cache, tags: Vec<Tag>, refusal: Option<fn(Error) -> R>, body: F) -> R
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    let mut intent = match cache.begin_write(tags.clone()).await {
        Ok(intent) => Pending::new(cache.engine(), intent),
        Err(error) => match refusal {
            Some(refuse) => return refuse(error),
            None => {
                let output = body().await;
                let _deferred = cache.invalidate(tags).await;
                return output;
            }
        },
    };
    let mut body = pin!(body());
    let output = match intent.hold(body.as_mut()).await {
        Ok(output) => output,
        Err(error) => match refusal {
            Some(refuse) => return refuse(error),
            None => body.await,
        },
    };
    let _landed_or_retried = intent.finish().await;
    output
}
