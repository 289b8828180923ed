//! What several macros share: arguments, targets, templates, signatures.

pub(crate) mod args;
pub(crate) mod errors;
pub(crate) mod item;
pub(crate) mod signature;
pub(crate) mod source;
pub(crate) mod target;
pub(crate) mod template;
pub(crate) mod writer;

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

/// The one place of the runtime crate that generated code names.
pub(crate) fn private() -> TokenStream {
    private_at(Span::call_site())
}

/// The same, so that errors about what follows are reported at `span`.
pub(crate) fn private_at(span: Span) -> TokenStream {
    quote_spanned!(span=> ::sea_orm_cache::__private)
}
