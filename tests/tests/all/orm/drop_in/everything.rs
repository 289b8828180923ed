// Included twice, with `Db` and `Txn` standing for SeaORM's own types and for the wrapped ones: nothing else differs.

/// Does what a SeaORM project does, and writes down what the database answered.
pub(super) async fn everything(db: &Db) -> Result<Vec<String>, DbErr> {
    let mut log = Vec::new();
    schema(db, &mut log).await?;
    rows(db, &mut log).await?;
    upserts(db, &mut log).await?;
    nested(db, &mut log).await?;
    reads(db, &mut log).await?;
    raw(db, &mut log).await?;
    transactions(db, &mut log).await?;
    inherent(db, &mut log).await?;
    Ok(log)
}

fn note(log: &mut Vec<String>, what: &str, value: impl std::fmt::Debug) {
    log.push(format!("{what}: {value:?}"));
}

async fn schema(db: &Db, log: &mut Vec<String>) -> Result<(), DbErr> {
    db.get_schema_builder()
        .register(user::Entity)
        .register(profile::Entity)
        .register(post::Entity)
        .register(tag::Entity)
        .register(post_tag::Entity)
        .sync(db)
        .await?;
    Migrator::up(db, None).await?;
    note(log, "migrations applied", Migrator::get_applied_migrations(db).await?.len());
    Migrator::down(db, Some(1)).await?;
    Migrator::up(db, None).await?;
    note(log, "backend knows RETURNING", db.support_returning() == db.get_database_backend().support_returning());
    Ok(())
}

async fn rows(db: &Db, log: &mut Vec<String>) -> Result<(), DbErr> {
    let anna = user::ActiveModel { name: Set("Anna".into()), email: Set("anna@x".into()), ..Default::default() };
    let anna = anna.insert(db).await?;
    note(log, "insert", &anna);
    let many = ["ben", "cleo", "dan"].map(|name| user::ActiveModel {
        name: Set(name.into()),
        email: Set(format!("{name}@x")),
        ..Default::default()
    });
    User::insert_many(many).exec(db).await?;
    note(log, "insert_many", User::find().count(db).await?);

    let mut changed = anna.clone().into_active_model();
    changed.name = Set("Anne".into());
    note(log, "update", changed.update(db).await?);
    let missing = user::ActiveModel { id: Unchanged(999), name: Set("nobody".into()), ..Default::default() };
    note(log, "update of nothing", missing.update(db).await.map_err(|error| error.to_string()));
    let update = User::update_many().col_expr(user::Column::Name, Expr::value("same")).filter(user::Column::Id.gt(2));
    note(log, "update_many", update.exec(db).await?.rows_affected);
    let saved = user::ActiveModel { name: Set("Eve".into()), email: Set("eve@x".into()), ..Default::default() };
    let mut saved = saved.save(db).await?;
    saved.name = Set("Eva".into());
    note(log, "save", saved.save(db).await?);

    note(log, "delete", User::find_by_id(2).one(db).await?.unwrap().delete(db).await?.rows_affected);
    note(log, "delete_by_id", User::delete_by_id(3).exec(db).await?.rows_affected);
    let deleted = User::delete_many().filter(user::Column::Name.eq("same")).exec(db).await?;
    note(log, "delete_many", deleted.rows_affected);
    let duplicate = user::ActiveModel { name: Set("x".into()), email: Set("anna@x".into()), ..Default::default() };
    let error = duplicate.insert(db).await.unwrap_err();
    note(log, "unique", matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))));
    note(log, "left", User::find().order_by_asc(user::Column::Id).all(db).await?);
    Ok(())
}

