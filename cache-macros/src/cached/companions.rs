//! Writes `key`, `peek`, `invalidate` and `refresh` of a cached function.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{FnArg, Pat, Signature, Token, Type, ext::IdentExt, punctuated::Punctuated};

use super::{
    background,
    batch::Batch,
    check::Companions,
    expand::{CallFields, call_tokens},
    key::companion_generics,
    plan::{Plan, local},
};
use crate::common::{
    item::Function,
    private,
    signature::{Carrier, Param},
};

pub(crate) fn expand(plan: &Plan, function: &Function) -> TokenStream {
    let ident = &function.sig.ident;
    let name = function.name();
    let vis = &function.vis;
    let cfgs = function.cfgs();
    match plan.checked.companions {
        Companions::None => TokenStream::new(),
        Companions::Associated => functions(plan, function),
        Companions::Namespace => {
            let functions = functions(plan, function);
            let put_slot = plan.checked.batch.is_none().then(|| put_slot(plan, function));
            let doc =
                format!("Companions of [`{name}`](fn@{name}): its key, and what can be done with one entry of it.");
            // A type without values stands for a module: it sees what the function sees, even inside another function's body.
            quote! {
                #(#cfgs)*
                #[doc = #doc]
                #[allow(non_camel_case_types, dead_code)]
                #vis enum #ident {}

                #(#cfgs)*
                impl #ident { #functions }

                #put_slot
            }
        }
    }
}

/// How a companion finds the cache.
struct Handle {
    /// Its parameters for that, beside those of the key.
    params: TokenStream,
    /// An expression of type `Source`.
    source: TokenStream,
    /// The parameters of `params` that stand for a parameter of the function.
    shared: Vec<usize>,
}

fn functions(plan: &Plan, function: &Function) -> TokenStream {
    let private = private();
    let name = function.name();
    let named = |companion: &str| -> Ident {
        match plan.checked.companions {
            Companions::Namespace => format_ident!("{companion}"),
            _ => format_ident!("{name}_{companion}"),
        }
    };
    let site_name = &plan.names.site;
    let (vis, cfgs, site, site_static) = (&function.vis, function.cfgs(), &plan.site, &plan.site_static);
    let receiver = plan.checked.params.receiver.as_ref().map(|_| quote!(&self,));
    let key = named("key");
    let key_tokens = &plan.key.tokens;
    // A key is of one id.
    let all_key_params = plan.key.params.iter().filter_map(|at| one_typed(plan, *at)).collect::<Vec<_>>();
    let generics = companion_generics(&function.sig, &plan.checked, &plan.key.params);
    let (params, _, clause) = generics.split_for_impl();
    let doc_key =
        format!("The key of the entry that `{name}` keeps for these arguments, as in Redis but without the namespace.");
    let entries = match &plan.checked.batch {
        Some(batch) => of_many(plan, function, batch, named),
        None => of_one(plan, function, named),
    };
    let background = background::companion_tokens(plan, function);
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code)]
        #vis fn #site_name() -> &'static #private::Site {
            #site_static
            &__CACHED_SITE
        }

        #(#cfgs)*
        #[doc = #doc_key]
        #[allow(dead_code, unused_variables, clippy::ptr_arg)]
        #vis fn #key #params (#receiver #(#all_key_params),*) -> ::std::string::String #clause {
            #private::key_text(#site, #key_tokens)
        }

        #entries

        #background
    }
}

