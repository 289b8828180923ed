//! Makes a call that can be repeated in the background, with arguments of its own.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{GenericParam, Type, spanned::Spanned, visit::Visit};

use super::{check::Companions, companions::called, parse::CachedArgs, plan::Plan};
use crate::common::{
    errors::Errors,
    item::{Function, mentions},
    private, private_at,
    signature::{Carrier, Param, Params},
};

/// How whoever cannot have it goes without.
const WITHOUT: &str = "or write `background = false`: then the caller refreshes";

/// Whether calls are to be repeated in the background; notes why they cannot be, if they cannot.
pub(super) fn check(
    args: &CachedArgs,
    function: &Function,
    params: &Params,
    companions: Companions,
    errors: &mut Errors,
) -> bool {
    if let Some(lit) = args.background.as_ref().filter(|lit| !lit.value)
        && args.stale_while_revalidate.is_some()
    {
        errors.at(
            lit,
            "`stale_while_revalidate` answers while a refresh runs in the background: remove one of the two, or write `stale_if_error`",
        );
        return false;
    }
    if args.batch.is_some() {
        if let Some(expr) = &args.stale_while_revalidate {
            errors.at(
                expr,
                "a batch is refreshed by its caller, not in the background: write `stale_if_error`, or leave it out",
            );
        }
        if let Some(lit) = args.background.as_ref().filter(|lit| lit.value) {
            errors.at(lit, "a batch is refreshed by its caller: remove `background`");
        }
        return false;
    }
    let early = args.refresh_ahead.is_some() || args.xfetch_beta.is_some() || args.stale_while_revalidate.is_some();
    if !args.background.as_ref().map_or(early, |lit| lit.value) {
        return false;
    }
    if companions == Companions::None {
        let text = format!(
            "without companions there is no place for the refresh in the background: remove `companions`, {WITHOUT}"
        );
        match &args.companions {
            Some(lit) => errors.at(lit, text),
            None => errors.at(&function.sig.ident, text),
        }
    }
    for param in function.sig.generics.params.iter().filter(|param| !matches!(param, GenericParam::Lifetime(_))) {
        // A connection's own parameter is complained about where it is used.
        let used = |carried: &Param| mentions(quote_type(&carried.arg.ty), &name_of(param));
        if !params.list.iter().any(|carried| carried.carrier.is_some() && used(carried)) {
            errors
                .at(param, format!("a call in the background cannot know this type: write the type itself, {WITHOUT}"));
        }
    }
    if let Some(receiver) = params.receiver.as_ref().filter(|receiver| receiver.reference.is_none()) {
        errors.at(receiver, format!("a call in the background needs a copy of this: write `&self`, {WITHOUT}"));
    }
    for param in &params.list {
        argument(param, errors);
    }
    true
}

fn quote_type(ty: &Type) -> TokenStream {
    quote!(#ty)
}

fn name_of(param: &GenericParam) -> String {
    match param {
        GenericParam::Type(param) => param.ident.to_string(),
        GenericParam::Const(param) => param.ident.to_string(),
        GenericParam::Lifetime(param) => param.lifetime.ident.to_string(),
    }
}

/// Notes why a copy of an argument cannot be kept, as far as its spelling says so.
fn argument(param: &Param, errors: &mut Errors) {
    let ty = &param.arg.ty;
    match param.carrier {
        Some(Carrier::Generic) => {
            errors.at(
                ty,
                format!("a call in the background needs a connection of its own: write `&CachedConnection`, {WITHOUT}"),
            );
            return;
        }
        Some(Carrier::Transaction) => {
            errors.at(ty, "inside a transaction nothing is cached, and nothing refreshed: write `&CachedConnection`");
            return;
        }
        _ => {}
    }
    if param.name().is_none() {
        errors.at(
            &param.arg.pat,
            format!("a call in the background needs a copy of this: give it a plain name, {WITHOUT}"),
        );
    } else if param.is_impl_trait() {
        errors.at(ty, format!("a call in the background cannot know this type: write the type itself, {WITHOUT}"));
    } else if param.is_mutable_reference() || borrows(kept_type(param)) {
        errors.at(ty, format!("a call in the background cannot borrow this: take a value of its own, such as a `String` for a `&str`, {WITHOUT}"));
    }
}

/// The type of the value that is kept: what a reference refers to.
fn kept_type(param: &Param) -> &Type {
    match &*param.arg.ty {
        Type::Reference(reference) => &reference.elem,
        other => other,
    }
}

/// Whether a type is spelled with a borrow in it.
fn borrows(ty: &Type) -> bool {
    struct Borrows(bool);
    impl<'ast> Visit<'ast> for Borrows {
        fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
            self.0 |= lifetime.ident != "static";
        }
        fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
            self.0 |= reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static");
        }
    }
    let mut found = Borrows(false);
    found.visit_type(ty);
    found.0
}