async fn upserts(db: &Db, log: &mut Vec<String>) -> Result<(), DbErr> {
    let row = |name: &str| tag::ActiveModel { id: Set(1), tag: Set(name.to_owned()) };
    Tag::insert(row("red")).exec(db).await?;
    let overwrite = OnConflict::column(tag::Column::Id).update_column(tag::Column::Tag).to_owned();
    Tag::insert(row("blue")).on_conflict(overwrite.clone()).exec(db).await?;
    note(log, "upsert", Tag::find().all(db).await?);
    let keep = OnConflict::column(tag::Column::Id).do_nothing_on([tag::Column::Id]).to_owned();
    let kept = Tag::insert(row("green")).on_conflict(keep).try_insert().exec_without_returning(db).await?;
    note(log, "kept", matches!(kept, TryInsertResult::Conflicted | TryInsertResult::Inserted(_)));
    let model = Tag::insert(row("gold")).on_conflict(overwrite).exec_with_returning(db).await?;
    note(log, "exec_with_returning", model);
    if db.support_returning() {
        let update = Tag::update_many().col_expr(tag::Column::Tag, Expr::value("grey"));
        note(log, "update_many returning", update.exec_with_returning(db).await?);
        let delete = Tag::delete_many().filter(tag::Column::Id.eq(1)).exec_with_returning(db).await?;
        note(log, "delete_many returning", delete);
    } else {
        Tag::delete_many().exec(db).await?;
    }
    Ok(())
}

async fn nested(db: &Db, log: &mut Vec<String>) -> Result<(), DbErr> {
    let saved = user::ActiveModel::builder()
        .set_name("Bob")
        .set_email("bob@x")
        .set_profile(profile::ActiveModel::builder().set_picture("image.jpg"))
        .add_post(
            post::ActiveModel::builder()
                .set_title("Nice weather")
                .add_tag(tag::ActiveModel::builder().set_tag("sunny"))
                .add_tag(tag::ActiveModel::builder().set_tag("warm")),
        )
        .save(db)
        .await?;
    let id = saved.id.clone().unwrap();
    let loaded = User::load()
        .filter_by_id(id)
        .with(Profile)
        .with((Post, Tag))
        .one(db)
        .await?
        .unwrap();
    note(log, "picture", loaded.profile.as_ref().map(|profile| profile.picture.clone()));
    let tags: Vec<_> = loaded.posts.iter().flat_map(|post| post.tags.iter().map(|tag| tag.tag.clone())).collect();
    note(log, "tags", tags);
    note(log, "junction", PostTag::find().count(db).await?);
    Ok(())
}

async fn reads(db: &Db, log: &mut Vec<String>) -> Result<(), DbErr> {
    let with: Vec<(user::Model, Vec<post::Model>)> =
        User::find().find_with_related(Post).order_by_asc(user::Column::Id).all(db).await?;
    note(log, "find_with_related", with.iter().map(|(user, posts)| (&user.name, posts.len())).collect::<Vec<_>>());
    let also = Post::find().find_also_related(User).all(db).await?;
    note(log, "find_also_related", also.iter().map(|(_, user)| user.is_some()).collect::<Vec<_>>());
    let posts = Post::find().all(db).await?;
    let users = posts.load_one(User, db).await?;
    note(log, "load_one", users.len());
    let pages = User::find().order_by_asc(user::Column::Id).paginate(db, 2);
    note(log, "paginate", (pages.num_items().await?, pages.fetch_page(0).await?.len()));
    let cursor = User::find().cursor_by(user::Column::Id).first(2).all(db).await?;
    note(log, "cursor", cursor.len());
    let names: Vec<String> =
        User::find().select_only().column(user::Column::Name).order_by_asc(user::Column::Id).into_tuple().all(db).await?;
    note(log, "into_tuple", names);
    let mut stream = User::find().order_by_asc(user::Column::Id).stream(db).await?;
    let mut streamed = Vec::new();
    while let Some(user) = stream.next().await {
        streamed.push(user?.email);
    }
    note(log, "stream", streamed);
    Ok(())
}

