//! What the attributes of writing functions share: their options, what they ask of the function, and the parts of its new body.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, ReturnType, parse::ParseStream};

use super::{
    args::{equals, set},
    errors::Errors,
    item::{Function, mentions},
    private,
    signature::Params,
    source::Source,
};

/// Where the cache comes from, if the arguments do not say so.
#[derive(Default)]
pub(crate) struct Options {
    connection: Option<Ident>,
    cache: Option<Expr>,
}

impl Options {
    /// Reads the value of an option; `expected` says what else the attribute takes.
    pub(crate) fn read(
        &mut self,
        name: &Ident,
        input: ParseStream<'_>,
        expected: &str,
        errors: &mut Errors,
    ) -> syn::Result<()> {
        use syn::ext::IdentExt;
        match name.to_string().as_str() {
            "connection" => {
                equals(name, input, "connection = db")?;
                let connection = input.call(Ident::parse_any)?;
                set(&mut self.connection, name, connection, errors);
            }
            "cache" => {
                equals(name, input, "cache = self.cache")?;
                let cache = input.parse()?;
                set(&mut self.cache, name, cache, errors);
            }
            other => {
                let text = format!("unknown argument `{other}`: {expected}; the options are `connection` and `cache`");
                return Err(syn::Error::new(name.span(), text));
            }
        }
        Ok(())
    }
}

/// A writing function with what its attribute knows of it.
pub(crate) struct Writer<'a> {
    pub(crate) function: &'a Function,
    pub(crate) params: Params,
    pub(crate) source: Source,
}

impl<'a> Writer<'a> {
    /// Finds the cache among the arguments, and checks what is asked of every such function.
    pub(crate) fn new(function: &'a Function, options: &Options, errors: &mut Errors) -> Self {
        let mut params = Params::of(&function.sig);
        let source = Source::find(&mut params, options.connection.as_ref(), options.cache.as_ref(), errors);
        let sig = &function.sig;
        if sig.asyncness.is_none() {
            let text = format!("only an async function can be annotated: write `async fn {}`", function.name());
            errors.at(sig.fn_token, text);
        }
        if let Some(token) = &sig.unsafety {
            errors.at(token, "an unsafe function cannot be annotated: annotate a safe one that calls it");
        }
        if let ReturnType::Type(_, ty) = &sig.output
            && mentions(quote!(#ty), "impl")
        {
            errors.at(ty, "`impl Trait` cannot be named by the generated code: write the type");
        }
        if options.cache.as_ref().is_some_and(|expr| mentions(quote!(#expr), "self")) && params.receiver.is_none() {
            errors.at(&options.cache, "`self` is not there in a function without a receiver");
        }
        Self { function, params, source }
    }

    /// The type that it returns.
    pub(crate) fn output(&self) -> TokenStream {
        match &self.function.sig.output {
            ReturnType::Type(_, ty) => quote!(#ty),
            ReturnType::Default => quote!(()),
        }
    }

    /// How it says that it was refused: an expression of type `Option<fn(Error) -> Output>`.
    pub(crate) fn refusal(&self) -> TokenStream {
        let (private, output) = (private(), self.output());
        quote_spanned!(self.function.sig.ident.span()=> {
            #[allow(unused_imports)]
            use #private::refusal::{ByDbErr as _, ByError as _, NotAtAll as _};
            (&&&#private::Probe::<#output>::NEW).refusal()
        })
    }

    /// Its own body, as what is run around something.
    pub(crate) fn work(&self) -> TokenStream {
        let (output, body) = (self.output(), &self.function.body);
        quote!(async move || -> #output #body)
    }
}

/// Reads the function and puts `body` in place of its own, if it has one and there were no errors. The function itself is emitted
/// in every case.
pub(crate) fn expand(
    item: &TokenStream,
    body: impl FnOnce(&Function, &mut Errors) -> Option<TokenStream>,
) -> TokenStream {
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = error.to_compile_error();
            return quote!(#error #item);
        }
    };
    let mut errors = Errors::default();
    match body(&function, &mut errors).filter(|_| errors.is_empty()) {
        Some(body) => function.with_body(&body),
        None => {
            let errors = errors.to_compile_errors();
            quote!(#errors #item)
        }
    }
}
