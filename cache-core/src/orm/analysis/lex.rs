//! SQL text to tokens, made ready for the parser.

use sea_orm::DbBackend;
use sqlparser::{
    dialect::{Dialect, GenericDialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect},
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace, Word},
};

use super::facts::Piece;

/// The tokens of a text.
pub(super) struct Lexed {
    pub(super) tokens: Vec<TokenWithSpan>,
    /// An upper bound of how deep the syntax tree can be.
    pub(super) depth: usize,
    /// Whether MySQL's `IGNORE` was among the modifiers.
    pub(super) lenient: bool,
}

pub(super) fn dialect(backend: DbBackend) -> &'static dyn Dialect {
    match backend {
        DbBackend::MySql => &MySqlDialect {},
        DbBackend::Postgres => &PostgreSqlDialect {},
        DbBackend::Sqlite => &SQLiteDialect {},
        _ => &GenericDialect {},
    }
}

/// Reads the tokens, numbers the parameters, and leaves out words that the parser would take for names.
pub(super) fn lex(backend: DbBackend, sql: &str) -> Result<Lexed, &'static str> {
    // Escapes stay as they are: a string that has any is never a precise value, whatever the server's SQL mode makes of it.
    let mut tokens = Tokenizer::new(dialect(backend), sql)
        .with_unescape(false)
        .tokenize_with_location()
        .map_err(|_| "the text cannot be read")?;
    if backend == DbBackend::MySql && tokens.iter().any(|token| is_executable_comment(&token.token)) {
        return Err("MariaDB executes what a comment says");
    }
    number_params(backend, &mut tokens);
    let lenient = leave_out_modifiers(backend, &mut tokens);
    let depth = depth(&tokens);
    Ok(Lexed { tokens, depth, lenient })
}

/// The keyword of an unquoted word.
pub(super) fn keyword(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(Word { quote_style: None, keyword, .. }) if *keyword != Keyword::NoKeyword => Some(*keyword),
        _ => None,
    }
}

/// An unquoted word, upper case.
pub(super) fn bare_word(token: &Token) -> Option<String> {
    match token {
        Token::Word(Word { quote_style: None, value, .. }) => Some(value.to_uppercase()),
        _ => None,
    }
}

fn is_executable_comment(token: &Token) -> bool {
    matches!(token, Token::Whitespace(Whitespace::MultiLineComment(text)) if text.starts_with("M!") || text.starts_with('!'))
}

/// How deep the syntax tree can be: operators nest to the left without end, what stands in parentheses nests below what stands
/// around it, and the items of a list stand side by side.
fn depth(tokens: &[TokenWithSpan]) -> usize {
    #[derive(Default)]
    struct Level {
        /// Operators since the last comma.
        operators: usize,
        /// The deepest parentheses since the last comma.
        inner: usize,
        /// The deepest item so far.
        deepest: usize,
    }
    impl Level {
        fn total(&self) -> usize {
            self.deepest.max(self.operators + self.inner)
        }
    }
    let mut around: Vec<Level> = Vec::new();
    let mut level = Level::default();
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket => around.push(std::mem::take(&mut level)),
            Token::RParen | Token::RBracket => {
                let inner = level.total() + 1;
                level = around.pop().unwrap_or_default();
                level.inner = level.inner.max(inner);
            }
            Token::Comma | Token::SemiColon => level = Level { deepest: level.total(), ..Level::default() },
            token if deepens(token) => level.operators += 1,
            _ => {}
        }
    }
    // Parentheses that nobody closes.
    around.iter().fold(level.total(), |inner, level| level.total() + inner + 1)
}

fn deepens(token: &Token) -> bool {
    match token {
        Token::Word(_) => keyword(token).is_some(),
        Token::Whitespace(_)
        | Token::Period
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Placeholder(_) => false,
        _ => true,
    }
}

