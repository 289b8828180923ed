//! Reads the comma-separated arguments of an attribute, going on after an error.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::{
    Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

use super::errors::Errors;

/// Calls `one` for each argument; where it fails, notes the error and goes on behind the next comma that an argument follows.
pub(crate) fn each(
    tokens: TokenStream,
    errors: &mut Errors,
    mut one: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            match one(input, errors) {
                Ok(()) if input.is_empty() => {}
                Ok(()) => match input.parse::<Token![,]>() {
                    Ok(_) => {}
                    Err(_) => {
                        errors.push(input.error("expected a comma between two arguments"));
                        skip_to_next(input)?;
                    }
                },
                Err(error) => {
                    errors.push(error);
                    skip_to_next(input)?;
                }
            }
        }
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens)
        && errors.is_empty()
    {
        errors.push(error);
    }
}

fn skip_to_next(input: ParseStream<'_>) -> syn::Result<()> {
    let mut skipped = false;
    while !input.is_empty() {
        if input.parse::<Option<Token![,]>>()?.is_some() {
            let named = input.peek(syn::Ident::peek_any)
                && (input.peek2(Token![=]) || input.peek2(syn::token::Paren) || input.peek2(Token![,]));
            // Behind skipped tokens a comma may belong to them, as in `foo::<A, B>`.
            if !skipped || input.is_empty() || named {
                return Ok(());
            }
        } else {
            input.parse::<TokenTree>()?;
            skipped = true;
        }
    }
    Ok(())
}

/// The `=` between an argument and its value.
pub(crate) fn equals(name: &Ident, input: ParseStream<'_>, example: &str) -> syn::Result<()> {
    if input.parse::<Option<Token![=]>>()?.is_some() {
        if input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new(name.span(), format!("`{name}` has no value: write `{example}`")));
        }
        return Ok(());
    }
    Err(syn::Error::new(name.span(), format!("`{name}` needs a value: write `{example}`")))
}

/// Fills a slot that may be filled once.
pub(crate) fn set<T>(slot: &mut Option<T>, name: &Ident, value: T, errors: &mut Errors) {
    if slot.is_some() {
        errors.push(syn::Error::new(name.span(), format!("`{name}` is given twice: keep one of them")));
    } else {
        *slot = Some(value);
    }
}