/// The name of the companion that makes the call.
fn companion(plan: &Plan, function: &Function) -> Ident {
    match plan.checked.companions {
        Companions::Namespace => format_ident!("__background"),
        _ => format_ident!("__{}_background", function.name()),
    }
}

/// The companion: a call whose type says that it can be sent, so that the function may name it within itself.
pub(super) fn companion_tokens(plan: &Plan, function: &Function) -> TokenStream {
    if !plan.checked.background {
        return TokenStream::new();
    }
    let private = private();
    let name = companion(plan, function);
    let params = &plan.checked.params;
    let receiver = params.receiver.as_ref().map(|_| quote!(__this: <Self as #private::Keep>::Kept,));
    let this = params.receiver.as_ref().map(|_| quote!(<Self as #private::Keep>::kept(&__this),));
    let list: Vec<_> = params.list.iter().filter_map(|param| Some((param.name()?, param, kept_type(param)))).collect();
    let taken = list.iter().map(|(name, _, ty)| {
        let private = private_at(ty.span());
        quote_spanned!(ty.span()=> #name: <#ty as #private::Keep>::Kept)
    });
    let handed = list.iter().map(|(name, param, ty)| match &*param.arg.ty {
        Type::Reference(_) => quote!(<#ty as #private::Keep>::kept(&#name)),
        _ => quote!(#name),
    });
    let called = called(plan, function);
    let (cfgs, site) = (function.cfgs(), &plan.site);
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code, deprecated, clippy::too_many_arguments, clippy::ptr_arg)]
        fn #name(#receiver #(#taken),*) -> #private::BackgroundCall {
            ::std::boxed::Box::pin(async move {
                #private::refreshing_once(#site, #called(#this #(#handed),*)).await
            })
        }
    }
}

/// `let background = ..;`, a closure that copies the arguments when it is called.
pub(super) fn closure(plan: &Plan, function: &Function, name: &Ident) -> TokenStream {
    let (private, ident) = (private(), &function.sig.ident);
    let companion = companion(plan, function);
    let path = match plan.checked.companions {
        Companions::Namespace => quote!(#ident::#companion),
        _ => quote!(Self::#companion),
    };
    let params = &plan.checked.params;
    let this = params.receiver.as_ref().map(|_| quote!(<Self as #private::Keep>::keep(self),));
    let list = params.list.iter().filter_map(|param| {
        let (name, ty) = (param.name()?, kept_type(param));
        let reference = (!matches!(&*param.arg.ty, Type::Reference(_))).then(|| quote!(&));
        Some(quote_spanned!(ty.span()=> <#ty as #private::Keep>::keep(#reference #name)))
    });
    quote!(let #name = || #path(#this #(#list),*);)
}

/// Copies of the arguments that a body takes, so that it may be run more than once. One that stands for a list is left out.
pub(super) fn copies(params: &Params, but: Option<usize>) -> TokenStream {
    let moved = params.list.iter().enumerate().filter(|(at, param)| Some(*at) != but && param.is_moved());
    let names = moved.flat_map(|(_, param)| &param.bindings).map(|name| {
        let private = private_at(name.span());
        quote_spanned!(name.span()=> #[allow(unused_mut, unused_variables)] let mut #name = #private::Again::again(&#name);)
    });
    names.collect()
}

/// Keeps the compiler from saying that `mut` is not needed where the body changes a copy only.
pub(super) fn changed(params: &Params) -> TokenStream {
    let names = params.list.iter().filter_map(|param| match &*param.arg.pat {
        syn::Pat::Ident(pat) if pat.mutability.is_some() && pat.by_ref.is_none() => Some(&pat.ident),
        _ => None,
    });
    names.map(|name| quote!(let _ = &mut #name;)).collect()
}
