//! Functions that answer for many ids at once: `batch = ids`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{GenericArgument, PathArguments, Type};

use super::{
    background::copies,
    parse::CachedArgs,
    plan::{Plan, local},
};
use crate::common::{
    errors::{Errors, hint},
    private,
    signature::Params,
    source::Source,
};

/// The list of ids among the parameters.
pub(crate) struct Batch {
    /// Its position.
    pub at: usize,
    pub name: Ident,
    /// The type of one.
    pub id: Type,
    form: Form,
}

/// How the function takes the list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Slice,
    List,
    BorrowedList,
}

pub(super) fn check(
    name: &Ident,
    args: &CachedArgs,
    params: &Params,
    source: &Source,
    errors: &mut Errors,
) -> Option<Batch> {
    if let Some(receiver) = params.receiver.as_ref().filter(|receiver| receiver.reference.is_none()) {
        errors.at(receiver, "the body of a batch may run more than once: write `&self`");
    }
    for (at, param) in params.list.iter().enumerate() {
        if param.is_mutable_reference() && !source.is_carried_by(at) {
            errors.at(&param.arg.ty, "the body of a batch may run more than once, and not at all: take it by `&`");
        }
    }
    if let Some(key) = args.key.as_ref().filter(|key| !key.values().any(|value| value.root == *name)) {
        let text = format!("all ids would share one key: name `{{{name}}}` in it, which stands for one of them");
        match key.values().next() {
            Some(value) => errors.push(syn::Error::new(value.root.span(), text)),
            None => errors.at(name, text),
        }
    }
    if let Some(skipped) = args.skip.iter().flatten().find(|skipped| *skipped == name) {
        errors.at(skipped, "all ids would share one key: remove it here");
    }
    let Some(at) = params.list.iter().position(|param| param.binds(name)) else {
        let known = params.names();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let hint = hint(&name.to_string(), &known);
        errors.at(name, format!("`{name}` is not an argument of this function: {hint}{}", params.shown()));
        return None;
    };
    let param = params.list.get(at)?;
    if param.name().is_none() {
        errors.at(&param.arg.pat, "the list of ids needs a plain name, such as `ids`");
        return None;
    }
    let Some((id, form)) = list(&param.arg.ty) else {
        errors.at(
            &param.arg.ty,
            format!("`{name}` is to be a list of ids: write `{name}: &[i64]` or `{name}: Vec<i64>`"),
        );
        return None;
    };
    Some(Batch { at, name: name.clone(), id, form })
}

/// `&[T]`, `Vec<T>` or `&Vec<T>`.
fn list(ty: &Type) -> Option<(Type, Form)> {
    match ty {
        Type::Reference(reference) if reference.mutability.is_none() => match &*reference.elem {
            Type::Slice(slice) => Some(((*slice.elem).clone(), Form::Slice)),
            other => Some((list_of(other)?, Form::BorrowedList)),
        },
        Type::Paren(inner) => list(&inner.elem),
        Type::Group(inner) => list(&inner.elem),
        other => Some((list_of(other)?, Form::List)),
    }
}

fn list_of(ty: &Type) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Vec")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    })
}

impl Batch {
    /// The list that the body sees.
    fn binding(&self, missing: &Ident) -> TokenStream {
        let name = &self.name;
        match self.form {
            Form::Slice => quote!(let #name = ::std::vec::Vec::as_slice(&#missing);),
            Form::List => quote!(#[allow(unused_mut)] let mut #name = #missing;),
            Form::BorrowedList => quote!(let #name = &#missing;),
        }
    }

    /// The ids that the function was called with, as a slice.
    pub(super) fn slice(&self) -> TokenStream {
        let name = &self.name;
        quote!(&#name[..])
    }
}

/// The statement that answers a call; `body` is the function's own.
pub(super) fn run(plan: &Plan, batch: &Batch, source: &TokenStream, call: &Ident, body: &TokenStream) -> TokenStream {
    let private = private();
    let (site, key, deps, attach, output) =
        (&plan.site, &plan.key.tokens, &plan.deps, &plan.attach, &plan.checked.output);
    let (ids, missing, scope, again) = (local("ids"), local("missing"), local("scope"), local("again"));
    let (name, slice, binding) = (&batch.name, batch.slice(), batch.binding(&missing));
    let copies = copies(&plan.checked.params, Some(batch.at));
    quote! {
        let #ids = #slice;
        #private::run_many(
            #source,
            #site,
            #call,
            #ids,
            |#name| {
                let _ = &#name;
                #key
            },
            |#name| {
                let _ = &#name;
                #deps
            },
            |#missing, #scope| {
                #copies
                let #again = async move |#scope: #private::Scope| -> #output {
                    #attach
                    #binding
                    #body
                };
                #private::once(#again, #scope)
            },
        )
        .await
    }
}
