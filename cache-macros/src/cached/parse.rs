//! Reads the arguments of `#[cached]`.

use proc_macro2::{Ident, TokenStream};
use syn::{
    Expr, LitBool, LitInt, LitStr, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    token,
};

use crate::common::{
    args::{each, equals, set},
    errors::{Errors, hint},
    target::Target,
    template::Template,
};

/// What an attribute says, as it is written.
#[derive(Default)]
pub(crate) struct CachedArgs {
    pub ttl: Option<Expr>,
    pub negative_ttl: Option<Expr>,
    pub invalidate_on: Option<Vec<Target>>,
    pub tags: Option<Vec<Template>>,
    pub key: Option<Template>,
    pub name: Option<LitStr>,
    pub version: Option<LitInt>,
    pub skip: Option<Vec<Ident>>,
    pub when: Option<Expr>,
    pub tier: Option<LitStr>,
    pub jitter: Option<Expr>,
    pub codec: Option<LitStr>,
    pub consistency: Option<LitStr>,
    pub refresh_ahead: Option<Expr>,
    pub xfetch_beta: Option<Expr>,
    pub stale_while_revalidate: Option<Expr>,
    pub stale_if_error: Option<Expr>,
    pub soft_timeout: Option<Expr>,
    pub hard_timeout: Option<Expr>,
    pub lock: Option<LitBool>,
    pub lock_wait: Option<Expr>,
    pub background: Option<LitBool>,
    pub batch: Option<Ident>,
    pub connection: Option<Ident>,
    pub cache: Option<Expr>,
    pub companions: Option<LitStr>,
}

/// Every argument with an example.
const ARGUMENTS: [(&str, &str); 26] = [
    ("ttl", "ttl = \"5m\""),
    ("invalidate_on", "invalidate_on = User(id)"),
    ("tags", "tags = [\"feed:{user}\"]"),
    ("key", "key = \"user:{id}\""),
    ("name", "name = \"find_user\""),
    ("version", "version = 2"),
    ("skip", "skip(arg)"),
    ("when", "when = |result| result.is_some()"),
    ("tier", "tier = \"local\""),
    ("jitter", "jitter = 0.1"),
    ("codec", "codec = \"json\""),
    ("consistency", "consistency = \"strict\""),
    ("negative_ttl", "negative_ttl = \"10s\""),
    ("refresh_ahead", "refresh_ahead = 0.8"),
    ("xfetch_beta", "xfetch_beta = 1.0"),
    ("stale_while_revalidate", "stale_while_revalidate = \"30s\""),
    ("stale_if_error", "stale_if_error = \"5m\""),
    ("soft_timeout", "soft_timeout = \"100ms\""),
    ("hard_timeout", "hard_timeout = \"2s\""),
    ("lock", "lock = false"),
    ("lock_wait", "lock_wait = \"500ms\""),
    ("background", "background = false"),
    ("batch", "batch = ids"),
    ("connection", "connection = db"),
    ("cache", "cache = self.cache"),
    ("companions", "companions = \"none\""),
];

/// Reads them all; what is wrong goes to `errors`.
pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> CachedArgs {
    let mut args = CachedArgs::default();
    each(tokens, errors, |input, errors| {
        let Ok(name) = input.call(Ident::parse_any) else {
            return Err(input.error("expected an argument such as `ttl = \"5m\"`"));
        };
        argument(&mut args, &name, input, errors)
    });
    args
}

