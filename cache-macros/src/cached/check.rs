//! Checks the arguments of `#[cached]` against the function they stand on.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, GenericArgument, PathArguments, ReturnType, Type, spanned::Spanned};

use super::{
    background,
    batch::{self, Batch},
    parse::CachedArgs,
};
use crate::common::{
    errors::{Errors, hint},
    item::{Function, mentions},
    private_at,
    signature::Params,
    source::Source,
    template::Template,
};

/// A function that can be cached.
pub(crate) struct Checked {
    pub params: Params,
    pub source: Source,
    /// The `Result` that the function's future yields.
    pub output: Type,
    /// Written by `#[async_trait]`: not async any more, returning a boxed future.
    pub boxed: bool,
    pub companions: Companions,
    /// Whether a call can be made again in the background.
    pub background: bool,
    /// The list of ids of a function that answers for many.
    pub batch: Option<Batch>,
}

impl Checked {
    /// The type of what is stored; of a batch, for each id.
    pub(crate) fn value(&self) -> TokenStream {
        let output = &self.output;
        let private = private_at(output.span());
        let value = quote_spanned!(output.span()=> <#output as #private::IsResult>::Value);
        match &self.batch {
            Some(_) => quote_spanned!(output.span()=> <#value as #private::BatchMap>::Value),
            None => value,
        }
    }

    /// The type of the function's error.
    pub(crate) fn error(&self) -> TokenStream {
        let output = &self.output;
        let private = private_at(output.span());
        quote_spanned!(output.span()=> <#output as #private::IsResult>::Error)
    }
}

/// Where the companions go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Companions {
    /// `find_user::key(..)`
    Namespace,
    /// `Self::find_user_key(..)`
    Associated,
    None,
}

/// `None` if there is nothing to expand; errors are noted in any case.
pub(crate) fn check(args: &CachedArgs, function: &Function, errors: &mut Errors) -> Option<Checked> {
    let mut params = Params::of(&function.sig);
    let output = output(function, errors);
    let source = Source::find(&mut params, args.connection.as_ref(), args.cache.as_ref(), errors);
    signature(args, function, &params, &source, errors);
    templates(args, &params, &source, errors);
    skipped(args, &params, &source, errors);
    words(args, errors);
    let companions = companions(args, function, &params);
    let batch = args.batch.as_ref().and_then(|name| batch::check(name, args, &params, &source, errors));
    let background = background::check(args, function, &params, companions, errors);
    let (output, boxed) = output?;
    Some(Checked { params, source, output, boxed, companions, background, batch })
}

/// The result type, and whether it stands in a boxed future.
fn output(function: &Function, errors: &mut Errors) -> Option<(Type, bool)> {
    let sig = &function.sig;
    let name = function.name();
    let written = match &sig.output {
        ReturnType::Type(_, ty) => Some(&**ty),
        ReturnType::Default => None,
    };
    if sig.asyncness.is_none() {
        if let Some(inner) = written.and_then(boxed_future) {
            return check_result(inner, errors).then(|| (inner.clone(), true));
        }
        errors.at(sig.fn_token, format!("only an async function can be cached: write `async fn {name}`"));
        return None;
    }
    let Some(ty) = written else {
        errors.at(&sig.ident, format!("`{name}` returns nothing that could be cached: return a `Result<T, E>`"));
        return None;
    };
    check_result(ty, errors).then(|| (ty.clone(), false))
}

/// What is certainly not a `Result`; an alias is left to the compiler.
fn check_result(ty: &Type, errors: &mut Errors) -> bool {
    let shown = quote!(#ty)
        .to_string()
        .replace(" <", "<")
        .replace("< ", "<")
        .replace(" >", ">")
        .replace(" ,", ",")
        .replace(" :: ", "::");
    if mentions(quote!(#ty), "impl") {
        errors.at(ty, "`impl Trait` cannot be stored: write the type, such as `Result<Vec<Model>, DbErr>`");
        return false;
    }
    let never = match ty {
        Type::Path(path) => {
            path.path.segments.last().is_some_and(|last| NOT_RESULTS.iter().any(|name| last.ident == name))
        }
        Type::Group(_) | Type::Paren(_) | Type::Macro(_) => false,
        _ => true,
    };
    if never {
        errors.at(
            ty,
            format!(
                "a cached function returns a `Result`, of which only `Ok` is stored: write `Result<{shown}, DbErr>`"
            ),
        );
    }
    !never
}

const NOT_RESULTS: [&str; 20] = [
    "Option", "Vec", "String", "bool", "char", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "usize", "f32",
    "f64", "Box", "Arc", "HashMap", "BTreeMap",
];

/// `R` in `Pin<Box<dyn Future<Output = R> + ..>>`.
fn boxed_future(ty: &Type) -> Option<&Type> {
    let bounds = match first_argument(first_argument(ty, "Pin")?, "Box")? {
        Type::TraitObject(object) => &object.bounds,
        _ => return None,
    };
    bounds.iter().find_map(|bound| {
        let syn::TypeParamBound::Trait(bound) = bound else { return None };
        let last = bound.path.segments.last().filter(|last| last.ident == "Future")?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(output) if output.ident == "Output" => Some(&output.ty),
            _ => None,
        })
    })
}

fn first_argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn signature(args: &CachedArgs, function: &Function, params: &Params, source: &Source, errors: &mut Errors) {
    if let Some(token) = &function.sig.unsafety {
        errors.at(token, "an unsafe function cannot be cached: cache a safe one that calls it");
    }
    if let Some(receiver) =
        params.receiver.as_ref().filter(|receiver| receiver.reference.is_some() && receiver.mutability.is_some())
    {
        errors.at(receiver, "what the body changes in `self` would be missing after a hit: write `&self`");
    }
    if let Some(expr) = args.cache.as_ref().filter(|_| source.needs_receiver() && params.receiver.is_none()) {
        errors.at(
            expr,
            "`self` is not there in a function without a receiver: write `cache = name` with an argument's name",
        );
    }
    for (at, param) in params.list.iter().enumerate() {
        let skipped = param.bindings.iter().any(|name| args.skip.iter().flatten().any(|skipped| skipped == name));
        if param.is_mutable_reference() && !source.is_carried_by(at) && !skipped {
            let shown = param.bindings.first().map_or_else(|| "arg".to_owned(), ToString::to_string);
            errors.at(
                &param.arg.ty,
                format!("what the body changes here would be missing after a hit: pass it by `&`, or write `skip({shown})` if that does not matter"),
            );
        }
    }
}

fn templates(args: &CachedArgs, params: &Params, source: &Source, errors: &mut Errors) {
    for template in args.key.iter().chain(args.tags.iter().flatten()) {
        roots(template, params, errors);
    }
    if let Some(key) = &args.key {
        for value in key.values() {
            let carried = |at: usize| {
                params.list.get(at).is_some_and(|param| source.carriers.contains(&at) && param.binds(&value.root))
            };
            if (0..params.list.len()).any(carried) {
                errors.push(syn::Error::new(
                    value.root.span(),
                    format!("the connection `{}` takes no part in keys", value.root),
                ));
            }
        }
    }
}

/// Every `{name}` is an argument.
pub(crate) fn roots(template: &Template, params: &Params, errors: &mut Errors) {
    for value in template.values() {
        let known = params.names();
        let root = &value.root;
        if root == "self" {
            if params.receiver.is_none() {
                errors.push(syn::Error::new(root.span(), "`self` is not there in a function without a receiver"));
            }
        } else if params.binding(root).is_none() {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let hint = hint(&root.to_string(), &known);
            errors.push(syn::Error::new(
                root.span(),
                format!("`{root}` is not an argument of this function: {hint}{}", params.shown()),
            ));
        }
    }
}

fn skipped(args: &CachedArgs, params: &Params, source: &Source, errors: &mut Errors) {
    let mut seen: Vec<&Ident> = Vec::new();
    for name in args.skip.iter().flatten() {
        let known = params.names();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let at = params.list.iter().position(|param| param.binds(name));
        match at {
            None if name == "self" => errors.at(name, "`self` takes no part in the key as it is"),
            None => {
                let hint = hint(&name.to_string(), &known);
                errors.at(name, format!("`{name}` is not an argument of this function: {hint}{}", params.shown()));
            }
            Some(at) if source.is_carried_by(at) => {
                errors.at(
                    name,
                    format!("`{name}` leads to the cache and takes no part in the key as it is: remove it here"),
                );
            }
            Some(_) if seen.contains(&name) => errors.at(name, format!("`{name}` is skipped twice: keep one of them")),
            Some(_) => seen.push(name),
        }
    }
    if let (Some(_), Some(first)) = (&args.key, seen.first()) {
        errors.at(first, "with `key = ..` only the arguments it names take part: remove `skip(..)`");
    }
}

/// Arguments that are one of several words, or numbers in a range.
fn words(args: &CachedArgs, errors: &mut Errors) {
    let mut one_of = |name: &str, lit: Option<&syn::LitStr>, known: &[&str]| {
        let Some(lit) = lit else { return };
        let value = lit.value();
        if !known.contains(&value.as_str()) {
            let list: Vec<String> = known.iter().map(|word| format!("\"{word}\"")).collect();
            errors.push(syn::Error::new(lit.span(), format!("no such {name}: write {}", list.join(" or "))));
        }
    };
    one_of("tier", args.tier.as_ref(), &["local", "remote"]);
    one_of("codec", args.codec.as_ref(), &["json", "messagepack", "postcard"]);
    one_of("consistency", args.consistency.as_ref(), &["strict", "bounded"]);
    one_of("place for companions", args.companions.as_ref(), &["associated", "none"]);
    if let (Some(tier), Some(codec)) = (&args.tier, &args.codec)
        && tier.value() == "local"
    {
        errors.at(codec, "with `tier = \"local\"` nothing is ever encoded: remove `codec`");
    }
    if let Some(name) = &args.name {
        let text = name.value();
        if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '{' | '}')) {
            errors.at(name, "a name is one word without braces: write `name = \"find_user\"`");
        }
    }
    if let Some(version) = &args.version
        && version.base10_parse::<u32>().is_err()
    {
        errors.at(version, "a version is a whole number from 0 to 4294967295: write `version = 2`");
    }
    let of_ttl = |name: &str| format!("{name} is a share of the TTL from 0 to 1: write `{name} = ");
    for (number, most, text) in [
        (&args.jitter, 1.0, format!("{}0.1`", of_ttl("jitter"))),
        (&args.refresh_ahead, 1.0, format!("{}0.8`", of_ttl("refresh_ahead"))),
        (&args.xfetch_beta, XFETCH_BETA_MAX, "xfetch_beta is a number from 0 to 100: write `xfetch_beta = 1.0`".into()),
    ] {
        if let Some(number) = number {
            check_number(number, most, &text, errors);
        }
    }
}

/// As the runtime crate has it.
const XFETCH_BETA_MAX: f64 = 100.0;

fn check_number(number: &Expr, most: f64, text: &str, errors: &mut Errors) {
    let value = match number {
        Expr::Lit(expr) => match &expr.lit {
            syn::Lit::Float(lit) => lit.base10_parse::<f64>().ok(),
            syn::Lit::Int(lit) => lit.base10_parse::<f64>().ok(),
            _ => None,
        },
        Expr::Unary(_) => None,
        // A constant: the cache clamps nothing, the compiler checks that it is an `f64`.
        _ => return,
    };
    if !value.is_some_and(|value| (0.0..=most).contains(&value)) {
        errors.at(number, text);
    }
}

fn companions(args: &CachedArgs, function: &Function, params: &Params) -> Companions {
    let sig = &function.sig;
    let is_method =
        params.receiver.is_some() || mentions(quote!(#sig), "Self") || mentions(function.body.clone(), "Self");
    match args.companions.as_ref().map(syn::LitStr::value).as_deref() {
        Some("none") => Companions::None,
        Some("associated") => Companions::Associated,
        _ if is_method => Companions::Associated,
        _ => Companions::Namespace,
    }
}
