//! Which columns a condition binds to which values.

use sqlparser::ast::{BinaryOperator, Expr, Ident, TableAlias, UnaryOperator, Value};

use super::{
    ROWS_MAX,
    facts::{Conjunct, Matching, Operand},
    lex,
};
use crate::orm::values::Literal;

/// By which name a condition may call the columns of the table in question.
pub(super) struct Scope {
    /// The table's alias if it has one, which then hides its name; else its name.
    pub(super) name: String,
    /// Whether other tables are in sight, so that a bare column name could be theirs.
    pub(super) others: bool,
}

impl Scope {
    /// `None` if the alias renames the columns as well.
    pub(super) fn of(table: String, alias: Option<&TableAlias>, others: bool) -> Option<Self> {
        match alias {
            None => Some(Self { name: table, others }),
            Some(TableAlias { name, columns, .. }) if columns.is_empty() => Some(Self { name: name_of(name), others }),
            Some(_) => None,
        }
    }

    /// The column's name, if `expr` is one of this table.
    fn column(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Nested(inner) => self.column(inner),
            Expr::Identifier(column) if !self.others => Some(name_of(column)),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                // With more parts the first may be a schema, or a column of a composite type.
                [table, column] if self.name == name_of(table) => Some(name_of(column)),
                [.., table, column] if !self.others && self.name == name_of(table) => Some(name_of(column)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A name as it is compared: lower case, escaped quotes resolved.
pub(super) fn name_of(ident: &Ident) -> String {
    let lower = ident.value.to_lowercase();
    match ident.quote_style {
        Some(quote) if lower.contains(quote) => lower.replace(&String::from_iter([quote, quote]), &String::from(quote)),
        _ => lower,
    }
}

/// What holds of every row that satisfies the condition. Too many alternatives count as none known.
pub(super) fn matching(condition: Option<&Expr>, scope: &Scope) -> Matching {
    condition.map_or_else(anything, |condition| alternatives(condition, scope))
}

/// Any row.
pub(super) fn anything() -> Matching {
    vec![Conjunct::new()]
}

fn says_nothing(matching: &Matching) -> bool {
    matching.iter().any(Vec::is_empty)
}

fn alternatives(expr: &Expr, scope: &Scope) -> Matching {
    match expr {
        Expr::Nested(inner) => alternatives(inner, scope),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            both(alternatives(left, scope), alternatives(right, scope))
        }
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            let mut either = alternatives(left, scope);
            if says_nothing(&either) {
                return anything();
            }
            either.extend(alternatives(right, scope));
            if either.len() > ROWS_MAX || says_nothing(&either) { anything() } else { either }
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            vec![equal(left, right, scope).or_else(|| equal(right, left, scope)).unwrap_or_default()]
        }
        Expr::InList { expr, list, negated: false } if list.len() <= ROWS_MAX && !list.is_empty() => {
            list.iter().map(|value| equal(expr, value, scope)).collect::<Option<_>>().unwrap_or_else(anything)
        }
        _ => anything(),
    }
}

/// `a AND b`. If the combinations are too many, the better of the two says enough.
fn both(one: Matching, other: Matching) -> Matching {
    if says_nothing(&other) {
        return one;
    }
    if says_nothing(&one) || one.len() * other.len() > ROWS_MAX {
        return if one.len() <= other.len() && !says_nothing(&one) { one } else { other };
    }
    one.iter().flat_map(|left| other.iter().map(|right| joined(left, right))).collect()
}

/// Both hold; of two values for one column, one says enough.
fn joined(one: &Conjunct, other: &Conjunct) -> Conjunct {
    let more = other.iter().filter(|(column, _)| !one.iter().any(|(known, _)| known == column));
    one.iter().chain(more).cloned().collect()
}

/// `column = value`, or the same for a row of columns.
fn equal(columns: &Expr, values: &Expr, scope: &Scope) -> Option<Conjunct> {
    if let (Expr::Tuple(columns), Expr::Tuple(values)) = (columns, values) {
        let pairs = columns.iter().zip(values).filter_map(|(column, value)| bound(column, value, scope));
        return (columns.len() == values.len()).then(|| pairs.collect());
    }
    bound(columns, values, scope).map(|pair| vec![pair])
}

fn bound(column: &Expr, value: &Expr, scope: &Scope) -> Option<(String, Operand)> {
    let column = scope.column(column)?;
    match operand(value) {
        Operand::Unknown => None,
        operand => Some((column, operand)),
    }
}

/// A constant or a parameter.
pub(super) fn operand(expr: &Expr) -> Operand {
    match expr {
        Expr::Nested(inner) => operand(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match operand(expr) {
            Operand::Literal(Literal::Int(value)) => Operand::Literal(Literal::Int(-value)),
            _ => Operand::Unknown,
        },
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => lex::param(name).map_or(Operand::Unknown, Operand::Param),
            Value::Number(digits, _) => {
                digits.parse().map_or(Operand::Unknown, |value| Operand::Literal(Literal::Int(value)))
            }
            // With an escape the text depends on the server's mode.
            Value::SingleQuotedString(text) if !text.contains(['\'', '\\']) => {
                Operand::Literal(Literal::Text(text.clone()))
            }
            Value::Boolean(value) => Operand::Literal(Literal::Bool(*value)),
            Value::Null => Operand::Literal(Literal::Null),
            _ => Operand::Unknown,
        },
        _ => Operand::Unknown,
    }
}