fn argument(args: &mut CachedArgs, name: &Ident, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
    let known = name.to_string();
    let Some((_, example)) = ARGUMENTS.iter().find(|(argument, _)| *argument == known) else {
        return Err(unknown(name));
    };
    if known == "skip" {
        let value = skipped(name, input)?;
        set(&mut args.skip, name, value, errors);
        return Ok(());
    }
    equals(name, input, example)?;
    match known.as_str() {
        "ttl" => set(&mut args.ttl, name, value(input, example)?, errors),
        "negative_ttl" => set(&mut args.negative_ttl, name, value(input, example)?, errors),
        "invalidate_on" => set(&mut args.invalidate_on, name, targets(input)?, errors),
        "tags" => {
            let tags = texts(input)?.into_iter().map(|lit| Template::parse(&lit, errors)).collect();
            set(&mut args.tags, name, tags, errors);
        }
        "key" => {
            let key = Template::parse(&value(input, example)?, errors);
            set(&mut args.key, name, key, errors);
        }
        "name" => set(&mut args.name, name, value(input, example)?, errors),
        "version" => set(&mut args.version, name, value(input, example)?, errors),
        "when" => set(&mut args.when, name, value(input, example)?, errors),
        "tier" => set(&mut args.tier, name, value(input, example)?, errors),
        "jitter" => set(&mut args.jitter, name, value(input, example)?, errors),
        "codec" => set(&mut args.codec, name, value(input, example)?, errors),
        "consistency" => set(&mut args.consistency, name, value(input, example)?, errors),
        "refresh_ahead" => set(&mut args.refresh_ahead, name, value(input, example)?, errors),
        "xfetch_beta" => set(&mut args.xfetch_beta, name, value(input, example)?, errors),
        "stale_while_revalidate" => set(&mut args.stale_while_revalidate, name, value(input, example)?, errors),
        "stale_if_error" => set(&mut args.stale_if_error, name, value(input, example)?, errors),
        "soft_timeout" => set(&mut args.soft_timeout, name, value(input, example)?, errors),
        "hard_timeout" => set(&mut args.hard_timeout, name, value(input, example)?, errors),
        "lock" => set(&mut args.lock, name, value(input, example)?, errors),
        "lock_wait" => set(&mut args.lock_wait, name, value(input, example)?, errors),
        "background" => set(&mut args.background, name, value(input, example)?, errors),
        "batch" => {
            let Ok(batch) = input.call(Ident::parse_any) else {
                return Err(input.error("expected the name of the argument that holds the ids: `batch = ids`"));
            };
            set(&mut args.batch, name, batch, errors);
        }
        "connection" => {
            let Ok(connection) = input.call(Ident::parse_any) else {
                return Err(input.error("expected the name of an argument: `connection = db`"));
            };
            set(&mut args.connection, name, connection, errors);
        }
        "cache" => set(&mut args.cache, name, value(input, example)?, errors),
        _ => set(&mut args.companions, name, value(input, example)?, errors),
    }
    Ok(())
}

fn unknown(name: &Ident) -> syn::Error {
    let known: Vec<&str> = ARGUMENTS.iter().map(|(argument, _)| *argument).collect();
    let list: Vec<String> = known.iter().map(|argument| format!("`{argument}`")).collect();
    let hint = hint(&name.to_string(), &known);
    syn::Error::new(name.span(), format!("unknown argument `{name}`: {hint}the arguments are {}", list.join(", ")))
}

/// A value, or an error that shows one.
fn value<T: Parse>(input: ParseStream<'_>, example: &str) -> syn::Result<T> {
    input.parse().map_err(|error| syn::Error::new(error.span(), format!("{error}: write `{example}`")))
}

/// `skip(a, b)`
fn skipped(name: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    if !input.peek(token::Paren) {
        return Err(syn::Error::new(name.span(), "name the arguments to leave out of the key: `skip(arg)`"));
    }
    let inside;
    syn::parenthesized!(inside in input);
    let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(&inside, Ident::parse_any)?;
    if names.is_empty() {
        return Err(syn::Error::new(name.span(), "name the arguments to leave out of the key: `skip(arg)`"));
    }
    Ok(names.into_iter().collect())
}

/// `"User"`, `User(id)`, `[User, "Post"]`
fn targets(input: ParseStream<'_>) -> syn::Result<Vec<Target>> {
    if !input.peek(token::Bracket) {
        return target(input);
    }
    let inside;
    let brackets = syn::bracketed!(inside in input);
    let lists = Punctuated::<Vec<Target>, Token![,]>::parse_terminated_with(&inside, target)?;
    if lists.is_empty() {
        let text = "an empty list: name an entity, or leave `invalidate_on` out to depend on what the statements read";
        return Err(syn::Error::new(brackets.span.join(), text));
    }
    Ok(lists.into_iter().flatten().collect())
}

fn target(input: ParseStream<'_>) -> syn::Result<Vec<Target>> {
    if input.peek(LitStr) { Target::parse_text(&input.parse()?) } else { Ok(vec![input.parse()?]) }
}

/// `"a"` or `["a", "b"]`
fn texts(input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    let example = "tags = [\"feed:{user}\"]";
    if !input.peek(token::Bracket) {
        return Ok(vec![value(input, example)?]);
    }
    let inside;
    let brackets = syn::bracketed!(inside in input);
    let texts = Punctuated::<LitStr, Token![,]>::parse_terminated_with(&inside, |input| {
        value(input, "tags = [\"feed:{user}\"]")
    })?;
    if texts.is_empty() {
        return Err(syn::Error::new(brackets.span.join(), format!("an empty list: write `{example}`")));
    }
    Ok(texts.into_iter().collect())
}
