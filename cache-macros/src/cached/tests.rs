//! Expansion as tokens: what is emitted, and what is said about mistakes.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::cached;

/// The texts of the errors, and everything else.
fn split(expanded: &TokenStream) -> (Vec<String>, Vec<syn::Item>) {
    let file: syn::File = syn::parse2(expanded.clone()).unwrap_or_else(|error| panic!("{error}: {expanded}"));
    let mut errors = Vec::new();
    let mut items = Vec::new();
    for item in file.items {
        match &item {
            syn::Item::Macro(item)
                if item.mac.path.segments.last().is_some_and(|last| last.ident == "compile_error") =>
            {
                let text: syn::LitStr = syn::parse2(item.mac.tokens.clone()).unwrap_or_else(|error| panic!("{error}"));
                errors.push(text.value());
            }
            _ => items.push(item),
        }
    }
    (errors, items)
}

fn find_user() -> TokenStream {
    quote! {
        /// Finds.
        #[inline]
        pub(crate) async fn find_user<'a>(db: &'a CachedConnection, id: i32, name: &str) -> Result<Option<Model>, DbErr> {
            User::find_by_id(id).one(db).await
        }
    }
}

fn text(args: TokenStream, item: &TokenStream) -> String {
    let (errors, items) = split(&cached(args, item));
    assert_eq!(errors, [""; 0]);
    quote!(#(#items)*).to_string()
}

fn errors(args: TokenStream, item: &TokenStream) -> Vec<String> {
    let (errors, items) = split(&cached(args, item));
    assert!(!errors.is_empty(), "no error");
    assert_eq!(quote!(#(#items)*).to_string(), item.to_string(), "the item is emitted as it is");
    errors
}

#[test]
fn the_function_keeps_all_but_its_body() {
    let (_, items) = split(&cached(quote!(ttl = 300), &find_user()));
    let Some(syn::Item::Fn(function)) = items.first() else { panic!("no function") };
    let expected: syn::ItemFn = syn::parse2(find_user()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(function.sig, expected.sig);
    assert_eq!(function.attrs, expected.attrs);
    assert_eq!(function.vis, expected.vis);
    assert!(function.block.to_token_stream().to_string().contains("User :: find_by_id (id) . one (db) . await"));
}

#[test]
fn dependencies_are_written_as_they_are_named() {
    let all = text(
        quote!(invalidate_on = [User, "Post(author_id = id), Tag", Pair(id, name)], tags = ["feed:{id}"]),
        &find_user(),
    );
    for part in [
        "table_dep :: < User >",
        "index_dep :: < Post >",
        "Column > :: AuthorId",
        "table_dep :: < Tag >",
        "row_dep :: < Pair >",
        ". text (\"feed:\") . value (& id) . tag ()",
        "EntityRegistration :: plain :: < Pair >",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(!all.contains("Deps :: auto"));
    let auto = text(quote!(), &find_user());
    assert!(auto.contains("Deps :: auto") && auto.contains("let db = &"), "{auto}");
}

#[test]
fn what_takes_part_in_the_key_is_what_the_body_can_see() {
    assert!(text(quote!(), &find_user()).contains(
        "& (:: sea_orm_cache :: __private :: part (& id) , :: sea_orm_cache :: __private :: part (& name) ,)"
    ));
    let skipped = text(quote!(skip(name)), &find_user());
    assert!(skipped.contains("& (:: sea_orm_cache :: __private :: part (& id) ,)"), "{skipped}");
    let own = text(quote!(key = "user:{id}"), &find_user());
    assert!(own.contains(". text (\"user:\") . value (& id) . key"), "{own}");
    let generic = text(
        quote!(),
        &quote!(
            async fn count<C: ConnectionTrait, E: EntityTrait>(db: &C, (a, _): (u8, u8), _: u8) -> Result<u64, DbErr> {
                work().await
            }
        ),
    );
    assert!(
        generic.contains(
            "& (:: sea_orm_cache :: __private :: type_name :: < E > () , :: sea_orm_cache :: __private :: part (& a) ,)"
        ),
        "{generic}"
    );
    assert!(generic.contains("generic_source (& * db)"), "{generic}");
}

#[test]
fn methods_have_associated_companions_and_their_type_in_the_key() {
    let method = text(
        quote!(cache = self.cache),
        &quote!(
            async fn find(&self, id: i32) -> Result<u64, DbErr> {
                self.work(id).await
            }
        ),
    );
    for part in [
        "fn find_key (& self , id : i32)",
        "type_name :: < Self >",
        "cache_source (& (self . cache))",
        "Self :: __find_site ()",
    ] {
        assert!(method.contains(part), "{part}: {method}");
    }
    let none = text(
        quote!(companions = "none"),
        &quote!(
            async fn find(&self, id: i32) -> Result<u64, DbErr> {
                self.work(id).await
            }
        ),
    );
    assert!(!none.contains("find_key") && none.contains("static __CACHED_SITE"), "{none}");
}

#[test]
fn more_arguments_than_a_tuple_can_have_are_nested() {
    let names: Vec<syn::Ident> = (0..20).map(|at| quote::format_ident!("a{at}")).collect();
    let text = text(quote!(), &quote!(async fn many(#(#names: i32),*) -> Result<u64, DbErr> { Ok(1) }));
    assert!(text.contains("part (& a15) ,) , (:: sea_orm_cache"), "{text}");
}

#[test]
fn a_function_that_async_trait_has_rewritten_is_understood() {
    let text = text(
        quote!(ttl = 5, companions = "none"),
        &quote! {
            fn find<'life0, 'async_trait>(&'life0 self, id: i32) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<u64, DbErr>> + Send + 'async_trait>>
            where 'life0: 'async_trait, Self: 'async_trait
            { Box::pin(async move { Ok(1) }) }
        },
    );
    assert!(text.contains("Box :: pin (async move {") && text.contains("-> Result < u64 , DbErr >"), "{text}");
}

#[test]
fn every_mistake_in_the_arguments_is_reported_at_once() {
    let said = errors(
        quote!(
            tll = 5,
            ttl = 0,
            tier = "disk",
            jitter = 2.0,
            version = -1,
            skip(nme),
            tags = ["x:{idd}"],
            ttl = 5,
            codec = "xml",
            consistency = "loose",
            invalidate_on = User(),
            connection = dbb,
            companions = "all",
            name = "a b",
            when
        ),
        &find_user(),
    );
    for says in [
        "unknown argument `tll`: did you mean `ttl`?",
        "`ttl` is zero",
        "no such tier: write \"local\" or \"remote\"",
        "jitter is a share",
        "a version is a whole number",
        "`nme` is not an argument of this function: did you mean `name`?",
        "`idd` is not an argument of this function: did you mean `id`?",
        "`ttl` is given twice",
        "no such codec",
        "no such consistency",
        "write `User(id)` for one row",
        "`dbb` is not an argument",
        "no such place for companions",
        "a name is one word",
        "`when` needs a value",
    ] {
        assert!(said.iter().any(|error| error.contains(says)), "{says}: {said:#?}");
    }
}

#[test]
fn a_function_that_cannot_be_cached_says_what_to_write() {
    for (item, says) in [
        (
            quote!(
                fn f(id: i32) -> Result<u8, DbErr> {
                    Ok(1)
                }
            ),
            "write `async fn f`",
        ),
        (
            quote!(
                async fn f(id: i32) {
                    ()
                }
            ),
            "return a `Result<T, E>`",
        ),
        (
            quote!(
                async fn f(id: i32) -> Option<u8> {
                    None
                }
            ),
            "write `Result<Option<u8>, DbErr>`",
        ),
        (
            quote!(
                async fn f(id: i32) -> Result<impl Clone, DbErr> {
                    Ok(1)
                }
            ),
            "`impl Trait` cannot be stored",
        ),
        (
            quote!(
                async fn f(out: &mut Vec<u8>) -> Result<u8, DbErr> {
                    Ok(1)
                }
            ),
            "skip(out)",
        ),
        (
            quote!(
                async fn f(&mut self) -> Result<u8, DbErr> {
                    Ok(1)
                }
            ),
            "write `&self`",
        ),
        (
            quote!(
                async unsafe fn f() -> Result<u8, DbErr> {
                    Ok(1)
                }
            ),
            "unsafe",
        ),
        (
            quote!(
                async fn f(id: i32) -> Result<u8, DbErr>;
            ),
            "without a body",
        ),
        (
            quote!(
                struct F;
            ),
            "belongs on an `async fn`",
        ),
    ] {
        let expanded = cached(quote!(ttl = 5), &item).to_string();
        assert!(expanded.contains("compile_error"), "{item}");
        assert!(expanded.replace("\\\"", "\"").contains(says), "{says}: {expanded}");
        assert!(expanded.ends_with(&item.to_string()), "{item} is kept: {expanded}");
    }
}

#[test]
fn values_of_an_own_key_are_kept_apart() {
    let said = errors(quote!(key = "{id}{name}"), &find_user());
    assert!(said.iter().any(|error| error.contains("put a separator")), "{said:?}");
    let said = errors(quote!(key = "{id}_{name}"), &find_user());
    assert!(said.iter().any(|error| error.contains("put a separator")), "{said:?}");
    text(quote!(key = "{id}:{name}"), &find_user());
    let said = errors(quote!(key = "{db}"), &find_user());
    assert!(said.iter().any(|error| error.contains("takes no part")), "{said:?}");
}

#[test]
fn what_the_engine_can_do_is_an_argument() {
    let all = text(
        quote!(
            refresh_ahead = 0.8,
            xfetch_beta = 1,
            stale_while_revalidate = "30s",
            stale_if_error = "5m",
            soft_timeout = "100ms",
            hard_timeout = 2,
            lock = false,
            lock_wait = 0
        ),
        &find_user(),
    );
    for part in [
        "refresh_ahead : :: core :: option :: Option :: Some (0.8)",
        "xfetch_beta : :: core :: option :: Option :: Some (1.0)",
        "stale_while_revalidate : :: core :: option :: Option :: Some (:: core :: time :: Duration :: from_millis (30000u64))",
        "stale_if_error : :: core :: option :: Option :: Some",
        "soft_timeout : :: core :: option :: Option :: Some (:: core :: time :: Duration :: from_millis (100u64))",
        "lock : :: core :: option :: Option :: Some (false)",
        "lock_wait : :: core :: option :: Option :: Some (:: core :: time :: Duration :: from_millis (0u64))",
        "Some ((:: core :: time :: Duration :: from_millis (2000u64) , {",
        "fn __background (db : < CachedConnection as :: sea_orm_cache :: __private :: Keep > :: Kept",
        "name : < str as :: sea_orm_cache :: __private :: Keep > :: Kept",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let plain = text(quote!(ttl = 5), &find_user());
    assert!(!plain.contains("__background") && plain.contains("background : :: core :: option :: Option :: None"));
}

#[test]
fn a_batch_is_one_run_for_many_ids() {
    let item = quote! {
        async fn users(db: &CachedConnection, ids: &[i64], language: String) -> Result<HashMap<i64, Model>, DbErr> {
            work(ids).await
        }
    };
    let all = text(quote!(batch = ids, invalidate_on = User(ids), tags = ["user:{ids}"]), &item);
    for part in [
        "run_many (",
        "fn key (ids : i64 , language : String)",
        "async fn peek_many (__cached_cache",
        "async fn invalidate_many",
        "async fn refresh_many",
        "let mut language = :: sea_orm_cache :: __private :: Again :: again (& language) ;",
        "let ids = :: std :: vec :: Vec :: as_slice (& __cached_missing) ;",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let said =
        errors(quote!(batch = ids, key = "all", skip(ids), stale_while_revalidate = 5, background = true), &item);
    for says in ["name `{ids}` in it", "remove it here", "write `stale_if_error`", "remove `background`"] {
        assert!(said.iter().any(|error| error.contains(says)), "{says}: {said:#?}");
    }
    let said = errors(quote!(batch = idz), &item);
    assert!(said.iter().any(|error| error.contains("did you mean `ids`?")), "{said:?}");
    let said = errors(quote!(batch = language), &item);
    assert!(said.iter().any(|error| error.contains("write `language: &[i64]`")), "{said:?}");
}