/// A parameter of a companion for one entry: one id instead of the list of them.
fn one_typed(plan: &Plan, at: usize) -> Option<TokenStream> {
    match &plan.checked.batch {
        Some(batch) if batch.at == at => {
            let (name, ty) = (&batch.name, &batch.id);
            Some(quote!(#name: #ty))
        }
        _ => plan.checked.params.list.get(at).map(typed),
    }
}

/// What companions that look at entries take: how they find the cache, and the arguments that take part in the key.
struct Inputs {
    /// The receiver and the handle.
    handle: TokenStream,
    source: TokenStream,
    /// The positions of the arguments of the key that the handle does not have already.
    key: Vec<usize>,
    generics: syn::Generics,
}

fn inputs(plan: &Plan, function: &Function) -> Inputs {
    let Handle { params, source, shared } = handle(plan);
    let receiver = plan.checked.params.receiver.as_ref().map(|_| quote!(&self,));
    let generics =
        companion_generics(&function.sig, &plan.checked, &[plan.key.params.clone(), shared.clone()].concat());
    let key = plan.key.params.iter().copied().filter(|at| !shared.contains(at)).collect();
    Inputs { handle: quote!(#receiver #params), source, key, generics }
}

fn of_one(plan: &Plan, function: &Function, named: impl Fn(&str) -> Ident) -> TokenStream {
    let private = private();
    let (peek, invalidate, many) = (named("peek"), named("invalidate"), named("invalidate_many"));
    let (vis, cfgs, site) = (&function.vis, function.cfgs(), &plan.site);
    let (key_tokens, output) = (&plan.key.tokens, &plan.checked.output);
    let Inputs { handle, source, key, generics } = inputs(plan, function);
    let list: Vec<&Param> = key.iter().filter_map(|at| plan.checked.params.list.get(*at)).collect();
    let key_params: Vec<_> = list.iter().map(|param| typed(param)).collect();
    let (params, _, clause) = generics.split_for_impl();
    let call = call_tokens(plan, &CallFields::none());
    let doc_peek = "The cached value, if a tier can prove one valid. Never loads.";
    let doc_invalidate = format!(
        "Removes the entry for these arguments on every node; returns whether the remote tier had it.{DOC_ERRORS}"
    );
    let doc_many = format!(
        "Removes the entries for several sets of arguments on every node; returns how many the remote tier had.{DOC_ERRORS}"
    );
    let many = (!list.is_empty()).then(|| {
        let (pats, types): (Vec<_>, Vec<_>) = list.iter().map(|param| (plain(&param.arg.pat), &param.arg.ty)).unzip();
        let (pat, ty) = match (pats.as_slice(), types.as_slice()) {
            ([pat], [ty]) => (quote!(#pat), quote!(#ty)),
            _ => (quote!((#(#pats),*)), quote!((#(#types),*))),
        };
        let all = local("all");
        quote! {
            #(#cfgs)*
            #[doc = #doc_many]
            #[allow(dead_code, unused_variables, clippy::ptr_arg)]
            #vis async fn #many #params (#handle #all: ::std::vec::Vec<#ty>)
                -> ::core::result::Result<u64, #private::Error> #clause
            {
                #private::invalidate_many(#source, #all.into_iter().map(|#pat| #key_tokens)).await
            }
        }
    });
    let refresh = refresh_tokens(plan, function, &named("refresh"));
    let put_slot = match plan.checked.companions {
        Companions::Namespace => put_slot_inside(plan, function),
        _ => put_slot(plan, function),
    };
    quote! {
        #(#cfgs)*
        #[doc = #doc_peek]
        #[allow(dead_code, unused_variables, clippy::ptr_arg)]
        #vis async fn #peek #params (#handle #(#key_params),*)
            -> ::core::option::Option<<#output as #private::IsResult>::Value> #clause
        {
            #private::peek(#source, #site, #key_tokens, #call).await
        }

        #(#cfgs)*
        #[doc = #doc_invalidate]
        #[allow(dead_code, unused_variables, clippy::ptr_arg)]
        #vis async fn #invalidate #params (#handle #(#key_params),*)
            -> ::core::result::Result<bool, #private::Error> #clause
        {
            #private::invalidate_entry(#source, #key_tokens).await
        }

        #many

        #refresh

        #put_slot
    }
}

fn of_many(plan: &Plan, function: &Function, batch: &Batch, named: impl Fn(&str) -> Ident) -> TokenStream {
    let private = private();
    let (peek, invalidate) = (named("peek_many"), named("invalidate_many"));
    let (vis, cfgs, site) = (&function.vis, function.cfgs(), &plan.site);
    let (key_tokens, output) = (&plan.key.tokens, &plan.checked.output);
    let Inputs { handle, source, key, generics } = inputs(plan, function);
    let key_params: Vec<_> = key.iter().filter_map(|at| plan.checked.params.list.get(*at)).map(typed).collect();
    let (params, _, clause) = generics.split_for_impl();
    let call = call_tokens(plan, &CallFields::none());
    let (ids, name, slice) = (local("ids"), &batch.name, batch.slice());
    let doc_peek =
        "The values that a tier can prove valid; ids that are known to have none are left out as well. Never loads.";
    let doc_invalidate =
        format!("Removes the entries of these ids on every node; returns how many the remote tier had.{DOC_ERRORS}");
    let refresh = refresh_tokens(plan, function, &named("refresh_many"));
    quote! {
        #(#cfgs)*
        #[doc = #doc_peek]
        #[allow(dead_code, unused_variables, clippy::ptr_arg)]
        #vis async fn #peek #params (#handle #(#key_params),*) -> <#output as #private::IsResult>::Value #clause {
            let #ids = #slice;
            #private::peek_many(#source, #site, #call, #ids, |#name| #key_tokens).await
        }

        #(#cfgs)*
        #[doc = #doc_invalidate]
        #[allow(dead_code, unused_variables, clippy::ptr_arg)]
        #vis async fn #invalidate #params (#handle #(#key_params),*)
            -> ::core::result::Result<u64, #private::Error> #clause
        {
            let #ids = #slice;
            #private::invalidate_many(#source, #ids.iter().cloned().map(|#name| #key_tokens)).await
        }

        #refresh
    }
}

const DOC_ERRORS: &str = "\n\n# Errors\n\nIf the remote tier does not answer. The local copies are gone all the same.";

/// What names an entry for `#[cache_put]`: stands beside the function.
pub(crate) fn put_slot_name(function: &Ident) -> Ident {
    // At the function's own name: what is wrong in both of them is one error to the compiler.
    format_ident!("__{}_put_slot", function.unraw(), span = function.span())
}

/// The parameters that name an entry for `#[cache_put]`: all but the connection.
fn put_params(plan: &Plan) -> Vec<usize> {
    let params = &plan.checked.params;
    let taken = |at: &usize| !plan.checked.source.named_by_expr.contains(at) || plan.key.params.contains(at);
    (0..params.list.len())
        .filter(|at| params.list.get(*at).is_some_and(|param| param.carrier.is_none()) && taken(at))
        .collect()
}

/// Names the entry for `#[cache_put]`.
fn put_slot(plan: &Plan, function: &Function) -> TokenStream {
    let (private, params, at) = (private(), &plan.checked.params, put_params(plan));
    let list = at.iter().filter_map(|at| params.list.get(*at)).map(typed);
    let receiver = params.receiver.as_ref().map(|_| quote!(&self,));
    let generics = companion_generics(&function.sig, &plan.checked, &at);
    let (generics, _, clause) = generics.split_for_impl();
    let name = put_slot_name(&function.sig.ident);
    let (vis, cfgs, site, deps, output) =
        (&function.vis, function.cfgs(), &plan.site, &plan.deps, &plan.checked.output);
    let (key, call) = (&plan.key.tokens, call_tokens(plan, &CallFields::none()));
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code, unused_variables, clippy::ptr_arg)]
        #vis fn #name #generics (#receiver #(#list),*) -> #private::PutSlot<<#output as #private::IsResult>::Value> #clause {
            #private::PutSlot::new(#site, #key, #call, #deps)
        }
    }
}

/// The same in the namespace, which is imported together with the function.
fn put_slot_inside(plan: &Plan, function: &Function) -> TokenStream {
    let (private, params, at) = (private(), &plan.checked.params, put_params(plan));
    let types = at.iter().filter_map(|at| params.list.get(*at)).map(|param| &param.arg.ty);
    let names: Vec<Ident> = at.iter().map(|at| format_ident!("__argument_{at}")).collect();
    let generics = companion_generics(&function.sig, &plan.checked, &at);
    let turbofish = turbofish(&generics);
    let (generics, _, clause) = generics.split_for_impl();
    let beside = put_slot_name(&function.sig.ident);
    let (vis, cfgs, output) = (&function.vis, function.cfgs(), &plan.checked.output);
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code, clippy::ptr_arg)]
        #vis fn __put_slot #generics (#(#names: #types),*) -> #private::PutSlot<<#output as #private::IsResult>::Value> #clause {
            #beside #turbofish (#(#names),*)
        }
    }
}