async fn raw(db: &Db, log: &mut Vec<String>) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    db.execute_unprepared("CREATE TABLE note (id INTEGER PRIMARY KEY, text VARCHAR(40) NOT NULL)").await?;
    let done = db.execute_unprepared("INSERT INTO note (id, text) VALUES (1, 'one'), (2, 'two')").await?;
    note(log, "execute_unprepared", done.rows_affected());
    let update = Statement::from_string(backend, "UPDATE note SET text = 'changed' WHERE id = 1");
    note(log, "execute_raw", db.execute_raw(update).await?.rows_affected());
    let select = |sql: &str| Statement::from_string(backend, sql);
    let one = db.query_one_raw(select("SELECT text FROM note WHERE id = 1")).await?.unwrap();
    note(log, "query_one_raw", one.try_get::<String>("", "text")?);
    let all = db.query_all_raw(select("SELECT id FROM note ORDER BY id")).await?;
    note(log, "query_all_raw", all.len());
    let mut rows = db.stream_raw(select("SELECT id FROM note ORDER BY id")).await?;
    let mut streamed = Vec::new();
    while let Some(row) = rows.next().await {
        streamed.push(row?.try_get::<i32>("", "id")?);
    }
    note(log, "stream_raw", streamed);
    if db.support_returning() {
        let insert = select("INSERT INTO note (id, text) VALUES (3, 'a'), (4, 'b') RETURNING id");
        let rows: Vec<_> = db.stream_raw(insert).await?.collect::<Vec<_>>().await;
        note(log, "stream of a write", rows.len());
    }
    let error = db.execute_unprepared("INSERT INTO nowhere VALUES (1)").await.unwrap_err();
    note(log, "a database error", matches!(error, DbErr::Exec(_)));
    db.execute_unprepared("DROP TABLE note").await?;
    Ok(())
}

fn draft(name: &str) -> user::ActiveModel {
    user::ActiveModel { name: Set(name.into()), email: Set(format!("{name}@t")), ..Default::default() }
}

async fn save_in(txn: &Txn, name: &str) -> Result<(), DbErr> {
    draft(name).insert(txn).await.map(|_| ())
}

async fn transactions(db: &Db, log: &mut Vec<String>) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    save_in(&txn, "committed").await?;
    let inner = txn.begin().await?;
    save_in(&inner, "undone").await?;
    inner.rollback().await?;
    let inner = txn.begin().await?;
    save_in(&inner, "nested").await?;
    inner.commit().await?;
    txn.commit().await?;

    let txn = db.begin_with_config(Some(IsolationLevel::Serializable), Some(AccessMode::ReadWrite)).await?;
    save_in(&txn, "dropped").await?;
    drop(txn);
    let options = TransactionOptions { isolation_level: Some(IsolationLevel::ReadCommitted), ..Default::default() };
    let txn = db.begin_with_options(options).await?;
    save_in(&txn, "options").await?;
    txn.commit().await?;

    db.transaction::<_, (), DbErr>(|txn| Box::pin(async move { save_in(txn, "closure").await })).await.unwrap();
    let failed = db
        .transaction_with_config::<_, (), DbErr>(
            |txn| {
                Box::pin(async move {
                    save_in(txn, "failed").await?;
                    Err(DbErr::Custom("no".into()))
                })
            },
            Some(IsolationLevel::Serializable),
            None,
        )
        .await;
    note(log, "failed", matches!(failed, Err(TransactionError::Transaction(DbErr::Custom(_)))));
    db.transaction_async(async |txn| {
        save_in(txn, "async").await?;
        txn.transaction_async(async |inner| save_in(inner, "async-nested").await).await.map_err(flat)
    })
    .await
    .map_err(flat)?;
    db.transaction_with_config_async(async |txn| save_in(txn, "async-config").await, None, None)
        .await
        .map_err(flat)?;
    let names: Vec<String> = User::find()
        .select_only()
        .column(user::Column::Name)
        .filter(user::Column::Email.like("%@t"))
        .order_by_asc(user::Column::Name)
        .into_tuple()
        .all(db)
        .await?;
    note(log, "transactions", names);
    Ok(())
}

fn flat(error: TransactionError<DbErr>) -> DbErr {
    match error {
        TransactionError::Connection(error) | TransactionError::Transaction(error) => error,
    }
}

async fn inherent(db: &Db, log: &mut Vec<String>) -> Result<(), DbErr> {
    db.ping().await?;
    let mut metered = db.clone();
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    metered.set_metric_callback(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    User::find().one(&metered).await?;
    note(log, "metric callback", seen.load(Ordering::Relaxed));
    note(log, "pool", match db.get_database_backend() {
        DbBackend::MySql => db.get_mysql_connection_pool().is_closed(),
        DbBackend::Postgres => db.get_postgres_connection_pool().is_closed(),
        _ => db.get_sqlite_connection_pool().is_closed(),
    });
    note(log, "is a mock", db.is_mock_connection());
    assert!(!format!("{db:?}").is_empty());
    db.close_by_ref().await?;
    note(log, "closed", db.ping().await.is_err());
    db.clone().close().await
}
