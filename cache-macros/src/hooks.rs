//! `#[cache_hooks]`: adds to the hooks of an `ActiveModelBehavior`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{FnArg, ImplItem, ImplItemFn, ItemImpl, Pat, ReturnType, Type};

use crate::common::{errors::Errors, private};

/// A hook of SeaORM.
#[derive(Clone, Copy)]
enum Hook {
    BeforeSave,
    AfterSave,
    BeforeDelete,
    AfterDelete,
}

const HOOKS: [(Hook, &str); 4] = [
    (Hook::BeforeSave, "before_save"),
    (Hook::AfterSave, "after_save"),
    (Hook::BeforeDelete, "before_delete"),
    (Hook::AfterDelete, "after_delete"),
];

pub(crate) fn cache_hooks(args: &TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    if !args.is_empty() {
        errors.at(args, "`#[cache_hooks]` takes no arguments: declare indexes and cascades with `#[derive(CachedEntity)]` on the `Model`");
    }
    let mut block: ItemImpl = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            let text = "`#[cache_hooks]` belongs on `impl ActiveModelBehavior for ActiveModel { .. }`";
            errors.push(syn::Error::new(error.span(), text));
            let errors = errors.to_compile_errors();
            return quote!(#errors #item);
        }
    };
    check(&block, &mut errors);
    if !errors.is_empty() {
        let errors = errors.to_compile_errors();
        return quote!(#errors #item);
    }
    for (hook, name) in HOOKS {
        let own = block.items.iter_mut().find_map(|item| match item {
            ImplItem::Fn(function) if function.sig.ident == name => Some(function),
            _ => None,
        });
        match own {
            Some(function) => {
                if let Err(error) = extend(hook, function) {
                    errors.push(error);
                }
            }
            None => block.items.push(ImplItem::Verbatim(default_hook(hook))),
        }
    }
    if !errors.is_empty() {
        let errors = errors.to_compile_errors();
        return quote!(#errors #item);
    }
    if !is_async_trait(&block) {
        let private = private();
        // Every hook that `#[async_trait]` has expanded already is no async function any more, and stays as it is.
        block.attrs.push(syn::parse_quote!(#[#private::async_trait::async_trait]));
    }
    block.into_token_stream()
}

fn check(block: &ItemImpl, errors: &mut Errors) {
    let text = "`#[cache_hooks]` belongs on `impl ActiveModelBehavior for ActiveModel { .. }`";
    match &block.trait_ {
        Some((_, path, _)) if path.segments.last().is_some_and(|last| last.ident == "ActiveModelBehavior") => {}
        Some((_, path, _)) => errors.at(path, text),
        None => errors.at(&block.self_ty, text),
    }
}

fn is_async_trait(block: &ItemImpl) -> bool {
    block.attrs.iter().any(|attr| attr.path().segments.last().is_some_and(|last| last.ident == "async_trait"))
}

/// The names of the parameters, in their order; the receiver is `self`.
fn names(function: &ImplItemFn) -> syn::Result<Vec<TokenStream>> {
    function
        .sig
        .inputs
        .iter()
        .map(|input| match input {
            FnArg::Receiver(_) => Ok(quote!(self)),
            FnArg::Typed(arg) => match &*arg.pat {
                Pat::Ident(pat) if pat.subpat.is_none() => Ok(pat.ident.to_token_stream()),
                other => Err(syn::Error::new_spanned(
                    other,
                    "a hook of the cache needs a plain name here: write `db` instead of a pattern",
                )),
            },
        })
        .collect()
}

/// Puts the cache's part before or behind the user's.
fn extend(hook: Hook, function: &mut ImplItemFn) -> syn::Result<()> {
    rename_wildcards(function);
    let names = names(function)?;
    let name = function.sig.ident.clone();
    let [first, db, rest @ ..] = names.as_slice() else {
        return Err(syn::Error::new_spanned(&function.sig, format!("this is not the signature of SeaORM's `{name}`")));
    };
    let private = private();
    let body = &function.block;
    let boxed = function.sig.asyncness.is_none();
    let output = match &function.sig.output {
        ReturnType::Type(_, ty) if !boxed => (**ty).clone(),
        // Behind `Pin<Box<dyn Future>>` the type is what the trait says.
        _ => output_of(hook),
    };
    // `return` and `?` of the user's body end the user's part only.
    let own = if boxed { quote!((#body).await) } else { quote!(async move { #body }.await) };
    let model: TokenStream = quote!(__cached_model);
    let composed = match hook {
        // The user's part may change what is saved: the cache looks at the outcome.
        Hook::BeforeSave | Hook::BeforeDelete => quote! {
            let #model: #output = #own;
            let #model = #model?;
            #private::hooks::#name::<Self, _>(&#model, #db #(, #rest)*).await?;
            ::core::result::Result::Ok(#model)
        },
        // The statement is done: the cache learns of it even if the user's part fails.
        Hook::AfterSave | Hook::AfterDelete => quote! {
            #private::hooks::#name::<Self, _>(&#first, #db #(, #rest)*).await?;
            let #model: #output = #own;
            #model
        },
    };
    let block: syn::Block = if boxed {
        syn::parse_quote!({ ::std::boxed::Box::pin(async move { #composed }) })
    } else {
        syn::parse_quote!({ #composed })
    };
    function.block = block;
    Ok(())
}

/// `_` and `_db` have to be named, since the cache's part needs them.
fn rename_wildcards(function: &mut ImplItemFn) {
    for (at, input) in function.sig.inputs.iter_mut().enumerate() {
        if let FnArg::Typed(arg) = input
            && let Pat::Wild(wild) = &*arg.pat
        {
            let name = syn::Ident::new(&format!("__cached_{at}"), wild.underscore_token.span);
            *arg.pat = syn::parse_quote!(#name);
        }
    }
}

fn output_of(hook: Hook) -> Type {
    let private = private();
    match hook {
        Hook::AfterSave => syn::parse_quote! {
            ::core::result::Result<
                <<Self as #private::ActiveModelTrait>::Entity as #private::EntityTrait>::Model,
                #private::DbErr,
            >
        },
        _ => syn::parse_quote!(::core::result::Result<Self, #private::DbErr>),
    }
}

/// A hook that the user has not written.
fn default_hook(hook: Hook) -> TokenStream {
    let private = private();
    let output = output_of(hook);
    match hook {
        Hook::BeforeSave => quote! {
            async fn before_save<C>(self, db: &C, insert: bool) -> #output where C: #private::ConnectionTrait {
                #private::hooks::before_save::<Self, _>(&self, db, insert).await?;
                ::core::result::Result::Ok(self)
            }
        },
        Hook::AfterSave => quote! {
            async fn after_save<C>(
                model: <<Self as #private::ActiveModelTrait>::Entity as #private::EntityTrait>::Model,
                db: &C,
                insert: bool,
            ) -> #output where C: #private::ConnectionTrait {
                #private::hooks::after_save::<Self, _>(&model, db, insert).await?;
                ::core::result::Result::Ok(model)
            }
        },
        Hook::BeforeDelete => quote! {
            async fn before_delete<C>(self, db: &C) -> #output where C: #private::ConnectionTrait {
                #private::hooks::before_delete::<Self, _>(&self, db).await?;
                ::core::result::Result::Ok(self)
            }
        },
        Hook::AfterDelete => quote! {
            async fn after_delete<C>(self, db: &C) -> #output where C: #private::ConnectionTrait {
                #private::hooks::after_delete::<Self, _>(&self, db).await?;
                ::core::result::Result::Ok(self)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(item: &TokenStream) -> String {
        cache_hooks(&TokenStream::new(), item).to_string()
    }

    #[test]
    fn every_hook_is_there_once() {
        let text = expanded(&quote! {
            impl ActiveModelBehavior for ActiveModel {
                fn new() -> Self { Self::default() }
                async fn before_save<C>(mut self, _: &C, insert: bool) -> Result<Self, DbErr> where C: ConnectionTrait {
                    if insert { return Ok(self); }
                    Ok(self)
                }
            }
        });
        for (_, name) in HOOKS {
            assert_eq!(text.matches(&format!("async fn {name}")).count(), 1, "{name}: {text}");
            assert_eq!(text.matches(&format!("hooks :: {name} :: < Self , _ >")).count(), 1, "{name}: {text}");
        }
        assert!(text.contains("fn new () -> Self") && text.contains("return Ok (self)"), "{text}");
        assert_eq!(text.matches("async_trait :: async_trait").count(), 1);
    }

    #[test]
    fn an_async_trait_below_is_kept_and_not_doubled() {
        let text = expanded(&quote! {
            #[async_trait::async_trait]
            impl ActiveModelBehavior for ActiveModel {}
        });
        assert_eq!(text.matches("async_trait :: async_trait").count(), 1, "{text}");
    }

    #[test]
    fn anything_but_that_impl_is_refused_and_kept() {
        for item in [
            quote!(impl ActiveModel {}),
            quote!(impl Clone for ActiveModel {}),
            quote!(
                struct ActiveModel;
            ),
        ] {
            let text = expanded(&item);
            assert!(text.contains("compile_error") && text.contains(&item.to_string()), "{text}");
        }
    }
}
