//! Texts with arguments in them, such as `"feed:{user.id}"`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{LitStr, Member, ext::IdentExt, parse::Parser};

use super::errors::Errors;

/// A text with arguments in it.
pub(crate) struct Template {
    pub parts: Vec<Part>,
}

pub(crate) enum Part {
    Text(String),
    Value(Value),
}

/// `user.id` in `"feed:{user.id}"`.
pub(crate) struct Value {
    /// The argument.
    pub root: Ident,
    pub members: Vec<Member>,
}

impl Value {
    /// The expression.
    pub(crate) fn tokens(&self) -> TokenStream {
        let (root, members) = (&self.root, &self.members);
        quote!(#root #(.#members)*)
    }
}

impl Template {
    /// Reads the literal; what is wrong with it goes to `errors`.
    pub(crate) fn parse(lit: &LitStr, errors: &mut Errors) -> Self {
        let text = lit.value();
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from_brace) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from_brace.strip_prefix("{{").or_else(|| from_brace.strip_prefix("}}")) {
                plain.push_str(from_brace.get(..1).unwrap_or_default());
                rest = after;
                continue;
            }
            let Some((inside, after)) = from_brace.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
                errors.push(syn::Error::new(lit.span(), unmatched(from_brace)));
                rest = "";
                break;
            };
            let offset = text.len() - rest.len() + at;
            let span = subspan(lit, &text, offset, inside.len() + 2);
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            match value(inside, span) {
                Ok(value) => parts.push(Part::Value(value)),
                Err(error) => errors.push(error),
            }
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        if text.is_empty() {
            errors.push(syn::Error::new(lit.span(), "an empty text names nothing: write something like \"feed:{id}\""));
        }
        Self { parts }
    }

    /// The arguments it names.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(value) => Some(value),
            Part::Text(_) => None,
        })
    }
}

fn unmatched(from_brace: &str) -> &'static str {
    if from_brace.starts_with('{') {
        "this text has a `{` without its `}`: write `{{` for a brace"
    } else {
        "this text has a `}` without its `{`: write `}}` for a brace"
    }
}

fn value(inside: &str, span: Span) -> syn::Result<Value> {
    let error = |text: String| Err(syn::Error::new(span, text));
    if inside.trim().is_empty() {
        return error("name the argument between the braces: `{id}`".into());
    }
    if let Some((name, _)) = inside.split_once(':') {
        return error(format!("a format after `:` is not supported: write `{{{}}}`", name.trim()));
    }
    let mut names = inside.split('.').map(str::trim);
    let root = names.next().unwrap_or_default();
    let Ok(mut root) = Ident::parse_any.parse_str(root) else {
        return error(format!("`{inside}` is not an argument or a field of one: write `{{id}}` or `{{user.id}}`"));
    };
    root.set_span(span);
    let mut members = Vec::new();
    for name in names {
        let Ok(mut member) = syn::parse_str::<Member>(name) else {
            return error(format!("`{name}` is not a field: write `{{user.id}}` (a method cannot be called here)"));
        };
        match &mut member {
            Member::Named(ident) => ident.set_span(span),
            Member::Unnamed(index) => index.span = span,
        }
        members.push(member);
    }
    Ok(Value { root, members })
}

/// Where the compiler can say it, the span of a part of the literal; else the whole literal.
fn subspan(lit: &LitStr, text: &str, offset: usize, len: usize) -> Span {
    let token = lit.token();
    // With escapes or as a raw string, offsets in the text are not offsets in the token.
    if token.to_string().len() != text.len() + 2 {
        return lit.span();
    }
    token.subspan(offset + 1..offset + 1 + len).unwrap_or_else(|| lit.span())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> (String, Vec<String>) {
        let mut errors = Errors::default();
        let template = Template::parse(&LitStr::new(text, Span::call_site()), &mut errors);
        let shown = template
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => format!("'{text}'"),
                Part::Value(value) => value.tokens().to_string(),
            })
            .collect();
        (shown, errors.texts())
    }

    #[test]
    fn names_fields_and_doubled_braces_are_read() {
        assert_eq!(shown("feed:{user}"), ("'feed:'user".into(), vec![]));
        assert_eq!(shown("{a.b.0}/{self.x}{{}}"), ("a . b . 0'/'self . x'{}'".into(), vec![]));
        assert_eq!(shown("all"), ("'all'".into(), vec![]));
    }

    #[test]
    fn each_mistake_says_what_to_write() {
        for (text, says) in [
            ("{}", "name the argument"),
            ("{id", "without its `}`"),
            ("id}", "without its `{`"),
            ("{id:?}", "write `{id}`"),
            ("{a b}", "is not an argument"),
            ("{a.b()}", "method"),
            ("", "empty"),
        ] {
            let (_, errors) = shown(text);
            assert!(errors.len() == 1 && errors.iter().all(|error| error.contains(says)), "{text}: {errors:?}");
        }
    }
}
