//! A wrapped database with a few rows, and entries that depend on parts of it.

use std::convert::Infallible;

use harness::{Backend, TestDatabase};
use sea_orm::{ActiveValue::Set, EntityTrait};
use sea_orm_cache::{
    __testing::{Deps, index_dep, row_dep, table_dep},
    Cache, CachedConnection, EntityInfo, PolicyOverride, Tag, register, register_info,
};

use super::entities::{post, post_tag, profile, tag, user};

/// Users 1 and 2; posts 1 and 2 of user 1, post 3 of user 2; tags 1 and 2, of which post 1 has tag 1.
pub(super) struct Shop {
    pub(super) cache: Cache,
    pub(super) db: CachedConnection,
    // Removed with the handle.
    _database: TestDatabase,
}

/// Every entry, by the name of what it depends on.
pub(super) const ENTRIES: [&str; 14] = [
    "users",
    "user 1",
    "user 2",
    "no user 9",
    "profiles",
    "posts",
    "post 1",
    "post 2",
    "post 3",
    "posts of 1",
    "posts of 2",
    "tags",
    "tag 1",
    "links",
];

impl Shop {
    pub(super) async fn open(backend: Backend) -> Self {
        Self::with(backend, Cache::builder().build().await.unwrap()).await
    }

    pub(super) async fn with(backend: Backend, cache: Cache) -> Self {
        register::<user::Entity>();
        register::<profile::Entity>();
        register_info(EntityInfo::of_cached::<post::Entity>());
        register::<tag::Entity>();
        register::<post_tag::Entity>();
        let database = backend.database();
        let plain = database.connect().await;
        let builder = plain.get_schema_builder();
        let builder = builder.register(user::Entity).register(profile::Entity).register(post::Entity);
        builder.register(tag::Entity).register(post_tag::Entity).sync(&plain).await.unwrap();
        let users = ["anna", "ben"].map(|name| user::ActiveModel {
            name: Set(name.into()),
            email: Set(name.into()),
            ..Default::default()
        });
        user::Entity::insert_many(users).exec(&plain).await.unwrap();
        let posts = [1, 1, 2].map(|user_id| post::ActiveModel {
            user_id: Set(user_id),
            title: Set("title".into()),
            ..Default::default()
        });
        post::Entity::insert_many(posts).exec(&plain).await.unwrap();
        let tags = ["red", "blue"].map(|name| tag::ActiveModel { tag: Set(name.into()), ..Default::default() });
        tag::Entity::insert_many(tags).exec(&plain).await.unwrap();
        let link = post_tag::ActiveModel { post_id: Set(1), tag_id: Set(1) };
        post_tag::Entity::insert(link).exec(&plain).await.unwrap();
        let shop = Self { db: cache.wrap(plain), cache, _database: database };
        shop.fill().await;
        shop
    }

    /// Fills every entry that is not there.
    pub(super) async fn fill(&self) {
        fill(&self.cache).await;
        assert_eq!(self.stale().await, [""; 0], "entries are there to begin with");
    }

    /// The entries that a read would not get from the cache.
    pub(super) async fn stale(&self) -> Vec<&'static str> {
        stale(&self.cache).await
    }
}

pub(super) async fn fill(cache: &Cache) {
    for name in ENTRIES {
        let load = async || Ok::<_, Infallible>(1);
        let _one: i32 =
            cache.get_or_load_with(name, tags(name), &PolicyOverride::NONE, load).await.unwrap_or_else(|e| match e {});
    }
}

pub(super) async fn stale(cache: &Cache) -> Vec<&'static str> {
    let mut stale = Vec::new();
    for name in ENTRIES {
        if cache.get::<i32>(name).await.is_none() {
            stale.push(name);
        }
    }
    stale
}

/// What the generated code of a function over these rows would depend on.
fn tags(name: &str) -> Vec<Tag> {
    let mut deps = Deps::new();
    match name {
        "users" => table_dep::<user::Entity>(&mut deps),
        "user 1" => row_dep::<user::Entity>(&mut deps, 1),
        "user 2" => row_dep::<user::Entity>(&mut deps, 2),
        "no user 9" => row_dep::<user::Entity>(&mut deps, 9),
        "profiles" => table_dep::<profile::Entity>(&mut deps),
        "posts" => table_dep::<post::Entity>(&mut deps),
        "post 1" => row_dep::<post::Entity>(&mut deps, 1),
        "post 2" => row_dep::<post::Entity>(&mut deps, 2),
        "post 3" => row_dep::<post::Entity>(&mut deps, 3),
        "posts of 1" => index_dep::<post::Entity>(&mut deps, post::Column::UserId, 1.into()),
        "posts of 2" => index_dep::<post::Entity>(&mut deps, post::Column::UserId, 2.into()),
        "tags" => table_dep::<tag::Entity>(&mut deps),
        "tag 1" => row_dep::<tag::Entity>(&mut deps, 1),
        "links" => table_dep::<post_tag::Entity>(&mut deps),
        _ => unreachable!("{name}"),
    }
    let absent = name.starts_with("no ");
    deps.iter().filter(|dep| absent || !dep.only_if_absent).map(|dep| dep.tag.clone()).collect()
}
