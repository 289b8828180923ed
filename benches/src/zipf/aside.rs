//! Cache-aside as it is written by hand: `GET`, on a miss the query and `SET EX`; a write deletes the key afterwards.

use redis::{AsyncCommands, aio::ConnectionManager};
use sea_orm::DbErr;

use super::node::{Node, World, from_database, to_database};

const TTL_SECONDS: u64 = 60;

pub(super) async fn node(world: &World) -> Node {
    let client = redis::Client::open(world.redis.url()).expect("the server's URL is good");
    let redis = ConnectionManager::new(client).await.expect("the server can be reached");
    let db = world.connect().await;
    let (other_redis, other_db) = (redis.clone(), db.clone());
    Node {
        read: Box::new(move |id| {
            let (mut redis, db) = (redis.clone(), db.clone());
            Box::pin(async move {
                let key = format!("article:{id}");
                let found: Option<Vec<u8>> = redis.get(&key).await.map_err(failed)?;
                if let Some(row) = found.and_then(|bytes| rmp_serde::from_slice(&bytes).ok()) {
                    return Ok(Some(row));
                }
                let row = from_database(&db, id).await?;
                if let Some(bytes) = row.as_ref().and_then(|row| rmp_serde::to_vec_named(row).ok()) {
                    let (): () = redis.set_ex(&key, bytes, TTL_SECONDS).await.map_err(failed)?;
                }
                Ok(row)
            })
        }),
        write: Box::new(move |id| {
            let (mut redis, db) = (other_redis.clone(), other_db.clone());
            Box::pin(async move {
                let version = to_database(&db, id).await?;
                let (): () = redis.del(format!("article:{id}")).await.map_err(failed)?;
                Ok(version)
            })
        }),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn failed(error: redis::RedisError) -> DbErr {
    DbErr::Custom(error.to_string())
}
