//! Decides what the code of one function will consist of.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Type, spanned::Spanned};

use super::{
    check::{Checked, Companions},
    key::{self, Key},
    parse::CachedArgs,
    time::duration,
};
use crate::common::{
    errors::Errors,
    item::Function,
    private, private_at,
    signature::Carrier,
    template::{Part, Template},
};

/// The parts from which the function and its companions are put together.
pub(crate) struct Plan {
    pub checked: Checked,
    pub key: Key,
    /// An expression of type `&'static Site`.
    pub site: TokenStream,
    /// The static behind it.
    pub site_static: TokenStream,
    /// An expression of type `Deps`.
    pub deps: TokenStream,
    /// Items that tell writers what readers depend on.
    pub registrations: Vec<TokenStream>,
    /// Puts the recording connection in place of the function's own.
    pub attach: TokenStream,
    /// The `when` condition, or nothing.
    pub when: Option<TokenStream>,
    /// How long the body may take: an expression of type `Option<(Duration, fn(Error) -> E)>`.
    pub hard_timeout: TokenStream,
    /// Values stay in process memory and need no serde traits.
    pub is_local: bool,
    pub names: Names,
}

/// Names of generated items.
pub(crate) struct Names {
    /// The associated function or the namespace's function that returns the site.
    pub site: Ident,
}

/// A local name that the user's code cannot see.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(&format!("__cached_{name}"), Span::mixed_site())
}