/// A connection of known kind may be replaced by the cache itself; whatever `cache = ..` names is handed over as in the function.
fn handle(plan: &Plan) -> Handle {
    let private = private();
    let source = &plan.checked.source;
    let params = &plan.checked.params;
    if !source.named_by_expr.is_empty() {
        let list = source.named_by_expr.iter().filter_map(|at| params.list.get(*at)).map(typed);
        return Handle {
            params: quote!(#(#list,)*),
            source: source.expression(params),
            shared: source.named_by_expr.clone(),
        };
    }
    if source.has_expression() {
        return Handle { params: TokenStream::new(), source: source.expression(params), shared: Vec::new() };
    }
    let cache = local("cache");
    match source.carriers.first().and_then(|at| params.list.get(*at)).and_then(|param| param.carrier) {
        None => Handle { params: TokenStream::new(), source: quote!(#private::default_source()), shared: Vec::new() },
        Some(Carrier::Generic) => Handle {
            params: quote!(#cache: &impl #private::ConnectionTrait,),
            source: quote!(#private::generic_source(#cache)),
            shared: Vec::new(),
        },
        Some(_) => Handle {
            params: quote!(#cache: &(impl #private::CacheHandle + ?Sized),),
            source: quote!(#private::CacheSource::cache_source(#cache)),
            shared: Vec::new(),
        },
    }
}

/// `pattern: Type`, without attributes.
fn typed(param: &Param) -> TokenStream {
    let (pat, ty) = (plain(&param.arg.pat), &param.arg.ty);
    quote!(#pat: #ty)
}

/// Nothing is changed in a companion.
fn plain(pat: &Pat) -> Pat {
    match pat {
        Pat::Ident(pat) if pat.subpat.is_none() => {
            Pat::Ident(syn::PatIdent { mutability: None, by_ref: None, ..pat.clone() })
        }
        other => other.clone(),
    }
}

/// Takes what the function takes and calls it, with the order to load.
fn refresh_tokens(plan: &Plan, function: &Function, refresh: &Ident) -> TokenStream {
    let private = private();
    let mut inputs: Punctuated<FnArg, Token![,]> = Punctuated::new();
    let mut arguments: Vec<TokenStream> = Vec::new();
    if let Some(receiver) = &plan.checked.params.receiver {
        inputs.push(FnArg::Receiver(syn::Receiver { attrs: Vec::new(), ..receiver.clone() }));
        arguments.push(quote!(self));
    }
    for (at, param) in plan.checked.params.list.iter().enumerate() {
        // A parameter of the function's own name would hide the function.
        let name = param.name().filter(|name| **name != function.sig.ident).cloned();
        let name = name.unwrap_or_else(|| format_ident!("__argument_{at}"));
        let ty: &Type = &param.arg.ty;
        inputs.push(syn::parse_quote!(#name: #ty));
        arguments.push(quote!(#name));
    }
    let sig = Signature { ident: refresh.clone(), inputs, ..function.sig.clone() };
    let called = called(plan, function);
    let (vis, cfgs, site) = (&function.vis, function.cfgs(), &plan.site);
    let refreshed = quote!(#private::refreshing(#site, #called(#(#arguments),*)));
    let refreshed =
        if plan.checked.boxed { quote!(::std::boxed::Box::pin(#refreshed)) } else { quote!(#refreshed.await) };
    quote! {
        #(#cfgs)*
        /// Loads anew, whatever is cached, and stores the value.
        #[allow(dead_code, deprecated, clippy::too_many_arguments, clippy::ptr_arg)]
        #vis #sig { #refreshed }
    }
}

/// The function itself, as its companions name it.
pub(super) fn called(plan: &Plan, function: &Function) -> TokenStream {
    let ident = &function.sig.ident;
    let turbofish = turbofish(&function.sig.generics);
    match plan.checked.companions {
        Companions::Namespace => quote!(#ident #turbofish),
        _ => quote!(Self::#ident #turbofish),
    }
}

/// Every type and constant parameter, since inference may not see them in the arguments; those of `impl Trait` are inferred.
fn turbofish(generics: &syn::Generics) -> Option<TokenStream> {
    let names: Vec<&Ident> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            syn::GenericParam::Type(param) => Some(&param.ident),
            syn::GenericParam::Const(param) => Some(&param.ident),
            syn::GenericParam::Lifetime(_) => None,
        })
        .collect();
    (!names.is_empty()).then(|| quote!(::<#(#names),*>))
}
