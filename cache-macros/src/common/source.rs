//! Plans where a function finds its cache.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, spanned::Spanned};

use super::{
    errors::{Errors, hint},
    private,
    signature::{Carrier, Param, Params},
    target::names,
};

/// Where the cache comes from.
pub(crate) struct Source {
    /// `cache = ..`
    expr: Option<Expr>,
    /// The positions of the parameters that carry the cache or a transaction, the one to ask first in front.
    pub carriers: Vec<usize>,
    /// The positions of the parameters that `cache = ..` names.
    pub named_by_expr: Vec<usize>,
}

impl Source {
    /// Finds the carriers. `connection` names one whose type says nothing.
    pub(crate) fn find(
        params: &mut Params,
        connection: Option<&Ident>,
        cache: Option<&Expr>,
        errors: &mut Errors,
    ) -> Self {
        if let Some(name) = connection {
            let known = params.names();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let shown = params.shown();
            match params.list.iter_mut().find(|param| param.binds(name)) {
                Some(param) => {
                    param.carrier.get_or_insert(Carrier::Named);
                }
                None => errors.at(
                    name,
                    format!("`{name}` is not an argument of this function: {}{shown}", hint(&name.to_string(), &known)),
                ),
            }
        }
        let mut carriers: Vec<usize> =
            params.list.iter().enumerate().filter(|(_, param)| param.carrier.is_some()).map(|(at, _)| at).collect();
        for param in carriers.iter().filter_map(|at| params.list.get(*at)) {
            if param.name().is_none() {
                errors.at(&param.arg.pat, "the connection needs a plain name here, such as `db`");
            }
        }
        carriers.sort_by_key(|at| {
            let param = params.list.get(*at);
            let chosen = connection.is_some_and(|name| param.is_some_and(|param| param.binds(name)));
            (!chosen, param.and_then(|param| param.carrier).map(rank))
        });
        let named_by_expr = cache.map_or_else(Vec::new, |expr| {
            let named = |param: &Param| param.bindings.iter().any(|name| names(expr, name));
            params.list.iter().enumerate().filter(|(_, param)| named(param)).map(|(at, _)| at).collect()
        });
        Self { expr: cache.cloned(), carriers, named_by_expr }
    }

    /// Whether the parameter leads to the cache: such parameters take no part in keys.
    pub(crate) fn is_carried_by(&self, at: usize) -> bool {
        self.carriers.contains(&at) || self.named_by_expr.contains(&at)
    }

    /// Whether `cache = ..` needs the receiver.
    pub(crate) fn needs_receiver(&self) -> bool {
        self.expr.as_ref().is_some_and(|expr| super::item::mentions(quote!(#expr), "self"))
    }

    /// The expression of a source, valid as long as the parameters are.
    pub(crate) fn tokens(&self, params: &Params) -> TokenStream {
        let private = private();
        let mut found = self.carriers.iter().filter_map(|at| params.list.get(*at));
        let first = match &self.expr {
            Some(expr) => Some(self.of_expr(expr, params)),
            None => found.next().map(of_param),
        };
        // A transaction among the others has the last word: inside it the database answers.
        let others = found
            .filter(|param| matches!(param.carrier, Some(Carrier::Transaction | Carrier::Generic | Carrier::Named)))
            .map(of_param);
        match first {
            Some(first) => quote!(#first #(.unless_in(#others))*),
            None => quote!(#private::default_source()),
        }
    }

    /// Whether `cache = ..` is given.
    pub(crate) fn has_expression(&self) -> bool {
        self.expr.is_some()
    }

    /// The source that `cache = ..` says, whatever the other parameters are.
    pub(crate) fn expression(&self, params: &Params) -> TokenStream {
        let private = private();
        self.expr.as_ref().map_or_else(|| quote!(#private::default_source()), |expr| self.of_expr(expr, params))
    }

    fn of_expr(&self, expr: &Expr, params: &Params) -> TokenStream {
        let private = private();
        let source = quote_spanned!(expr.span()=> #private::CacheSource::cache_source(&(#expr)));
        let named_is_moved = self.named_by_expr.iter().filter_map(|at| params.list.get(*at)).any(Param::is_moved);
        // A place behind a reference stays where it is; anything else must not be borrowed while the body takes it.
        let is_place = matches!(expr, Expr::Path(_) | Expr::Field(_) | Expr::Reference(_) | Expr::Paren(_));
        if !is_place || named_is_moved || (self.needs_receiver() && params.receiver_is_moved()) {
            quote!(#source.into_owned())
        } else {
            source
        }
    }
}

fn of_param(param: &Param) -> TokenStream {
    let private = private();
    let Some(name) = param.name() else { return quote!(#private::default_source()) };
    let span = param.arg.ty.span();
    let borrowed = match param.carrier {
        Some(Carrier::Generic) => {
            let name = if param.is_moved() && !param.is_mutable_reference() { quote!(&#name) } else { quote!(&*#name) };
            quote_spanned!(span=> #private::generic_source(#name))
        }
        _ => quote_spanned!(span=> #private::CacheSource::cache_source(&#name)),
    };
    if param.is_moved() { quote!(#borrowed.into_owned()) } else { borrowed }
}

fn rank(carrier: Carrier) -> u8 {
    match carrier {
        Carrier::Named => 0,
        Carrier::Cache => 1,
        Carrier::Wrapper => 2,
        Carrier::Transaction => 3,
        Carrier::Generic => 4,
        Carrier::Plain => 5,
    }
}
