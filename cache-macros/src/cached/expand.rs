//! Writes the code of a cached function.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;

use super::{
    background, batch,
    check::Companions,
    companions, key,
    plan::{Plan, local},
};
use crate::common::{item::Function, private, private_at};

pub(crate) fn expand(plan: &Plan, function: &Function) -> TokenStream {
    let body = body(plan, function);
    let function_tokens = function.with_body(&body);
    let companions = companions::expand(plan, function);
    quote!(#function_tokens #companions)
}

/// The function's new body: find the cache, make the key, and hand over the old body as what to do on a miss.
fn body(plan: &Plan, function: &Function) -> TokenStream {
    let private = private();
    let output = &plan.checked.output;
    let (site, deps, attach) = (&plan.site, &plan.deps, &plan.attach);
    let registrations = &plan.registrations;
    let site_static = (plan.checked.companions == Companions::None).then_some(&plan.site_static);
    let source = plan.checked.source.tokens(&plan.checked.params);
    let user_body = &function.body;
    let user_body = if plan.checked.boxed { quote!((#user_body).await) } else { quote!(#user_body) };
    let (condition, call, scope, wanted) = (local("when"), local("call"), local("scope"), local("wanted"));
    let made = local("key");
    let when = plan.when.as_ref().map(|when| quote!(let #condition = #when;));
    let again = local("background");
    let background = plan.checked.background.then(|| background::closure(plan, function, &again));
    let option = |is: bool, name: &Ident| {
        if is { quote!(::core::option::Option::Some(&#name)) } else { quote!(::core::option::Option::None) }
    };
    let fields = CallFields {
        when: option(plan.when.is_some(), &condition),
        background: option(plan.checked.background, &again),
        hard_timeout: plan.hard_timeout.clone(),
    };
    let call_tokens = call_tokens(plan, &fields);
    let when = match &plan.checked.batch {
        // It is asked about what is there; absence is always stored.
        Some(_) => when.map(|when| {
            let value = plan.checked.value();
            quote!(#when let #condition = |value: &::core::option::Option<#value>| value.as_ref().is_none_or(&#condition);)
        }),
        None => when,
    };
    let answer = match &plan.checked.batch {
        Some(batch) => batch::run(plan, batch, &source, &call, &user_body),
        None => {
            // A call that may be made again in the background keeps its arguments: the body gets copies of them.
            let (by, copies) = if plan.checked.background {
                (None, background::copies(&plan.checked.params, None))
            } else {
                (Some(quote!(move)), TokenStream::new())
            };
            quote! {
                #private::run(#source, #site, #made, #call, #by |#wanted: bool| {
                    #copies
                    (
                        if #wanted { #deps } else { #private::Deps::new() },
                        async move |#scope: #private::Scope| -> #output {
                            #attach
                            #user_body
                        },
                    )
                })
                .await
            }
        }
    };
    let made = plan.checked.batch.is_none().then(|| key_unless_at_hand(plan, &source, &made));
    let copied = plan.checked.background || plan.checked.batch.is_some();
    let changed = copied.then(|| background::changed(&plan.checked.params));
    let body = quote! {
        #site_static
        #(#registrations)*
        #made
        #changed
        #when
        #background
        let #call = #call_tokens;
        #answer
    };
    let at_output = private_at(output.span());
    let check = quote_spanned!(output.span()=> #at_output::require_result::<#output>(););
    if plan.checked.boxed {
        quote!({ ::std::boxed::Box::pin(async move { #check #body }) })
    } else {
        quote!({ #check #body })
    }
}

/// The statement that makes the key, or returns with what the thread has just read.
fn key_unless_at_hand(plan: &Plan, source: &TokenStream, made: &Ident) -> TokenStream {
    let (private, site, key) = (private(), &plan.site, &plan.key.tokens);
    let Some(arguments) = &plan.key.arguments else { return quote!(let #made = #key;) };
    let (named, found) = (local("arguments"), local("found"));
    let (value, encoded) = (plan.checked.value(), key::encode(site, &named.to_token_stream()));
    quote! {
        let #made = {
            let #named = #arguments;
            let #found = #private::at_hand::<#value, _>(&#source, #site, &#named);
            if let ::core::option::Option::Some(#found) = #found {
                return ::core::result::Result::Ok(#found);
            }
            #encoded
        };
    }
}

/// What one call has beside what its types say.
pub(crate) struct CallFields {
    pub when: TokenStream,
    pub background: TokenStream,
    pub hard_timeout: TokenStream,
}

impl CallFields {
    /// Of a call that loads nothing.
    pub(crate) fn none() -> Self {
        let none = || quote!(::core::option::Option::None);
        Self { when: none(), background: none(), hard_timeout: none() }
    }
}

/// What the cache needs to know of one call.
pub(crate) fn call_tokens(plan: &Plan, fields: &CallFields) -> TokenStream {
    let output = &plan.checked.output;
    let private = private_at(output.span());
    let (value, error) = (plan.checked.value(), plan.checked.error());
    let stored = match &plan.checked.batch {
        Some(_) => quote_spanned!(output.span()=> ::core::option::Option<#value>),
        None => value,
    };
    let wire = if plan.is_local {
        quote!(::core::option::Option::None)
    } else {
        quote_spanned!(output.span()=> #private::wire::<#stored>())
    };
    let CallFields { when, background, hard_timeout } = fields;
    quote! {
        #private::Call::<#stored, #error> {
            wire: #wire,
            presence: {
                #[allow(unused_imports)]
                use #private::presence::{ByModel as _, ByNothing as _, ByShape as _, BySharedModel as _};
                (&&&&#private::Probe::<#stored>::NEW).presence()
            },
            share_error: {
                #[allow(unused_imports)]
                use #private::sharing::{ByClone as _, NotAtAll as _};
                (&&#private::Probe::<#error>::NEW).sharing()
            },
            when: #when,
            background: #background,
            hard_timeout: #hard_timeout,
        }
    }
}