/// Gives `?` its position in the text as a number, which the order of a syntax tree would not tell.
fn number_params(backend: DbBackend, tokens: &mut [TokenWithSpan]) {
    if backend == DbBackend::Postgres {
        return;
    }
    // SQLite counts named parameters as well, once each; who mixes them with `?` gets no precise values.
    let anonymous = tokens.iter().all(|token| match &token.token {
        Token::Placeholder(name) => name == "?",
        Token::Colon | Token::AtSign => false,
        _ => true,
    });
    let mut at = 0_usize;
    for token in tokens.iter_mut() {
        match &mut token.token {
            Token::Placeholder(name) if name == "?" && anonymous => {
                at += 1;
                *name = format!("?{at}");
            }
            // Which value a `$1` gets depends on the driver here.
            Token::Placeholder(name) if name == "?" || name.starts_with('$') => "?named".clone_into(name),
            _ => {}
        }
    }
}

/// The position of a parameter, from 0.
pub(super) fn param(name: &str) -> Option<usize> {
    name.strip_prefix(['?', '$'])?.parse::<usize>().ok()?.checked_sub(1)
}

fn leave_out_modifiers(backend: DbBackend, tokens: &mut Vec<TokenWithSpan>) -> bool {
    let mut lenient = false;
    let mut after_table_word = false;
    let mut in_verb = false;
    tokens.retain(|token| {
        let token = &token.token;
        if matches!(token, Token::Whitespace(_)) {
            return true;
        }
        let word = bare_word(token);
        let word = word.as_deref().unwrap_or_default();
        let keep = match backend {
            DbBackend::MySql => {
                let modifier = matches!(word, "LOW_PRIORITY" | "HIGH_PRIORITY" | "DELAYED" | "QUICK" | "IGNORE");
                lenient |= in_verb && word == "IGNORE";
                let keep = !(in_verb && modifier);
                in_verb = matches!(word, "INSERT" | "UPDATE" | "DELETE" | "REPLACE") || in_verb && modifier;
                keep
            }
            DbBackend::Postgres => !(word == "ONLY" && after_table_word),
            _ => true,
        };
        after_table_word = *token == Token::Comma
            || matches!(word, "FROM" | "UPDATE" | "JOIN" | "TRUNCATE" | "TABLE" | "USING" | "INTO" | "LOCK");
        keep
    });
    lenient
}

/// The condition of a text that has exactly one `WHERE`, if it is made of plain pieces, and chooses the same rows each time: no
/// function is called in it, since `random()` or `now()` would choose others.
pub(super) fn condition(tokens: &[TokenWithSpan]) -> Option<Vec<Piece>> {
    let is_where = |token: &TokenWithSpan| keyword(&token.token) == Some(Keyword::WHERE);
    let start = tokens.iter().position(is_where)? + 1;
    let rest = tokens.get(start..)?;
    if rest.iter().any(is_where) {
        return None;
    }
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut depth = 0_i32;
    let mut after_word = false;
    for token in rest.iter().map(|token| &token.token) {
        match token {
            Token::EOF => break,
            Token::SemiColon if depth == 0 => break,
            Token::LParen if after_word => return None,
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            Token::Placeholder(name) => {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Param(param(name)?));
                after_word = false;
                continue;
            }
            Token::Whitespace(_) => {
                text.push(' ');
                continue;
            }
            token if is_plain(token) => {
                let ends = matches!(keyword(token), Some(Keyword::RETURNING | Keyword::ORDER | Keyword::LIMIT));
                if ends && depth == 0 {
                    break;
                }
                if bare_word(token).is_some_and(|word| is_clock(&word)) {
                    return None;
                }
            }
            _ => return None,
        }
        // Before a parenthesis these are no functions' names.
        let joins = matches!(keyword(token), Some(Keyword::AND | Keyword::OR | Keyword::NOT | Keyword::IN));
        after_word = matches!(token, Token::Word(_)) && !joins;
        text.push_str(&token.to_string());
    }
    pieces.push(Piece::Text(text));
    Some(pieces)
}

/// Functions that are called without parentheses.
fn is_clock(word: &str) -> bool {
    ["CURRENT", "LOCALTIME", "UTC_", "SYSDATE", "NOW", "TODAY"].iter().any(|clock| word.starts_with(clock))
}

/// Tokens that are written as they were read.
fn is_plain(token: &Token) -> bool {
    matches!(
        token,
        Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Comma
            | Token::Period
            | Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Plus
            | Token::Minus
            | Token::Mul
    )
}
