//! `#[invalidates]`: a function that writes where nobody sees it.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{LitStr, Token, ext::IdentExt, parse::ParseStream};

use crate::{
    cached::{local, roots, tag},
    common::{
        args::each,
        errors::Errors,
        private,
        signature::Carrier,
        target::Target,
        template::Template,
        writer::{self, Options, Writer},
    },
};

const EXPECTED: &str = "name entities (`User(id)`) and texts (`\"feed:{id}\"`)";

#[derive(Default)]
struct InvalidatesArgs {
    targets: Vec<Target>,
    names: Vec<Template>,
    options: Options,
}

pub(crate) fn invalidates(args: TokenStream, item: &TokenStream) -> TokenStream {
    writer::expand(item, |function, errors| {
        let nothing = args.is_empty();
        let args = parse(args, errors);
        if nothing {
            let text = "name what the function makes stale: `#[invalidates(User(id), \"feed:{id}\")]`";
            errors.at(&function.sig.ident, text);
        }
        let writer = Writer::new(function, &args.options, errors);
        for template in &args.names {
            roots(template, &writer.params, errors);
        }
        Some(body(&args, &writer))
    })
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
    args.options.read(&name, input, EXPECTED, errors)
}

fn body(args: &InvalidatesArgs, writer: &Writer<'_>) -> TokenStream {
    let private = private();
    let list = local("stale");
    let borrowed = quote!(&mut #list);
    let generics = &writer.function.sig.generics;
    let registrations = args.targets.iter().filter_map(|target| target.registration(generics));
    let targets = args.targets.iter().map(|target| target.stale(&borrowed));
    let names = args.names.iter().map(|template| {
        let tag = tag(template);
        quote!(#list.push(#tag);)
    });
    // A transaction that collects takes the tags, and applies them at its commit.
    let carriers = writer.source.carriers.iter().filter_map(|at| writer.params.list.get(*at));
    let offers = carriers.filter_map(|param| {
        let name = param.name()?;
        match param.carrier? {
            Carrier::Transaction | Carrier::Named => Some(quote!(#private::TakesStale::take_stale(&#name, #borrowed);)),
            Carrier::Generic if param.is_moved() && !param.is_mutable_reference() => Some(quote!(#list.offer(&#name);)),
            Carrier::Generic => Some(quote!(#list.offer(&*#name);)),
            Carrier::Cache | Carrier::Wrapper | Carrier::Plain => None,
        }
    });
    let (source, refusal, work) = (writer.source.tokens(&writer.params), writer.refusal(), writer.work());
    quote!({
        #(#registrations)*
        let mut #list = #private::Stale::new();
        #(#targets)*
        #(#names)*
        #(#offers)*
        #private::invalidating(#source, #list, #refusal, #work).await
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
