//! `#[invalidates]`: a function that writes where nobody sees it.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, LitStr, ReturnType, Token, ext::IdentExt, parse::ParseStream};

use crate::{
    cached::{local, roots, tag},
    common::{
        args::{each, equals, set},
        errors::Errors,
        item::{Function, mentions},
        private,
        signature::{Carrier, Params},
        source::Source,
        target::Target,
        template::Template,
    },
};

#[derive(Default)]
struct InvalidatesArgs {
    targets: Vec<Target>,
    names: Vec<Template>,
    connection: Option<Ident>,
    cache: Option<Expr>,
}

pub(crate) fn invalidates(args: TokenStream, item: &TokenStream) -> TokenStream {
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = error.to_compile_error();
            return quote!(#error #item);
        }
    };
    let mut errors = Errors::default();
    let nothing = args.is_empty();
    let args = parse(args, &mut errors);
    if nothing {
        errors.at(&function.sig.ident, "name what the function makes stale: `#[invalidates(User(id), \"feed:{id}\")]`");
    }
    let mut params = Params::of(&function.sig);
    let source = Source::find(&mut params, args.connection.as_ref(), args.cache.as_ref(), &mut errors);
    check(&args, &function, &params, &mut errors);
    if errors.is_empty() {
        function.with_body(&body(&args, &function, &params, &source))
    } else {
        let errors = errors.to_compile_errors();
        quote!(#errors #item)
    }
}

fn parse(tokens: TokenStream, errors: &mut Errors) -> InvalidatesArgs {
    let mut args = InvalidatesArgs::default();
    each(tokens, errors, |input, errors| argument(&mut args, input, errors));
    args
}

fn argument(args: &mut InvalidatesArgs, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
    if input.peek(LitStr) {
        args.names.push(Template::parse(&input.parse()?, errors));
        return Ok(());
    }
    if !(input.peek(Ident::peek_any) && input.peek2(Token![=])) {
        args.targets.push(input.parse()?);
        return Ok(());
    }
    let name = input.call(Ident::parse_any)?;
    match name.to_string().as_str() {
        "connection" => {
            equals(&name, input, "connection = db")?;
            let connection = input.call(Ident::parse_any)?;
            set(&mut args.connection, &name, connection, errors);
        }
        "cache" => {
            equals(&name, input, "cache = self.cache")?;
            let cache = input.parse()?;
            set(&mut args.cache, &name, cache, errors);
        }
        other => {
            let text = format!(
                "unknown argument `{other}`: name entities (`User(id)`) and texts (`\"feed:{{id}}\"`); the options are `connection` and `cache`"
            );
            return Err(syn::Error::new(name.span(), text));
        }
    }
    Ok(())
}

fn check(args: &InvalidatesArgs, function: &Function, params: &Params, errors: &mut Errors) {
    let sig = &function.sig;
    if sig.asyncness.is_none() {
        errors
            .at(sig.fn_token, format!("only an async function can be annotated: write `async fn {}`", function.name()));
    }
    if let Some(token) = &sig.unsafety {
        errors.at(token, "an unsafe function cannot be annotated: annotate a safe one that calls it");
    }
    if let ReturnType::Type(_, ty) = &sig.output
        && mentions(quote!(#ty), "impl")
    {
        errors.at(ty, "`impl Trait` cannot be named by the generated code: write the type");
    }
    for template in &args.names {
        roots(template, params, errors);
    }
    if args.cache.as_ref().is_some_and(|expr| mentions(quote!(#expr), "self")) && params.receiver.is_none() {
        errors.at(&args.cache, "`self` is not there in a function without a receiver");
    }
}

fn body(args: &InvalidatesArgs, function: &Function, params: &Params, source: &Source) -> TokenStream {
    let private = private();
    let list = local("stale");
    let borrowed = quote!(&mut #list);
    let registrations = args.targets.iter().filter_map(|target| target.registration(&function.sig.generics));
    let targets = args.targets.iter().map(|target| target.stale(&borrowed));
    let names = args.names.iter().map(|template| {
        let tag = tag(template);
        quote!(#list.push(#tag);)
    });
    // A transaction that collects takes the tags, and applies them at its commit.
    let offers = source.carriers.iter().filter_map(|at| params.list.get(*at)).filter_map(|param| {
        let name = param.name()?;
        match param.carrier? {
            Carrier::Transaction | Carrier::Named => Some(quote!(#private::TakesStale::take_stale(&#name, #borrowed);)),
            Carrier::Generic if param.is_moved() && !param.is_mutable_reference() => Some(quote!(#list.offer(&#name);)),
            Carrier::Generic => Some(quote!(#list.offer(&*#name);)),
            Carrier::Cache | Carrier::Wrapper | Carrier::Plain => None,
        }
    });
    let source = source.tokens(params);
    let output = match &function.sig.output {
        ReturnType::Type(_, ty) => quote!(#ty),
        ReturnType::Default => quote!(()),
    };
    let user_body = &function.body;
    let refusal = quote_spanned!(function.sig.ident.span()=> {
        #[allow(unused_imports)]
        use #private::refusal::{ByDbErr as _, ByError as _, NotAtAll as _};
        (&&&#private::Probe::<#output>::NEW).refusal()
    });
    quote!({
        #(#registrations)*
        let mut #list = #private::Stale::new();
        #(#targets)*
        #(#names)*
        #(#offers)*
        #private::invalidating(#source, #list, #refusal, async move || -> #output #user_body).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of(args: TokenStream, item: &TokenStream) -> Vec<String> {
        let expanded = invalidates(args, item);
        let file: syn::File = syn::parse2(expanded).unwrap_or_else(|error| panic!("{error}"));
        file.items
            .iter()
            .filter_map(|item| match item {
                syn::Item::Macro(item) => syn::parse2::<LitStr>(item.mac.tokens.clone()).ok().map(|lit| lit.value()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn all_mistakes_are_reported_at_once_and_the_function_stays() {
        let item = quote!(
            fn rename(db: &CachedConnection, id: i32) -> Result<(), DbErr> {
                Ok(())
            }
        );
        let errors = errors_of(quote!(User(), "feed:{user}", tag = 1, cache = self.cache), &item);
        for says in
            ["one row", "`user` is not an argument", "unknown argument `tag`", "async fn rename", "without a receiver"]
        {
            assert!(errors.iter().any(|error| error.contains(says)), "{says}: {errors:?}");
        }
        assert!(errors_of(quote!(), &item).iter().any(|error| error.contains("name what")));
    }

    #[test]
    fn the_body_keeps_its_signature() {
        let expanded = invalidates(
            quote!(User(id), "feed:{id}"),
            &quote!(
                /// Docs.
                pub(crate) async fn rename<'a>(db: &'a CachedConnection, id: i32) -> Result<(), DbErr> {
                    work(db, id).await
                }
            ),
        )
        .to_string();
        assert!(
            expanded.contains(
                "pub (crate) async fn rename < 'a > (db : & 'a CachedConnection , id : i32) -> Result < () , DbErr >"
            ),
            "{expanded}"
        );
        assert!(
            expanded.contains("row_target :: < User >") && expanded.contains("work (db , id) . await"),
            "{expanded}"
        );
    }
}
