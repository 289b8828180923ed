//! Statements as SeaORM writes them, for every backend.

use sea_orm::{
    ActiveValue::{NotSet, Set, Unchanged},
    ColumnTrait, Condition, Delete, EntityTrait, Insert, JoinType, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, RelationTrait, Schema, Statement, Update,
    sea_query::{
        Alias, CommonTableExpression, Expr, ExprTrait, Index, IndexCreateStatement, OnConflict, Order, Query, Table,
        WithClause,
    },
};

use super::{
    entities::{log, post, profile, tagging, user},
    *,
};

fn values_of(statement: &Statement) -> Vec<Value> {
    statement.values.as_ref().map(|values| values.0.clone()).unwrap_or_default()
}

#[track_caller]
fn reads(query: &impl QueryTrait, expected: &str) {
    for backend in BACKENDS {
        let statement = query.build(backend);
        assert!(!analyze(backend, &statement.sql).is_write(), "{}", statement.sql);
        assert_tags(&read(backend, &statement.sql, &values_of(&statement)), expected, &statement.sql);
    }
}

#[track_caller]
fn writes_on(backend: DbBackend, statement: &Statement, expected: &str) {
    assert_tags(&written(backend, &statement.sql, &values_of(statement)), expected, &statement.sql);
}

#[track_caller]
fn writes(query: &impl QueryTrait, expected: &str) {
    for backend in BACKENDS {
        writes_on(backend, &query.build(backend), expected);
    }
}

#[test]
fn finds() {
    reads(&user::Entity::find_by_id(7), "user:7 user:* user:+");
    reads(&user::Entity::find(), "user");
    reads(&tagging::Entity::find_by_id((7, "rust".to_owned())), "tagging:7,rust tagging:* tagging:+");
    reads(&user::Entity::find().filter(user::Column::Id.is_in([1, 2])), "user:1 user:2 user:* user:+");
    reads(
        &post::Entity::find().filter(post::Column::AuthorId.eq(3)).order_by_desc(post::Column::Id).limit(10),
        "post.author_id=3 post.* post:*",
    );
    reads(
        &user::Entity::find().filter(Condition::any().add(user::Column::Id.eq(1)).add(user::Column::Id.eq(2))),
        "user:1 user:2 user:* user:+",
    );
    reads(&user::Entity::find().filter(user::Column::Id.ne(1)), "user");
    reads(&user::Entity::find().filter(user::Column::Name.contains("x")), "user");
    reads(&user::Entity::find().filter(user::Column::City.is_null()), "user");
    reads(&user::Entity::find_by_id(7).find_also_related(post::Entity), "post user");
    reads(&user::Entity::find().join(JoinType::InnerJoin, user::Relation::Post.def()), "post user");
    reads(
        &user::Entity::find().filter(
            user::Column::Id.in_subquery(Query::select().column(post::Column::AuthorId).from(post::Entity).to_owned()),
        ),
        "post user",
    );
    reads(
        &tagging::Entity::find().filter(
            Expr::tuple([Expr::col(tagging::Column::PostId), Expr::col(tagging::Column::Tag)])
                .in_tuples([(1, "a"), (2, "b")]),
        ),
        "tagging:1,a tagging:2,b tagging:* tagging:+",
    );
    reads(&user::Entity::find_by_id(7).lock_exclusive(), "user:7 user:* user:+");
    reads(
        &post::Entity::find().select_only().column_as(post::Column::Id.count(), "n").group_by(post::Column::AuthorId),
        "post",
    );
}

#[test]
fn a_find_of_one_row_tells_how_many_rows_there_can_be() {
    for backend in BACKENDS {
        let statement = user::Entity::find_by_id(7).build(backend);
        let read = analyze(backend, &statement.sql).read_with(&registry(), statement.values.as_ref());
        assert_eq!((sorted(read.births), read.rows_if_all_found), (vec!["user:+".to_owned()], 1), "{}", statement.sql);
    }
}

#[test]
fn inserts() {
    let model = post::ActiveModel { id: NotSet, author_id: Set(3), title: Set("x".to_owned()) };
    writes(&Insert::one(model.clone()), "post post:+ post.author_id=3");
    let known = post::ActiveModel { id: Set(7), ..model.clone() };
    writes(&Insert::one(known.clone()), "post post:7 post.author_id=3");
    writes(
        &Insert::<post::ActiveModel>::many([
            known,
            post::ActiveModel { id: Set(8), author_id: Set(4), title: Set("y".to_owned()) },
        ]),
        "post post:7 post:8 post.author_id=3 post.author_id=4",
    );
    writes(&Insert::one(log::ActiveModel { id: NotSet, line: Set("x".to_owned()) }), "log log:+ log.*");
    writes(
        &Insert::one(tagging::ActiveModel { post_id: Set(1), tag: Set("Rust".to_owned()), weight: Set(0) }),
        "tagging tagging:1,rust",
    );
    writes(&Insert::one(user::ActiveModel { id: Set(1), name: Set("x".to_owned()), city: Set(None) }), "user user:1");
    // What `exec_with_returning` adds.
    for backend in [DbBackend::Postgres, DbBackend::Sqlite] {
        let mut query = Insert::one(model.clone()).into_query();
        query.returning_all();
        writes_on(backend, &backend.build(&query), "post post:+ post.author_id=3");
    }
}

