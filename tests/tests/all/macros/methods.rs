//! `#[cached]` on methods.

use std::{marker::PhantomData, sync::Arc};

use sea_orm::{DbErr, EntityTrait, PaginatorTrait};
use sea_orm_cache::{Cache, CachedConnection, cached};
use serde::{Serialize, de::DeserializeOwned};

use super::world::{Post, User, World, user};

struct Users {
    cache: Cache,
    db: CachedConnection,
    tenant: String,
}

impl Users {
    fn of(world: &World, tenant: &str) -> Self {
        Self { cache: world.cache.clone(), db: world.db.clone(), tenant: tenant.to_owned() }
    }

    /// Docs stay.
    #[cached(cache = self.cache, invalidate_on = User(id))]
    pub(crate) async fn find(&self, id: i32) -> Result<Option<user::Model>, DbErr> {
        User::find_by_id(id).one(&self.db).await
    }

    #[cached(cache = self.db, key = "{self.tenant}:{id}", invalidate_on = User(id))]
    async fn find_for_tenant(&self, id: i32) -> Result<Option<user::Model>, DbErr> {
        User::find_by_id(id).one(&self.db).await
    }

    #[cached(cache = self.cache.clone())]
    async fn by_statements(&self, id: i32) -> Result<Option<user::Model>, DbErr> {
        User::find_by_id(id).one(&self.db).await
    }

    #[cached(cache = self.cache, tags = ["owned"])]
    async fn consuming(self) -> Result<u64, DbErr> {
        User::find().count(&self.db).await
    }

    #[cached(cache = self.cache, tags = ["shared"])]
    async fn shared(self: Arc<Self>) -> Result<u64, DbErr> {
        User::find().count(&self.db).await
    }

    #[cached(invalidate_on = User, companions = "associated")]
    async fn without_receiver(db: &CachedConnection) -> Result<u64, DbErr> {
        User::find().count(db).await
    }
}

#[tokio::test]
async fn a_method_uses_the_cache_of_its_field() {
    let world = World::new().await;
    let users = Users::of(&world, "a");
    world.loads(users.find(1)).await.unwrap().unwrap();
    world.hits(users.find(1)).await.unwrap().unwrap();
    world.rename(1, "new").await;
    assert_eq!(world.loads(users.find(1)).await.unwrap().unwrap().name, "new");
    assert_eq!(world.hits(users.find_peek(1)).await.unwrap().unwrap().name, "new");
    users.find_invalidate(1).await.unwrap();
    assert_eq!(users.find_peek(1).await, None);
    world.loads(users.find_refresh(1)).await.unwrap();
    world.loads(users.find_refresh(1)).await.unwrap();
    world.hits(users.find(1)).await.unwrap();
}

#[tokio::test]
async fn a_field_of_self_takes_part_if_it_is_named() {
    let world = World::new().await;
    let (a, b) = (Users::of(&world, "a"), Users::of(&world, "b"));
    world.loads(a.find_for_tenant(1)).await.unwrap();
    world.loads(b.find_for_tenant(1)).await.unwrap();
    world.hits(a.find_for_tenant(1)).await.unwrap();
    assert_ne!(a.find_for_tenant_key(1), b.find_for_tenant_key(1));
}

#[tokio::test]
async fn statements_are_recorded_behind_self_as_well() {
    let world = World::new().await;
    let users = Users::of(&world, "a");
    world.loads(users.by_statements(1)).await.unwrap();
    world.hits(users.by_statements(1)).await.unwrap();
    world.rename(2, "another row").await;
    world.hits(users.by_statements(1)).await.unwrap();
    world.rename(1, "this row").await;
    world.loads(users.by_statements(1)).await.unwrap();
}

#[tokio::test]
async fn every_receiver_works() {
    let world = World::new().await;
    world.loads(Users::of(&world, "a").consuming()).await.unwrap();
    world.hits(Users::of(&world, "a").consuming()).await.unwrap();
    let shared = Arc::new(Users::of(&world, "a"));
    world.loads(Arc::clone(&shared).shared()).await.unwrap();
    world.hits(Arc::clone(&shared).shared()).await.unwrap();
    world.loads(Users::without_receiver(&world.db)).await.unwrap();
    assert_eq!(world.hits(Users::without_receiver_peek(&world.db)).await, Some(3));
}

struct Repo<E> {
    db: CachedConnection,
    entity: PhantomData<fn() -> E>,
}

impl<E> Repo<E>
where
    E: EntityTrait,
    E::Model: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    #[cached(cache = self.db, invalidate_on = E)]
    async fn first(&self) -> Result<Option<E::Model>, DbErr> {
        E::find().one(&self.db).await
    }

    #[cached(cache = self.db, invalidate_on = E)]
    async fn count(&self) -> Result<u64, DbErr> {
        let all = E::find().all(&self.db).await?;
        Ok(u64::try_from(all.len()).unwrap_or(u64::MAX))
    }
}

#[tokio::test]
async fn methods_of_a_generic_type_keep_its_instances_apart() {
    let world = World::new().await;
    let users = Repo::<User> { db: world.db.clone(), entity: PhantomData };
    let posts = Repo::<Post> { db: world.db.clone(), entity: PhantomData };
    assert_eq!(world.loads(users.count()).await.unwrap(), 3);
    assert_eq!(world.loads(posts.count()).await.unwrap(), 6);
    assert_eq!(world.hits(users.count()).await.unwrap(), 3);
    world.loads(users.first()).await.unwrap().unwrap();
    world.hits(users.first()).await.unwrap().unwrap();
    assert_ne!(users.count_key(), posts.count_key());
}

trait Find {
    async fn find_in_trait(&self, id: i32) -> Result<Option<user::Model>, DbErr>;

    fn handle(&self) -> &CachedConnection;

    #[cached(cache = self.handle(), invalidate_on = User)]
    async fn total(&self) -> Result<u64, DbErr> {
        User::find().count(self.handle()).await
    }
}

impl Find for Users {
    #[cached(cache = self.cache, invalidate_on = User(id), companions = "none")]
    async fn find_in_trait(&self, id: i32) -> Result<Option<user::Model>, DbErr> {
        User::find_by_id(id).one(&self.db).await
    }

    fn handle(&self) -> &CachedConnection {
        &self.db
    }
}

#[sea_orm::prelude::async_trait::async_trait]
trait BoxedFind {
    async fn find_boxed(&self, id: i32) -> Result<Option<user::Model>, DbErr>;
}

#[sea_orm::prelude::async_trait::async_trait]
impl BoxedFind for Users {
    #[cached(cache = self.cache, invalidate_on = User(id), companions = "none")]
    async fn find_boxed(&self, id: i32) -> Result<Option<user::Model>, DbErr> {
        let Some(user) = User::find_by_id(id).one(&self.db).await? else { return Ok(None) };
        Ok(Some(user))
    }
}

#[tokio::test]
async fn methods_of_traits_are_cached() {
    let world = World::new().await;
    let users = Users::of(&world, "a");
    world.loads(users.find_in_trait(1)).await.unwrap();
    world.hits(users.find_in_trait(1)).await.unwrap();
    world.loads(users.total()).await.unwrap();
    world.hits(users.total()).await.unwrap();
    let users: Arc<dyn BoxedFind + Send + Sync> = Arc::new(users);
    world.loads(users.find_boxed(1)).await.unwrap();
    world.hits(users.find_boxed(1)).await.unwrap();
    let spawned = Arc::clone(&users);
    tokio::spawn(async move { spawned.find_boxed(1).await }).await.unwrap().unwrap();
}
