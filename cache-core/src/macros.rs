//! The macros, each with an example that runs.

/// # Example
///
/// ```
/// # mod user {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel, serde::Serialize, serde::Deserialize)]
/// #     #[sea_orm(table_name = "user")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub name: String }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// use sea_orm::{ActiveModelTrait, ActiveValue::Set, Database, DbErr, EntityTrait};
/// use sea_orm_cache::{Cache, CachedConnection, cached};
/// use user::Entity as User;
///
/// #[cached(ttl = "5m", invalidate_on = User(id))]
/// async fn find_user(db: &CachedConnection, id: i32) -> Result<Option<user::Model>, DbErr> {
///     User::find_by_id(id).one(db).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder().build().await?;
/// let db = cache.wrap(Database::connect("sqlite::memory:").await?);
/// # use sea_orm::ConnectionTrait;
/// # db.execute(&sea_orm::Schema::new(db.get_database_backend()).create_table_from_entity(User)).await?;
/// let ada = user::ActiveModel { name: Set("Ada".into()), ..Default::default() }.insert(&db).await?;
///
/// find_user(&db, ada.id).await?; // from the database
/// find_user(&db, ada.id).await?; // from process memory
/// assert_eq!(cache.stats().hits_local, 1);
///
/// user::ActiveModel { id: Set(ada.id), name: Set("Lovelace".into()) }.update(&db).await?;
/// assert_eq!(find_user::peek(&db, ada.id).await, None, "the write made the entry stale");
/// assert_eq!(find_user(&db, ada.id).await?.map(|user| user.name), Some("Lovelace".into()));
/// assert!(find_user::key(ada.id).ends_with("find_user:v1:[1]"));
/// # Ok(()) }
/// ```
pub use sea_orm_cache_macros::cached;

/// # Example
///
/// ```
/// use sea_orm::DbErr;
/// use sea_orm_cache::{Cache, cached, invalidates};
///
/// #[cached(tags = ["report:{year}"])]
/// async fn report(cache: &Cache, year: i32) -> Result<i32, DbErr> {
///     Ok(year)
/// }
///
/// /// Calls a procedure in another system.
/// #[invalidates("report:{year}")]
/// async fn close_books(cache: &Cache, year: i32) -> Result<(), DbErr> {
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder().build().await?;
/// report(&cache, 2024).await?;
/// report(&cache, 2025).await?;
/// close_books(&cache, 2024).await?;
/// assert_eq!(report::peek(&cache, 2024).await, None);
/// assert_eq!(report::peek(&cache, 2025).await, Some(2025));
/// # Ok(()) }
/// ```
pub use sea_orm_cache_macros::invalidates;

/// # Example
///
/// ```
/// use std::convert::Infallible;
/// use sea_orm_cache::{Cache, cache_put, cached};
///
/// #[cached(ttl = 60, tags = ["setting:{name}"])]
/// async fn setting(cache: &Cache, name: &str) -> Result<u64, Infallible> {
///     Ok(0) // asks where the settings are kept
/// }
///
/// #[cache_put(setting(name))]
/// async fn change(cache: &Cache, name: &str, value: u64) -> Result<u64, Infallible> {
///     Ok(value) // writes where the settings are kept
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder().build().await?;
/// assert_eq!(setting(&cache, "limit").await?, 0);
/// change(&cache, "limit", 7).await?;
/// assert_eq!(setting::peek(&cache, "limit").await, Some(7));
/// # Ok(()) }
/// ```
pub use sea_orm_cache_macros::cache_put;

/// # Example
///
/// ```
/// mod note {
///     use sea_orm::{ActiveValue::Set, entity::prelude::*};
///     use sea_orm_cache::cache_hooks;
///
///     #[derive(Clone, Debug, DeriveEntityModel)]
///     #[sea_orm(table_name = "note")]
///     pub struct Model {
///         #[sea_orm(primary_key)]
///         pub id: i32,
///         pub text: String,
///     }
///
///     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
///     pub enum Relation {}
///
///     #[cache_hooks]
///     impl ActiveModelBehavior for ActiveModel {
///         async fn before_save<C: ConnectionTrait>(mut self, _: &C, _: bool) -> Result<Self, DbErr> {
///             self.text = Set(self.text.as_ref().trim().to_owned());
///             Ok(self)
///         }
///     }
/// }
/// # fn main() {}
/// ```
pub use sea_orm_cache_macros::cache_hooks;

/// # Example
///
/// ```
/// mod post {
///     use sea_orm::entity::prelude::*;
///     use sea_orm_cache::CachedEntity;
///
///     #[derive(Clone, Debug, DeriveEntityModel, CachedEntity)]
///     #[sea_orm(table_name = "post")]
///     #[cached_entity(index(author_id))]
///     pub struct Model {
///         #[sea_orm(primary_key)]
///         pub id: i32,
///         pub author_id: i32,
///     }
///
///     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
///     pub enum Relation {}
///
///     impl ActiveModelBehavior for ActiveModel {}
/// }
/// use sea_orm_cache::CachedEntity;
///
/// assert_eq!(post::Entity::cached_indexes().len(), 1);
/// ```
pub use sea_orm_cache_macros::CachedEntity;