#[test]
fn upserts() {
    let known = post::ActiveModel { id: Set(7), author_id: Set(3), title: Set("x".to_owned()) };
    let by = |columns: Vec<post::Column>| {
        Insert::one(known.clone())
            .on_conflict(OnConflict::columns(columns).update_column(post::Column::Title).to_owned())
    };
    for backend in [DbBackend::Postgres, DbBackend::Sqlite] {
        writes_on(backend, &by(vec![post::Column::Id]).build(backend), "post post:7 post.*");
        writes_on(backend, &by(vec![post::Column::Title]).build(backend), "post post:*");
        let nothing =
            Insert::one(known.clone()).on_conflict(OnConflict::column(post::Column::Id).do_nothing().to_owned());
        writes_on(backend, &nothing.build(backend), "post post:7 post.author_id=3");
    }
    writes_on(DbBackend::MySql, &by(vec![post::Column::Id]).build(DbBackend::MySql), "post post:*");
    let nothing = Insert::one(known).on_conflict_do_nothing();
    let statement = nothing.build(DbBackend::MySql);
    let found = written(DbBackend::MySql, &statement.sql, &values_of(&statement));
    assert!(found.contains(&"post".to_owned()) && !found.contains(&"*".to_owned()), "{} {found:?}", statement.sql);
}

#[test]
fn updates() {
    let model = post::ActiveModel { id: Unchanged(7), author_id: Unchanged(3), title: Set("x".to_owned()) };
    writes(&Update::one(model).validate().expect("valid"), "post post:7 post.*");
    writes(
        &post::Entity::update_many()
            .col_expr(post::Column::Title, Expr::value("x"))
            .filter(post::Column::AuthorId.eq(3)),
        "post post:*",
    );
    let model = tagging::ActiveModel { post_id: Unchanged(1), tag: Unchanged("a".to_owned()), weight: Set(1) };
    writes(&Update::one(model).validate().expect("valid"), "tagging tagging:1,a");
    writes(&log::Entity::update_many().col_expr(log::Column::Line, Expr::col(log::Column::Line).add("x")), "log log:*");
}

#[test]
fn deletes() {
    let model = post::Model { id: 7, author_id: 3, title: "x".to_owned() };
    writes(
        &Delete::one(post::ActiveModel::from(model)).validate().expect("valid"),
        "post post:7 post.* tagging tagging:*",
    );
    writes(
        &profile::Entity::delete_many().filter(profile::Column::UserId.is_in([1, 2])),
        "profile profile:1 profile:2",
    );
    writes(&profile::Entity::delete_many(), "profile profile:*");
    writes(
        &profile::Entity::delete_many().filter(
            profile::Column::UserId.in_subquery(Query::select().column(user::Column::Id).from(user::Entity).to_owned()),
        ),
        "profile profile:*",
    );
}

#[test]
fn counting_reads_through_a_sub_select() {
    for backend in BACKENDS {
        let inner = user::Entity::find_by_id(7).build(backend);
        let sql = format!("SELECT COUNT(*) AS num_items FROM ({}) AS sub_query", inner.sql);
        assert_tags(&read(backend, &sql, &values_of(&inner)), "user", &sql);
    }
    // The method exists, and this is the statement it builds.
    let _ = <sea_orm::Select<user::Entity> as PaginatorTrait<'_, sea_orm::DatabaseConnection>>::count;
}

#[test]
fn common_table_expressions_and_unions() {
    let select = Query::select().column(post::Column::Id).from(post::Entity).to_owned();
    let table = CommonTableExpression::new()
        .query(select.clone())
        .column(post::Column::Id)
        .table_name(Alias::new("recent"))
        .to_owned();
    let outer = Query::select().expr(Expr::cust("*")).from(Alias::new("recent")).to_owned();
    let with = outer.with(WithClause::new().cte(table).to_owned());
    let mut union = Query::select().column(user::Column::Id).from(user::Entity).to_owned();
    union.union(sea_orm::sea_query::UnionType::All, select).order_by(user::Column::Id, Order::Asc);
    for backend in BACKENDS {
        let statement = backend.build(&with);
        assert_tags(&read(backend, &statement.sql, &values_of(&statement)), "post", &statement.sql);
        let statement = backend.build(&union);
        assert_tags(&read(backend, &statement.sql, &values_of(&statement)), "post user", &statement.sql);
    }
}

#[test]
fn schema_statements_are_read() {
    for backend in BACKENDS {
        let schema = Schema::new(backend);
        let check = |statement: Statement, expected: &str| writes_on(backend, &statement, expected);
        check(backend.build(&schema.create_table_from_entity(post::Entity)), "post post:* tagging tagging:*");
        check(backend.build(&schema.create_table_from_entity(tagging::Entity)), "tagging tagging:*");
        check(backend.build(Table::drop().table(tagging::Entity).if_exists()), "tagging tagging:*");
        check(
            backend.build(
                Table::alter()
                    .table(tagging::Entity)
                    .add_column(sea_orm::sea_query::ColumnDef::new(Alias::new("note")).string()),
            ),
            "tagging tagging:*",
        );
        check(
            backend.build(Table::rename().table(tagging::Entity, Alias::new("labels"))),
            "tagging tagging:* labels labels:*",
        );
        let index: IndexCreateStatement =
            Index::create().name("i").table(tagging::Entity).col(tagging::Column::Weight).to_owned();
        check(backend.build(&index), "none");
        check(backend.build(Index::drop().name("i").table(tagging::Entity)), "none");
        if backend != DbBackend::Sqlite {
            check(backend.build(Table::truncate().table(tagging::Entity)), "tagging tagging:*");
        }
    }
}
