//! Writes the code of a cached function.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{
    check::Companions,
    companions,
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
    let (site, key, deps, attach) = (&plan.site, &plan.key.tokens, &plan.deps, &plan.attach);
    let registrations = &plan.registrations;
    let site_static = (plan.checked.companions == Companions::None).then_some(&plan.site_static);
    let source = plan.checked.source.tokens(&plan.checked.params);
    let user_body = &function.body;
    let user_body = if plan.checked.boxed { quote!((#user_body).await) } else { quote!(#user_body) };
    let (condition, call, scope, wanted) = (local("when"), local("call"), local("scope"), local("wanted"));
    let when = plan.when.as_ref().map(|when| quote!(let #condition = #when;));
    let when_field = if plan.when.is_some() {
        quote!(::core::option::Option::Some(&#condition))
    } else {
        quote!(::core::option::Option::None)
    };
    let call_tokens = call_tokens(plan, &quote!(#key), &when_field);
    let body = quote! {
        #site_static
        #(#registrations)*
        #when
        let #call = #call_tokens;
        #private::run(#source, #site, #call, move |#wanted: bool| {
            (
                if #wanted { #deps } else { #private::Deps::new() },
                async move |#scope: #private::Scope| -> #output {
                    #attach
                    #user_body
                },
            )
        })
        .await
    };
    let at_output = private_at(output.span());
    let check = quote_spanned!(output.span()=> #at_output::require_result::<#output>(););
    if plan.checked.boxed {
        quote!({ ::std::boxed::Box::pin(async move { #check #body }) })
    } else {
        quote!({ #check #body })
    }
}

/// What the cache needs to know of one call.
pub(crate) fn call_tokens(plan: &Plan, key: &TokenStream, when: &TokenStream) -> TokenStream {
    let output = &plan.checked.output;
    let private = private_at(output.span());
    let value = quote_spanned!(output.span()=> <#output as #private::IsResult>::Value);
    let error = quote_spanned!(output.span()=> <#output as #private::IsResult>::Error);
    let wire = if plan.is_local {
        quote!(::core::option::Option::None)
    } else {
        quote_spanned!(output.span()=> #private::wire::<#value>())
    };
    quote! {
        #private::Call::<#value, #error> {
            key: #key,
            wire: #wire,
            presence: {
                #[allow(unused_imports)]
                use #private::presence::{ByModel as _, ByNothing as _, ByShape as _, BySharedModel as _};
                (&&&&#private::Probe::<#value>::NEW).presence()
            },
            share_error: {
                #[allow(unused_imports)]
                use #private::sharing::{ByClone as _, NotAtAll as _};
                (&&#private::Probe::<#error>::NEW).sharing()
            },
            when: #when,
        }
    }
}
