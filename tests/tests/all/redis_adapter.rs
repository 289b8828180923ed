//! What only Redis can do, refuse, or get wrong.

mod bus;
mod connection;
mod refusal;
mod server;

use std::{sync::Arc, time::Duration};

use sea_orm_cache::{
    __testing::{Bus, LockRequest, RemoteTier, StoreRequest, TagState, connect},
    Clock, Error, RedisSettings, Tag,
};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);
/// No test waits longer than this for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Settings for a server on a machine that may be busy.
fn patient(url: &str) -> RedisSettings {
    RedisSettings::new(url).with_namespace("shop").with_deadlines(PATIENCE, PATIENCE, PATIENCE)
}

fn open(settings: &RedisSettings) -> (Arc<dyn RemoteTier>, Arc<dyn Bus>) {
    connect(settings, &Clock::system()).expect("the settings are good")
}

fn tier(url: &str) -> Arc<dyn RemoteTier> {
    open(&patient(url)).0
}

async fn state(tier: &Arc<dyn RemoteTier>, tag: &Tag) -> TagState {
    tier.fetch(&[], std::slice::from_ref(tag)).await.expect("a tag can be fetched").states[0]
}

async fn capture(tier: &Arc<dyn RemoteTier>, tag: &Tag) -> TagState {
    tier.capture(std::slice::from_ref(tag), LONG, &[]).await.expect("a tag can be captured").states[0]
}

/// One of every request but those of the bus.
async fn use_everything(tier: &Arc<dyn RemoteTier>) -> Result<(), Error> {
    let tags = [Tag::row("user", &["42"]), Tag::all()];
    let lock = LockRequest { key: "find_user:v1:[42]", token: 1, ttl: LONG };
    tier.capture(&tags, LONG, &[lock]).await?;
    let entry = StoreRequest { key: "find_user:v1:[42]", bytes: b"x", ttl: LONG, unlock: None };
    tier.store(&[entry]).await?;
    tier.fetch(&["find_user:v1:[42]"], &tags).await?;
    tier.begin_intent(&tags[..1], 1, LONG).await?;
    tier.begin_intent(&tags[..1], 2, LONG).await?;
    tier.end_intent(&tags[..1], 2, sea_orm_cache::__testing::EndWith::Absent).await?;
    tier.remove(&["nothing"]).await?;
    tier.scan("*", None, 100).await?;
    tier.ttl("find_user:v1:[42]").await?;
    Ok(())
}
