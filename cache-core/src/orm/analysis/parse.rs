//! SQL text to facts.

use std::ops::ControlFlow;

use sea_orm::DbBackend;
use sqlparser::{
    ast::{
        Expr, FromTable, GroupByExpr, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement,
        TableFactor, TableWithJoins, Visit,
    },
    parser::Parser,
    tokenizer::{Span, Token, TokenWithSpan},
};

use super::{
    facts::{Change, ChangeKind, Facts, LookSource, PointRead, Write},
    lex::{self, Lexed},
    predicate::{self, Scope, name_of},
    walk::{Walk, table_of},
};

/// Longer texts are not read.
const SQL_BYTES_MAX: usize = 16 << 20;
/// Nested parentheses and sub-selects beyond this are not read.
const NESTING_MAX: usize = 128;
/// Texts with more operators than this are not read: their syntax tree may be as deep.
const DEPTH_MAX: usize = 8_192;
/// Syntax trees up to this depth fit any stack.
const DEPTH_SMALL: usize = 64;
/// What one level of a syntax tree may take of the stack; generous, measured in debug builds.
const STACK_BYTES_PER_LEVEL: usize = 16 << 10;

/// Reads a text.
pub(super) fn read(backend: DbBackend, sql: &str) -> Facts {
    if sql.len() > SQL_BYTES_MAX {
        return Facts::unreadable("the text is too long");
    }
    let lexed = match lex::lex(backend, sql) {
        Ok(lexed) => lexed,
        Err(why) => return Facts::unreadable(why),
    };
    if lexed.depth > DEPTH_MAX {
        return guess(&lexed.tokens, "the text is nested too deeply");
    }
    // Parsing, walking and dropping a syntax tree recurse.
    let depth = lexed.depth;
    let work = || parse(backend, lexed);
    if depth <= DEPTH_SMALL {
        stacker::maybe_grow(DEPTH_SMALL * STACK_BYTES_PER_LEVEL, 4 << 20, work)
    } else {
        stacker::grow((depth + DEPTH_SMALL) * STACK_BYTES_PER_LEVEL, work)
    }
}

fn parse(backend: DbBackend, lexed: Lexed) -> Facts {
    let Lexed { tokens, lenient, .. } = lexed;
    let parsed = Parser::new(lex::dialect(backend))
        .with_recursion_limit(NESTING_MAX)
        .with_tokens_with_locations(tokens.clone())
        .parse_statements();
    let Ok(statements) = parsed else { return guess(&tokens, "the text cannot be parsed") };
    let mut walk = Walk::new(backend, Facts { lenient, ..Facts::default() });
    for statement in &statements {
        if only_explains(statement) {
            walk.facts.reads_unknown("a plan");
            continue;
        }
        let _: ControlFlow<()> = statement.visit(&mut walk);
    }
    if let [statement] = statements.as_slice() {
        match statement {
            Statement::Query(query) if walk.queries == 1 && walk.relations == 1 => {
                walk.facts.point = point_read(query);
            }
            statement if walk.queries == 0 && walk.relations == 1 && !lenient => {
                walk.facts.look = look_source(statement, &tokens);
            }
            _ => {}
        }
    }
    walk.facts
}

/// `EXPLAIN` without options runs nothing.
fn only_explains(statement: &Statement) -> bool {
    matches!(statement, Statement::Explain { analyze: false, options: None, .. } | Statement::ExplainTable { .. })
}

/// What the first words tell of a text that cannot be parsed.
fn guess(tokens: &[TokenWithSpan], why: &'static str) -> Facts {
    let mut tokens = tokens
        .iter()
        .map(|token| &token.token)
        .filter(|token| !matches!(token, Token::Whitespace(_) | Token::LParen | Token::EOF));
    let first = tokens.next().and_then(lex::bare_word).unwrap_or_default();
    let rest: Vec<&Token> = tokens.collect();
    let single = rest.iter().position(|token| **token == Token::SemiColon).is_none_or(|at| at + 1 == rest.len());
    let into = rest.iter().any(|token| lex::bare_word(token).as_deref() == Some("INTO"));
    let mut facts = Facts::unreadable(why);
    if !single {
        return facts;
    }
    match first.as_str() {
        // Conflict targets are of more kinds than the parser knows, and SeaORM writes some of them.
        "INSERT" | "REPLACE" => {
            if let Some(table) = inserted_into(&rest) {
                facts.everything = None;
                facts.add_table(table.clone());
                let change = Change { table, matching: predicate::anything(), kind: ChangeKind::Any };
                facts.writes.push(Write::Change(change));
            }
        }
        // No database writes by `SELECT` or `VALUES`, save `INTO` and what functions do.
        "SELECT" | "VALUES" | "TABLE" if !into => facts.everything = None,
        // MariaDB's `ANALYZE [FORMAT = ..]` runs the statement behind it.
        "ANALYZE" | "ANALYSE" | "DESCRIBE" | "DESC" if rest.iter().any(|token| may_write(token)) => {}
        "SHOW" | "DESCRIBE" | "DESC" | "CHECKPOINT" | "REINDEX" | "ANALYZE" | "ANALYSE" | "VACUUM" | "LISTEN"
        | "UNLISTEN" | "NOTIFY" | "PRAGMA" | "USE" | "GRANT" | "REVOKE" | "LOCK" | "UNLOCK" | "FLUSH" | "CLUSTER"
        | "OPTIMIZE" | "CHECK" => facts.everything = None,
        "BEGIN" | "START" | "SAVEPOINT" | "RELEASE" | "ROLLBACK" | "COMMIT" | "END" | "ABORT" => {
            facts.everything = None;
            facts.controls_transaction = true;
        }
        _ => {}
    }
    facts
}

