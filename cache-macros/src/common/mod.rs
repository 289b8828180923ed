//! What several macros share: arguments, targets, templates, signatures.

pub(crate) mod args;
pub(crate) mod errors;
pub(crate) mod item;
pub(crate) mod signature;
pub(crate) mod source;
pub(crate) mod target;
pub(crate) mod template;

use proc_macro2::TokenStream;
use quote::quote;

/// The one place of the runtime crate that generated code names.
pub(crate) fn private() -> TokenStream {
    quote!(::sea_orm_cache::__private)
}
