//! One pass over a syntax tree, gathering what it mentions.

use std::{collections::HashMap, ops::ControlFlow, ptr};

use sea_orm::DbBackend;
use sqlparser::ast::{Expr, ObjectName, ObjectNamePart, Query, Select, SetExpr, Statement, TableFactor, Visitor};

use super::{facts::Facts, functions, predicate::name_of, statements};

/// Gathers tables, functions and writes from a syntax tree.
pub(super) struct Walk {
    pub(super) facts: Facts,
    backend: DbBackend,
    /// How many queries there are, sub-selects included.
    pub(super) queries: usize,
    /// How often a table is mentioned.
    pub(super) relations: usize,
    /// Names of common table expressions, innermost last.
    frames: Vec<Frame>,
    /// For the query of a common table expression: which names of the frame around it it can see.
    limits: HashMap<usize, Limit>,
    /// The name of a table function, which is no table.
    not_a_table: Option<usize>,
}

struct Frame {
    names: Vec<String>,
    visible: usize,
}

#[derive(Clone, Copy)]
struct Limit {
    frame: usize,
    visible: usize,
}

fn address<T>(node: &T) -> usize {
    ptr::from_ref(node).addr()
}

/// The last part of a possibly qualified name.
pub(super) fn last_name(name: &ObjectName) -> Option<String> {
    match name.0.last() {
        Some(ObjectNamePart::Identifier(ident)) => Some(name_of(ident)),
        _ => None,
    }
}

/// Words that are modifiers to some database, and that the parser may have taken for a table's name.
const NOT_TABLES: &[&str] = &[
    "all",
    "as",
    "concurrently",
    "delayed",
    "delete",
    "exists",
    "from",
    "high_priority",
    "if",
    "ignore",
    "insert",
    "into",
    "lateral",
    "low_priority",
    "no_write_to_binlog",
    "only",
    "quick",
    "select",
    "set",
    "table",
    "update",
    "values",
    "where",
    "with",
];

/// A table's name, unless it may be something else.
pub(super) fn table_of(name: &ObjectName) -> Option<String> {
    let table = last_name(name)?;
    let quoted = matches!(name.0.last(), Some(ObjectNamePart::Identifier(ident)) if ident.quote_style.is_some());
    (quoted || !NOT_TABLES.contains(&table.as_str())).then_some(table)
}

impl Walk {
    pub(super) fn new(backend: DbBackend, facts: Facts) -> Self {
        Self { facts, backend, queries: 0, relations: 0, frames: Vec::new(), limits: HashMap::new(), not_a_table: None }
    }

    fn is_common_table(&self, name: &ObjectName) -> bool {
        let ([_], Some(name)) = (name.0.as_slice(), last_name(name)) else { return false };
        self.frames.iter().any(|frame| frame.names.iter().take(frame.visible).any(|known| *known == name))
    }

    /// Notes a table that is read.
    pub(super) fn reads(&mut self, name: &ObjectName) {
        match table_of(name) {
            // MySQL's table without rows of its own.
            Some(table) if table == "dual" && self.backend == DbBackend::MySql => {}
            Some(table) => self.facts.add_table(table),
            None => self.facts.reads_unknown("a table's name cannot be read"),
        }
    }

    fn calls(&mut self, name: &ObjectName) {
        let Some(function) = last_name(name) else {
            return self.facts.functions.push(name.to_string());
        };
        let own = match name.0.as_slice() {
            [_] => true,
            [schema, _] => schema.to_string().trim_matches('"').eq_ignore_ascii_case("pg_catalog"),
            _ => false,
        };
        let is_builtin = own && functions::is_builtin(&function);
        if !is_builtin && !self.facts.functions.contains(&function) {
            self.facts.functions.push(function);
        }
    }

    /// `TABLE post`, a query without `SELECT`.
    fn note_bodies(&mut self, body: &SetExpr) {
        let mut rest = vec![body];
        while let Some(body) = rest.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => rest.extend([left.as_ref(), right.as_ref()]),
                SetExpr::Table(table) => {
                    self.relations += 1;
                    match &table.table_name {
                        Some(name) => self.facts.add_table(name.to_lowercase()),
                        None => self.facts.reads_unknown("a table's name cannot be read"),
                    }
                }
                _ => {}
            }
        }
    }
}

impl Visitor for Walk {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.queries += 1;
        if let Some(limit) = self.limits.get(&address(query)).copied()
            && let Some(frame) = self.frames.get_mut(limit.frame)
        {
            frame.visible = limit.visible;
        }
        let mut names = Vec::new();
        if let Some(with) = &query.with {
            let frame = self.frames.len();
            for (at, table) in with.cte_tables.iter().enumerate() {
                let visible = if with.recursive { with.cte_tables.len() } else { at };
                self.limits.insert(address(table.query.as_ref()), Limit { frame, visible });
                names.push(name_of(&table.alias.name));
            }
        }
        self.frames.push(Frame { visible: names.len(), names });
        self.note_bodies(&query.body);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.frames.pop();
        if let Some(limit) = self.limits.get(&address(query)).copied()
            && let Some(frame) = self.frames.get_mut(limit.frame)
        {
            frame.visible = frame.names.len();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if select.into.is_some() {
            // PostgreSQL creates a table by it, MySQL writes a file or a variable.
            self.facts.writes_everything("SELECT INTO");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        if self.not_a_table.take() == Some(address(name)) {
            return ControlFlow::Continue(());
        }
        self.relations += 1;
        if !self.is_common_table(name) {
            self.reads(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } => {
                self.not_a_table = Some(address(name));
                self.relations += 1;
                self.calls(name);
            }
            TableFactor::Function { name, .. } => {
                self.relations += 1;
                self.calls(name);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            self.calls(&function.name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        statements::note(self, statement);
        ControlFlow::Continue(())
    }
}
