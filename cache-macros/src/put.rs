//! `#[cache_put]`: a writer whose result becomes the entry of a cached function.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{
    Expr, ExprCall, ExprMethodCall, ExprPath, ReturnType, Token, ext::IdentExt, parse::ParseStream, spanned::Spanned,
    visit::Visit,
};

use crate::{
    cached::{local, put_slot_name},
    common::{
        args::each,
        errors::Errors,
        item::mentions,
        private, private_at,
        signature::Params,
        writer::{self, Options, Writer},
    },
};

const EXAMPLE: &str = "#[cache_put(find_user(user.id))]";

const EXPECTED: &str = "name the entry (`find_user(user.id)`)";

#[derive(Default)]
struct PutArgs {
    entry: Option<Entry>,
    options: Options,
}

/// `find_user(user.id)`, `self.find_user(user.id)`
struct Entry {
    of: Of,
    arguments: Vec<Expr>,
}

/// The cached function.
enum Of {
    /// `users::find_user`, or with a type in front of its name: `Self::find_user`.
    Function(ExprPath),
    Method {
        receiver: Expr,
        name: Ident,
    },
}

pub(crate) fn cache_put(args: TokenStream, item: &TokenStream) -> TokenStream {
    writer::expand(item, |function, errors| {
        let nothing = args.is_empty();
        let args = parse(args, errors);
        if nothing {
            errors.at(&function.sig.ident, format!("name the entry that the function writes: `{EXAMPLE}`"));
        }
        let writer = Writer::new(function, &args.options, errors);
        check(&args, &writer, errors);
        args.entry.as_ref().map(|entry| body(entry, &writer))
    })
}

fn parse(tokens: TokenStream, errors: &mut Errors) -> PutArgs {
    let mut args = PutArgs::default();
    each(tokens, errors, |input, errors| argument(&mut args, input, errors));
    args
}

fn argument(args: &mut PutArgs, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
    if input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
        let name = input.call(Ident::parse_any)?;
        return args.options.read(&name, input, EXPECTED, errors);
    }
    let expr: Expr = input.parse()?;
    let entry = entry(expr)?;
    if args.entry.is_some() {
        errors.at(entry.of.name(), "a function writes one entry: keep one of them");
    }
    args.entry.get_or_insert(entry);
    Ok(())
}

fn entry(expr: Expr) -> syn::Result<Entry> {
    let refused = |span| {
        let text = format!("call the cached function without its connection here: `{EXAMPLE}`");
        Err(syn::Error::new(span, text))
    };
    match expr {
        Expr::Call(ExprCall { func, args, .. }) => match *func {
            Expr::Path(function) if function.qself.is_none() => {
                Ok(Entry { of: Of::Function(function), arguments: args.into_iter().collect() })
            }
            other => refused(other.span()),
        },
        Expr::MethodCall(ExprMethodCall { receiver, method, turbofish: None, args, .. }) => {
            Ok(Entry { of: Of::Method { receiver: *receiver, name: method }, arguments: args.into_iter().collect() })
        }
        other => refused(other.span()),
    }
}

impl Of {
    fn name(&self) -> Option<&Ident> {
        match self {
            Self::Function(path) => path.path.segments.last().map(|last| &last.ident),
            Self::Method { name, .. } => Some(name),
        }
    }

    /// A call of what names the entry, which stands beside the cached function.
    fn slot(&self, arguments: &[Expr]) -> TokenStream {
        match self {
            Self::Method { receiver, name } => {
                let slot = put_slot_name(name);
                quote!((#receiver).#slot(#(#arguments),*))
            }
            Self::Function(path) if is_associated(path) => {
                let mut path = path.clone();
                if let Some(last) = path.path.segments.last_mut() {
                    last.ident = put_slot_name(&last.ident);
                }
                quote!(#path(#(#arguments),*))
            }
            Self::Function(path) => {
                let slot = format_ident!("__put_slot", span = path.span());
                quote!(#path::#slot(#(#arguments),*))
            }
        }
    }
}

/// Whether a path names a function of a type, by the spelling of what is in front: types begin with a capital.
fn is_associated(path: &ExprPath) -> bool {
    let before = path.path.segments.iter().rev().nth(1);
    before.is_some_and(|segment| segment.ident.to_string().starts_with(char::is_uppercase))
}

fn check(args: &PutArgs, writer: &Writer<'_>, errors: &mut Errors) {
    if matches!(writer.function.sig.output, ReturnType::Default) {
        let text = "the function returns nothing that could be stored: return the new value";
        errors.at(&writer.function.sig.ident, text);
    }
    let Some(entry) = &args.entry else { return };
    if let Of::Method { receiver, .. } = &entry.of
        && mentions(quote!(#receiver), "self")
        && writer.params.receiver.is_none()
    {
        errors.at(receiver, "`self` is not there in a function without a receiver");
    }
    for argument in &entry.arguments {
        AfterTheBody { params: &writer.params, errors }.visit_expr(argument);
    }
}

/// Finds what is not known before the body runs.
struct AfterTheBody<'a> {
    params: &'a Params,
    errors: &'a mut Errors,
}

impl Visit<'_> for AfterTheBody<'_> {
    fn visit_expr_path(&mut self, path: &ExprPath) {
        if let Some(name) = path.path.get_ident()
            && name == "result"
            && self.params.binding(name).is_none()
        {
            self.errors.at(
                name,
                "the entry has to be known before the function runs, so that nobody else writes it meanwhile: take what \
                 its key is made of as an argument, or declare `#[cached_entity(write_through)]` for keys that the database gives",
            );
        }
    }
}

fn body(entry: &Entry, writer: &Writer<'_>) -> TokenStream {
    let private = private();
    let slot = local("slot");
    let named = entry.of.slot(&entry.arguments);
    let (source, refusal, work) = (writer.source.tokens(&writer.params), writer.refusal(), writer.work());
    let output = writer.output();
    let at_output = match &writer.function.sig.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => writer.function.sig.ident.span(),
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
        let #slot = #named;
        #private::putting(#source, #slot, #refusal, #stored, #work).await
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
    fn an_entry_of_a_method_or_an_associated_function_is_named_beside_it() {
        let item = quote!(
            async fn save(&self, user: Model) -> Result<Model, DbErr> {
                work(user).await
            }
        );
        let method = expanded(quote!(self.find_user(user.id), cache = self.cache), &item);
        assert!(method.contains("(self) . __find_user_put_slot (user . id)"), "{method}");
        let associated = expanded(quote!(Self::find_user(user.id), cache = self.cache), &item);
        assert!(associated.contains("Self :: __find_user_put_slot (user . id)"), "{associated}");
    }

    #[test]
    fn a_key_of_the_result_is_an_error_unless_it_is_an_arguments_name() {
        let late = quote!(
            async fn add(db: &CachedConnection, name: String) -> Result<Model, DbErr> {
                work(db, name).await
            }
        );
        assert!(expanded(quote!(find_user(result.id)), &late).contains("known before the function runs"));
        let early = quote!(
            async fn add(db: &CachedConnection, result: Model) -> Result<Model, DbErr> {
                work(db, result).await
            }
        );
        assert!(!expanded(quote!(find_user(result.id)), &early).contains("compile_error"));
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
