//! Plans the key: which arguments take part, and how they become text.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Generics, Signature, Type};

use super::{check::Checked, parse::CachedArgs};
use crate::common::{
    errors::Errors,
    private, private_at,
    signature::generics_of,
    template::{Part, Template},
};

/// More parts than this are nested: tuples implement serde's traits up to here.
const TUPLE_MAX: usize = 16;

/// What tells the entries of one function apart.
pub(crate) struct Key {
    /// The positions of the parameters that take part.
    pub params: Vec<usize>,
    /// An expression of type `Result<KeyText, Error>`, in which `site` is the function's site.
    pub tokens: TokenStream,
    /// The tuple of arguments that it is made of, unless it is a text that the user composed.
    pub arguments: Option<TokenStream>,
}

/// Values in a `key = ".."` keep these characters beside letters and digits; everything else is escaped and so can separate two values.
const KEPT: [char; 3] = ['_', '-', '.'];

pub(crate) fn plan(
    args: &CachedArgs,
    sig: &Signature,
    checked: &Checked,
    site: &TokenStream,
    errors: &mut Errors,
) -> Key {
    let private = private();
    let params: Vec<usize> = (0..checked.params.list.len()).filter(|at| takes_part(args, checked, *at)).collect();
    let types = type_names(sig, checked, &params);
    let (tokens, arguments) = match &args.key {
        Some(template) => {
            separated(template, errors);
            let parts = template.parts.iter().map(|part| match part {
                Part::Text(text) => quote!(.text(#text)),
                Part::Value(value) => {
                    let expr = value.tokens();
                    quote_spanned!(value.root.span()=> .value(&#expr))
                }
            });
            (quote!(#private::KeyTemplate::new() #(#parts)* #(.type_name(#types))* .key(#site)), None)
        }
        None => {
            let arguments = params.iter().filter_map(|at| checked.params.list.get(*at)).flat_map(|param| {
                let name_of_type = param
                    .is_impl_trait()
                    .then(|| param.name().map(|name| quote!(::core::any::type_name_of_val(&#name))))
                    .flatten();
                let values = param.bindings.iter().map(|name| {
                    let private = private_at(name.span());
                    quote_spanned!(name.span()=> #private::part(&#name))
                });
                name_of_type.into_iter().chain(values).collect::<Vec<_>>()
            });
            let tuple = tuple(types.into_iter().chain(arguments).collect());
            (encode(site, &tuple), Some(tuple))
        }
    };
    Key { params, tokens, arguments }
}

/// The key of these arguments.
pub(crate) fn encode(site: &TokenStream, arguments: &TokenStream) -> TokenStream {
    let private = private();
    quote!(#private::encode_key(#private::Site::prefix(#site), &#arguments))
}

fn takes_part(args: &CachedArgs, checked: &Checked, at: usize) -> bool {
    let Some(param) = checked.params.list.get(at) else { return false };
    if param.bindings.is_empty() || checked.source.is_carried_by(at) && args.key.is_none() {
        return false;
    }
    match &args.key {
        Some(key) => key.values().any(|value| param.binds(&value.root)),
        None => !param.bindings.iter().any(|name| args.skip.iter().flatten().any(|skipped| skipped == name)),
    }
}

/// The types that the result may depend on: `Self`, and every type and constant parameter but those of what takes no part.
fn type_names(sig: &Signature, checked: &Checked, params: &[usize]) -> Vec<TokenStream> {
    let private = private();
    let generics = companion_generics(sig, checked, params);
    let own = checked
        .params
        .receiver
        .as_ref()
        .map(|receiver| quote_spanned!(receiver.self_token.span=> #private::type_name::<Self>()));
    let parameters = generics.params.iter().filter_map(|param| match param {
        syn::GenericParam::Type(param) => {
            let name = &param.ident;
            Some(quote!(#private::type_name::<#name>()))
        }
        syn::GenericParam::Const(param) => {
            let name = &param.ident;
            Some(quote!(&#private::constant(#name)))
        }
        syn::GenericParam::Lifetime(_) => None,
    });
    own.into_iter().chain(parameters).collect()
}

/// The generics of a function that takes the parameters of the key.
pub(crate) fn companion_generics(sig: &Signature, checked: &Checked, params: &[usize]) -> Generics {
    let types = |wanted: bool| -> Vec<&Type> {
        let list = checked.params.list.iter().enumerate();
        list.filter(|(at, _)| params.contains(at) == wanted).map(|(_, param)| &*param.arg.ty).collect()
    };
    generics_of(sig, &types(true), &types(false))
}

fn tuple(mut parts: Vec<TokenStream>) -> TokenStream {
    if parts.is_empty() {
        return quote!([(); 0]);
    }
    while parts.len() > TUPLE_MAX {
        parts = parts.chunks(TUPLE_MAX).map(|chunk| quote!((#(#chunk,)*))).collect();
    }
    quote!((#(#parts,)*))
}

/// Between two values stands a character that no value contains: else `("1", "23")` and `("12", "3")` would share a key.
fn separated(template: &Template, errors: &mut Errors) {
    let mut open = false;
    for part in &template.parts {
        match part {
            Part::Text(text) => open &= !text.chars().any(|c| !c.is_alphanumeric() && !KEPT.contains(&c) && c != '%'),
            Part::Value(value) if open => {
                let text = format!(
                    "put a separator such as `:` or `/` before `{{{}}}`: without it two different sets of arguments could share a key",
                    value.root
                );
                errors.push(syn::Error::new(value.root.span(), text));
            }
            Part::Value(_) => open = true,
        }
    }
}
