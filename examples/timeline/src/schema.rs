//! Creates the tables, fills them.

use indicatif::{ProgressBar, ProgressStyle};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbErr, EntityName, EntityTrait,
    IntoActiveModel, Schema, TransactionTrait, sea_query::Table,
};

use crate::{
    entities::{Celebrity, Favourite, Follow, Member, Network, Tally, Tweet, network},
    generate,
};

/// How many rows one `INSERT` carries: five columns each stay far below the databases' limits of bound values.
const ROWS_PER_INSERT: usize = 500;

/// How many tables there are.
pub const TABLES: usize = 7;

/// The names of the tables that already exist.
pub async fn existing_tables(db: &DatabaseConnection) -> Vec<&'static str> {
    let names: [_; TABLES] = [
        Member.table_name(),
        Tweet.table_name(),
        Follow.table_name(),
        Favourite.table_name(),
        Tally.table_name(),
        Celebrity.table_name(),
        Network.table_name(),
    ];
    let mut existing = Vec::new();
    for name in names {
        // Portable across the three databases; a table that cannot be read counts as not there, and creating it will tell.
        if db.execute_unprepared(&format!("SELECT 1 FROM {name} WHERE 1 = 0")).await.is_ok() {
            existing.push(name);
        }
    }
    existing
}

/// Drops the tables if they exist.
pub async fn drop_all(db: &DatabaseConnection) -> Result<(), DbErr> {
    drop_table(db, Network).await?;
    drop_table(db, Celebrity).await?;
    drop_table(db, Tally).await?;
    drop_table(db, Favourite).await?;
    drop_table(db, Follow).await?;
    drop_table(db, Tweet).await?;
    drop_table(db, Member).await
}

/// Drops the tables if they exist, and creates them empty.
pub async fn recreate(db: &DatabaseConnection) -> Result<(), DbErr> {
    drop_all(db).await?;
    create_table(db, Member).await?;
    create_table(db, Tweet).await?;
    create_table(db, Follow).await?;
    create_table(db, Favourite).await?;
    create_table(db, Tally).await?;
    create_table(db, Celebrity).await?;
    create_table(db, Network).await?;
    let id = rand::random_range(1..i32::MAX);
    Network::insert(network::ActiveModel { id: Set(id) }).exec_without_returning(db).await.map(drop)
}

/// What precedes the keys in Redis: it may hold the timelines, sessions and likes of another network, whose numbers are the same.
pub async fn namespace(db: &DatabaseConnection, prefix: &str) -> Result<String, DbErr> {
    let network = Network::find().one(db).await?;
    Ok(format!("{prefix}-{}", network.map_or(0, |network| network.id)))
}

/// Inserts the whole network in one transaction, with a progress bar on stderr if that is a terminal.
pub async fn load(db: &DatabaseConnection, network: generate::Network) -> Result<(), DbErr> {
    let rows = network.members.len()
        + network.follows.len()
        + network.tweets.len()
        + network.favourites.len()
        + network.tallies.len();
    let bar = ProgressBar::new(rows as u64).with_style(
        ProgressStyle::with_template("loading {wide_bar} {human_pos}/{human_len} rows, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let txn = db.begin().await?;
    insert(&txn, network.members, &bar).await?;
    insert(&txn, network.follows, &bar).await?;
    insert(&txn, network.tweets, &bar).await?;
    insert(&txn, network.favourites, &bar).await?;
    insert(&txn, network.tallies, &bar).await?;
    txn.commit().await?;
    bar.finish_and_clear();
    Ok(())
}

async fn drop_table<E: EntityTrait>(db: &DatabaseConnection, entity: E) -> Result<(), DbErr> {
    db.execute(Table::drop().table(entity.table_ref()).if_exists()).await.map(drop)
}

async fn create_table<E: EntityTrait>(db: &DatabaseConnection, entity: E) -> Result<(), DbErr> {
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(entity)).await?;
    for index in schema.create_index_from_entity(entity) {
        db.execute(&index).await?;
    }
    Ok(())
}

async fn insert<A>(db: &impl ConnectionTrait, rows: Vec<A>, bar: &ProgressBar) -> Result<(), DbErr>
where
    A: ActiveModelTrait + Send,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    let mut rows = rows.into_iter();
    loop {
        let chunk: Vec<A> = rows.by_ref().take(ROWS_PER_INSERT).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        let count = chunk.len();
        <A::Entity as EntityTrait>::insert_many(chunk).exec_without_returning(db).await?;
        bar.inc(count as u64);
    }
}