fn may_write(token: &Token) -> bool {
    let word = lex::bare_word(token);
    matches!(word.as_deref(), Some("INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "WITH"))
}

/// The table that a text of one `INSERT` names, if no other table can be written by it.
fn inserted_into(rest: &[&Token]) -> Option<String> {
    let words = |word: &str| rest.iter().filter(|token| lex::bare_word(token).as_deref() == Some(word)).count();
    if words("WITH") + words("DELETE") + words("MERGE") + words("INSERT") > 0 || words("INTO") != 1 {
        return None;
    }
    let mut name = rest.iter().skip_while(|token| lex::bare_word(token).as_deref() != Some("INTO")).skip(1);
    let mut parts = Vec::new();
    loop {
        let Token::Word(word) = name.next()? else { return None };
        parts.push(ObjectNamePart::Identifier(word.clone().into_ident(Span::empty())));
        if **name.next()? != Token::Period {
            return table_of(&ObjectName(parts));
        }
    }
}

/// A `SELECT` of one table's rows.
fn point_read(query: &Query) -> Option<PointRead> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    if query.with.is_some() || !query.pipe_operators.is_empty() {
        return None;
    }
    if select.into.is_some() || !select.lateral_views.is_empty() || !select.connect_by.is_empty() {
        return None;
    }
    let [TableWithJoins { relation, joins }] = select.from.as_slice() else { return None };
    let TableFactor::Table { name, alias, args: None, version: None, .. } = relation else { return None };
    if !joins.is_empty() {
        return None;
    }
    let table = table_of(name)?;
    let scope = Scope::of(table.clone(), alias.as_ref(), false)?;
    let matching = predicate::matching(select.selection.as_ref(), &scope);
    Some(PointRead { table, matching, plain: is_plain(select) })
}

/// Whether the result has one row for each row found.
fn is_plain(select: &Select) -> bool {
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, more) if by.is_empty() && more.is_empty());
    !grouped && select.having.is_none() && select.qualify.is_none() && select.projection.iter().all(is_plain_item)
}

fn is_plain_item(item: &SelectItem) -> bool {
    match item {
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => true,
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_plain_expr(expr),
        _ => false,
    }
}

fn is_plain_expr(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => true,
        Expr::Cast { expr, .. } | Expr::Nested(expr) => is_plain_expr(expr),
        _ => false,
    }
}

/// The table and the condition of a simple statement, as text.
fn look_source(statement: &Statement, tokens: &[TokenWithSpan]) -> Option<LookSource> {
    let (table, returning) = match statement {
        Statement::Update(update)
            if update.from.is_none()
                && update.or.is_none()
                && update.limit.is_none()
                && update.order_by.is_empty()
                && update.selection.is_some() =>
        {
            (&update.table, &update.returning)
        }
        Statement::Delete(delete)
            if delete.using.is_none()
                && delete.tables.is_empty()
                && delete.limit.is_none()
                && delete.order_by.is_empty()
                && delete.selection.is_some() =>
        {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            let [table] = from.as_slice() else { return None };
            (table, &delete.returning)
        }
        _ => return None,
    };
    let TableFactor::Table { args: None, .. } = &table.relation else { return None };
    if !table.joins.is_empty() {
        return None;
    }
    let returning = returning.iter().flatten().map(returned_column).collect();
    Some(LookSource { table: table.to_string(), condition: lex::condition(tokens)?, returning })
}

/// In PostgreSQL 18 `old` and `new` are no tables, and `new` shows nothing of a deleted row.
fn returned_column(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name_of(name)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(path)) => match path.as_slice() {
            [table, name] if !["old", "new"].contains(&name_of(table).as_str()) => Some(name_of(name)),
            _ => None,
        },
        _ => None,
    }
}
