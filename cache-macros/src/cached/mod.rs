//! `#[cached]`.

mod background;
mod batch;
mod check;
mod companions;
mod expand;
mod key;
mod parse;
mod plan;
mod time;

#[cfg(test)]
mod tests;

pub(crate) use check::roots;
pub(crate) use companions::put_slot_name;
pub(crate) use plan::{local, tag};
use proc_macro2::TokenStream;
use quote::quote;

use crate::common::{errors::Errors, item::Function};

/// Parse, check, plan, expand. Whatever is wrong, the function itself is emitted.
pub(crate) fn cached(args: TokenStream, item: &TokenStream) -> TokenStream {
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = error.to_compile_error();
            return quote!(#error #item);
        }
    };
    let mut errors = Errors::default();
    let args = parse::parse(args, &mut errors);
    let plan =
        check::check(&args, &function, &mut errors).map(|checked| plan::plan(&args, &function, checked, &mut errors));
    match plan {
        Some(plan) if errors.is_empty() => expand::expand(&plan, &function),
        _ => {
            let errors = errors.to_compile_errors();
            quote!(#errors #item)
        }
    }
}
