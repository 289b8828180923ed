//! Turns `300`, `"5m"` or a constant into a duration.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Expr, Lit, spanned::Spanned};

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The expression of a `Duration`, to be evaluated in a constant.
pub(crate) fn duration(name: &str, expr: &Expr) -> syn::Result<TokenStream> {
    let millis = match literal(expr) {
        Some(Lit::Int(lit)) => match (lit.base10_parse::<u64>(), lit.suffix()) {
            (Ok(seconds), "" | "u64" | "u32" | "i32") => seconds.checked_mul(1000),
            _ => None,
        },
        Some(Lit::Str(lit)) => millis(&lit.value()),
        // Whatever else is a constant; the compiler checks that it is a `Duration`.
        None => return Ok(quote_spanned!(expr.span()=> #expr)),
        Some(_) => None,
    };
    match millis {
        Some(0) if zero(name).is_some() => {
            let why = zero(name).unwrap_or_default();
            Err(syn::Error::new(expr.span(), format!("`{name}` is zero: {why}")))
        }
        Some(millis) => Ok(quote!(::core::time::Duration::from_millis(#millis))),
        None => {
            let text = format!(
                "not a span of time: write `{name} = 300` (seconds), `{name} = \"5m\"` or the name of a `Duration` constant"
            );
            Err(syn::Error::new(expr.span(), text))
        }
    }
}

/// What is wrong with a span of no time, where something is.
fn zero(name: &str) -> Option<&'static str> {
    match name {
        "ttl" | "negative_ttl" => Some("nothing would ever be cached"),
        "hard_timeout" => Some("every load would fail"),
        _ => None,
    }
}

/// The literal, also behind a minus sign, which no span of time has.
fn literal(expr: &Expr) -> Option<Lit> {
    match expr {
        Expr::Lit(expr) => Some(expr.lit.clone()),
        Expr::Unary(expr) if matches!(expr.op, syn::UnOp::Neg(_)) => {
            Some(Lit::Bool(syn::LitBool::new(false, expr.span())))
        }
        Expr::Group(expr) => literal(&expr.expr),
        _ => None,
    }
}

/// `"1h 30m"` in milliseconds.
fn millis(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total: Option<u64> = None;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let part = number.parse::<u64>().ok()?.checked_mul(*size)?;
        total = Some(total.unwrap_or(0).checked_add(part)?);
        rest = after.trim_start();
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_their_units() {
        for (text, expected) in [
            ("5m", Some(300_000)),
            ("250ms", Some(250)),
            ("1h 30m", Some(5_400_000)),
            ("1h30m", Some(5_400_000)),
            (" 2 d ", Some(172_800_000)),
            ("5", None),
            ("m", None),
            ("", None),
            ("5 weeks", None),
            ("99999999999999999999s", None),
            ("999999999999999999d", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
    }

    #[test]
    fn a_span_is_a_number_of_seconds_a_text_or_a_constant() {
        let shown = |text: &str| {
            let expr: Expr = syn::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
            duration("ttl", &expr).map(|tokens| tokens.to_string()).map_err(|error| error.to_string())
        };
        assert!(shown("300").is_ok_and(|tokens| tokens.contains("300000u64")));
        assert_eq!(shown("limits::TTL"), Ok("limits :: TTL".into()));
        assert!(duration("lock_wait", &syn::parse_quote!(0)).is_ok());
        for wrong in ["0", "\"0s\"", "-5", "1.5", "true", "\"soon\"", "\"5\""] {
            assert!(shown(wrong).is_err_and(|text| text.contains("ttl")), "{wrong}");
        }
    }
}