pub(crate) fn plan(args: &CachedArgs, function: &Function, checked: Checked, errors: &mut Errors) -> Plan {
    let name = function.name();
    let ident = &function.sig.ident;
    let names = Names {
        site: match checked.companions {
            Companions::Namespace => format_ident!("__site"),
            _ => format_ident!("__{name}_site"),
        },
    };
    let accessor = &names.site;
    let site = match checked.companions {
        Companions::Namespace => quote!(#ident::#accessor()),
        Companions::Associated => quote!(Self::#accessor()),
        Companions::None => quote!((&__CACHED_SITE)),
    };
    let key = key::plan(args, &function.sig, &checked, &quote!(#site), errors);
    let auto = args.invalidate_on.is_none() && args.tags.is_none();
    Plan {
        site_static: site_static(args, &name, errors),
        deps: deps(args),
        registrations: registrations(args, function),
        attach: if auto { attach(&checked) } else { TokenStream::new() },
        when: args.when.as_ref().map(|when| {
            let (private, value) = (private(), checked.value());
            quote_spanned!(when.span()=> #private::condition::<#value, _>(#when))
        }),
        hard_timeout: hard_timeout(args, &checked, errors),
        is_local: args.tier.as_ref().is_some_and(|tier| tier.value() == "local"),
        checked,
        key,
        site,
        names,
    }
}

fn site_static(args: &CachedArgs, name: &str, errors: &mut Errors) -> TokenStream {
    let private = private();
    let shown = args.name.as_ref().map_or_else(|| name.to_owned(), syn::LitStr::value);
    let chosen = args.name.is_some();
    let version = args.version.as_ref().and_then(|version| version.base10_parse::<u32>().ok()).unwrap_or(1);
    let policy = policy(args, errors);
    quote! {
        static __CACHED_SITE: #private::Site = #private::Site::new(
            #private::Function::new(::core::module_path!(), #shown, #version, #policy),
            #private::Place { name: #shown, module: ::core::module_path!(), line: ::core::line!(), version: #version, chosen: #chosen },
        );
        #private::inventory::submit! { #private::SiteRegistration(&__CACHED_SITE) }
    }
}

fn policy(args: &CachedArgs, errors: &mut Errors) -> TokenStream {
    let private = private();
    let mut fields: Vec<TokenStream> = Vec::new();
    for (name, expr) in [
        ("ttl", &args.ttl),
        ("negative_ttl", &args.negative_ttl),
        ("stale_while_revalidate", &args.stale_while_revalidate),
        ("stale_if_error", &args.stale_if_error),
        ("soft_timeout", &args.soft_timeout),
        ("lock_wait", &args.lock_wait),
    ] {
        let Some(expr) = expr else { continue };
        match duration(name, expr) {
            Ok(tokens) => {
                let field = Ident::new(name, Span::call_site());
                fields.push(quote_spanned!(expr.span()=> #field: ::core::option::Option::Some(#tokens)));
            }
            Err(error) => errors.push(error),
        }
    }
    for (name, expr) in
        [("jitter", &args.jitter), ("refresh_ahead", &args.refresh_ahead), ("xfetch_beta", &args.xfetch_beta)]
    {
        let number = match expr {
            None => continue,
            // `jitter = 0` and `jitter = 1` are shares as well.
            Some(syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(lit), .. })) => match lit.base10_parse::<u32>() {
                Ok(share) => {
                    let mut literal = Literal::f64_unsuffixed(f64::from(share));
                    literal.set_span(lit.span());
                    quote!(#literal)
                }
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            },
            Some(other) => quote!(#other),
        };
        let field = Ident::new(name, Span::call_site());
        fields.push(quote!(#field: ::core::option::Option::Some(#number)));
    }
    if let Some(lock) = &args.lock {
        fields.push(quote!(lock: ::core::option::Option::Some(#lock)));
    }
    let word = |lit: &syn::LitStr, words: &[(&str, TokenStream)]| {
        words.iter().find(|(word, _)| *word == lit.value()).map(|(_, tokens)| tokens.clone())
    };
    let consistency = args.consistency.as_ref().and_then(|lit| {
        word(
            lit,
            &[("strict", quote!(#private::Consistency::Strict)), ("bounded", quote!(#private::Consistency::Bounded))],
        )
    });
    let tier = args.tier.as_ref().and_then(|lit| {
        word(lit, &[("local", quote!(#private::TierChoice::Local)), ("remote", quote!(#private::TierChoice::Remote))])
    });
    let codec = args.codec.as_ref().and_then(|lit| {
        let named = |name: &str| {
            // At the literal, so that a codec whose feature is off is an error there.
            let name = Ident::new(name, lit.span());
            quote_spanned!(lit.span()=> #private::codecs::#name)
        };
        word(lit, &[("json", named("JSON")), ("messagepack", named("MESSAGE_PACK")), ("postcard", named("POSTCARD"))])
    });
    for (field, value) in [("consistency", consistency), ("tier", tier), ("codec", codec)] {
        if let Some(value) = value {
            let field = Ident::new(field, Span::call_site());
            fields.push(quote!(#field: ::core::option::Option::Some(#value)));
        }
    }
    if fields.is_empty() {
        quote!(#private::PolicyOverride::NONE)
    } else {
        quote!(#private::PolicyOverride { #(#fields,)* ..#private::PolicyOverride::NONE })
    }
}

fn hard_timeout(args: &CachedArgs, checked: &Checked, errors: &mut Errors) -> TokenStream {
    let Some(expr) = &args.hard_timeout else { return quote!(::core::option::Option::None) };
    let span = match duration("hard_timeout", expr) {
        Ok(span) => span,
        Err(error) => {
            errors.push(error);
            return quote!(::core::option::Option::None);
        }
    };
    let (private, error) = (private_at(expr.span()), checked.error());
    quote_spanned!(expr.span()=> ::core::option::Option::Some((#span, {
        #[allow(unused_imports)]
        use #private::expiry::{ByDbErr as _, ByError as _, NotAtAll as _};
        (&&&#private::Probe::<#error>::NEW).expiry()
    })))
}

fn deps(args: &CachedArgs) -> TokenStream {
    let private = private();
    if args.invalidate_on.is_none() && args.tags.is_none() {
        return quote!(#private::Deps::auto());
    }
    let list = local("deps");
    let borrowed = quote!(&mut #list);
    let targets = args.invalidate_on.iter().flatten().map(|target| target.dependency(&borrowed));
    let tags = args.tags.iter().flatten().map(|template| {
        let tag = tag(template);
        quote!(#list.push(#tag);)
    });
    quote!({
        let mut #list = #private::Deps::new();
        #(#targets)*
        #(#tags)*
        #list
    })
}

/// The tag of a text with arguments in it.
pub(crate) fn tag(template: &Template) -> TokenStream {
    let private = private();
    let parts = template.parts.iter().map(|part| match part {
        Part::Text(text) => quote!(.text(#text)),
        Part::Value(value) => {
            let expr = value.tokens();
            quote_spanned!(value.root.span()=> .value(&#expr))
        }
    });
    quote!(#private::TagTemplate::new() #(#parts)* .tag())
}

fn registrations(args: &CachedArgs, function: &Function) -> Vec<TokenStream> {
    args.invalidate_on.iter().flatten().filter_map(|target| target.registration(&function.sig.generics)).collect()
}

/// Statements are recorded through the connection as well as through the task, so that spawned work is seen.
fn attach(checked: &Checked) -> TokenStream {
    let private = private();
    let scope = local("scope");
    let wrappers = checked.params.list.iter().filter(|param| param.carrier == Some(Carrier::Wrapper));
    wrappers
        .filter_map(|param| {
            let name = param.name()?;
            let Type::Reference(reference) = &*param.arg.ty else { return None };
            // Behind a pointer such as `Arc` it keeps its type: the task records.
            let Type::Path(_) = &*reference.elem else { return None };
            (param.is_spelled_directly() && reference.mutability.is_none()).then(|| {
                quote! {
                    #[allow(unused_variables)]
                    let #name = &#private::Scope::attach(&#scope, #name);
                }
            })
        })
        .collect()
}
