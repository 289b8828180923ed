//! `#[cache_put]`: a writer whose result becomes the entry of a cached function.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, ExprCall, ExprPath, ReturnType, Token, ext::IdentExt, parse::ParseStream, spanned::Spanned};

use crate::{
    cached::local,
    common::{
        args::{each, equals, set},
        errors::Errors,
        item::{Function, mentions},
        private, private_at,
        signature::Params,
        source::Source,
    },
};

const EXAMPLE: &str = "#[cache_put(find_user(user.id))]";

#[derive(Default)]
struct PutArgs {
    entry: Option<Entry>,
    connection: Option<Ident>,
    cache: Option<Expr>,
}

/// `find_user(user.id)`
struct Entry {
    function: ExprPath,
    arguments: Vec<Expr>,
}

pub(crate) fn cache_put(args: TokenStream, item: &TokenStream) -> TokenStream {
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
        errors.at(&function.sig.ident, format!("name the entry that the function writes: `{EXAMPLE}`"));
    }
    let mut params = Params::of(&function.sig);
    let source = Source::find(&mut params, args.connection.as_ref(), args.cache.as_ref(), &mut errors);
    check(&args, &function, &params, &mut errors);
    match args.entry.as_ref().filter(|_| errors.is_empty()) {
        Some(entry) => function.with_body(&body(entry, &function, &params, &source)),
        None => {
            let errors = errors.to_compile_errors();
            quote!(#errors #item)
        }
    }
}

fn parse(tokens: TokenStream, errors: &mut Errors) -> PutArgs {
    let mut args = PutArgs::default();
    each(tokens, errors, |input, errors| argument(&mut args, input, errors));
    args
}

fn argument(args: &mut PutArgs, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
    if !(input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==])) {
        let expr: Expr = input.parse()?;
        let entry = entry(expr)?;
        if args.entry.is_some() {
            errors.at(&entry.function, "a function writes one entry: keep one of them");
        }
        args.entry.get_or_insert(entry);
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
                "unknown argument `{other}`: name the entry (`find_user(user.id)`); the options are `connection` and `cache`"
            );
            return Err(syn::Error::new(name.span(), text));
        }
    }
    Ok(())
}

fn entry(expr: Expr) -> syn::Result<Entry> {
    let refused = |span| {
        let text = format!("call the cached function without its connection here: `{EXAMPLE}`");
        Err(syn::Error::new(span, text))
    };
    let Expr::Call(ExprCall { func, args, .. }) = expr else { return refused(expr.span()) };
    match *func {
        Expr::Path(function) if function.qself.is_none() => {
            Ok(Entry { function, arguments: args.into_iter().collect() })
        }
        other => refused(other.span()),
    }
}

fn check(args: &PutArgs, function: &Function, params: &Params, errors: &mut Errors) {
    let sig = &function.sig;
    if sig.asyncness.is_none() {
        errors
            .at(sig.fn_token, format!("only an async function can be annotated: write `async fn {}`", function.name()));
    }
    if let Some(token) = &sig.unsafety {
        errors.at(token, "an unsafe function cannot be annotated: annotate a safe one that calls it");
    }
    match &sig.output {
        ReturnType::Default => {
            errors.at(&sig.ident, "the function returns nothing that could be stored: return the new value");
        }
        ReturnType::Type(_, ty) if mentions(quote!(#ty), "impl") => {
            errors.at(ty, "`impl Trait` cannot be named by the generated code: write the type");
        }
        ReturnType::Type(..) => {}
    }
    if args.cache.as_ref().is_some_and(|expr| mentions(quote!(#expr), "self")) && params.receiver.is_none() {
        errors.at(&args.cache, "`self` is not there in a function without a receiver");
    }
}

fn body(entry: &Entry, function: &Function, params: &Params, source: &Source) -> TokenStream {
    let private = private();
    let Entry { function: path, arguments } = entry;
    let slot = local("slot");
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
    let at_output = match &function.sig.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => function.sig.ident.span(),
    };
    let private_there = private_at(at_output);
    let stored = quote_spanned!(at_output=> {
        #[allow(unused_imports)]
        use #private_there::written::{ByResult as _, ByValue as _};
        let written = (&&#private_there::Probe::<#output>::NEW).written();
        move |output: &#output| written(output).map(#private_there::IntoEntry::into_entry)
    });
    // The entry is named before the body runs, which may move the arguments.
    quote!({
        let #slot = #path::__put_slot(#(#arguments),*);
        #private::putting(#source, #slot, #refusal, #stored, async move || -> #output #user_body).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(args: TokenStream, item: &TokenStream) -> String {
        cache_put(args, item).to_string()
    }

    #[test]
    fn all_mistakes_are_reported_at_once_and_the_function_stays() {
        let item = quote!(
            fn rename(db: &CachedConnection, id: i32) {}
        );
        let text = expanded(quote!(find_user, entry = 1, cache = self.cache), &item);
        for says in [
            "without its connection",
            "unknown argument `entry`",
            "async fn rename",
            "without a receiver",
            "returns nothing",
        ] {
            assert!(text.contains(says), "{says}: {text}");
        }
        assert!(text.contains(&item.to_string()), "{text}");
        assert!(expanded(quote!(), &item).contains("name the entry"));
        assert!(expanded(quote!(a(1), b(2)), &item).contains("one entry"));
    }

    #[test]
    fn the_entry_is_named_before_the_body_runs() {
        let text = expanded(
            quote!(users::find_user(user.id)),
            &quote!(
                async fn save(db: &CachedConnection, user: Model) -> Result<Model, DbErr> {
                    work(db, user).await
                }
            ),
        );
        assert!(text.contains("users :: find_user :: __put_slot (user . id)"), "{text}");
        assert!(text.contains("async move || -> Result < Model , DbErr >"), "{text}");
    }
}
