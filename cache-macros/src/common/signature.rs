//! Reads a function's parameters: which carries the cache, which can take part in a key.

use proc_macro2::Ident;
use quote::quote;
use syn::{
    FnArg, GenericArgument, Generics, Pat, PatType, PathArguments, Receiver, Signature, Type, TypeParamBound,
    visit::Visit,
};

use super::item::mentions;

/// How a parameter leads to a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Carrier {
    /// A transaction: the database answers.
    Transaction,
    /// The cache itself.
    Cache,
    /// The connection of this crate.
    Wrapper,
    /// Something that implements `ConnectionTrait`: known at run time.
    Generic,
    /// SeaORM's own connection: the installed cache.
    Plain,
    /// Named by `connection = ..`: by its type's implementation of `CacheSource`.
    Named,
}

/// One parameter that is not the receiver.
pub(crate) struct Param {
    pub arg: PatType,
    /// The names that its pattern binds; what it does not bind the body cannot see.
    pub bindings: Vec<Ident>,
    pub carrier: Option<Carrier>,
}

impl Param {
    fn new(arg: &PatType, generics: &Generics) -> Self {
        let mut names = Bindings(Vec::new());
        names.visit_pat(&arg.pat);
        Self { arg: arg.clone(), bindings: names.0, carrier: carrier(&arg.ty, generics) }
    }

    /// Whether the value is moved into the function, and from there into the body.
    pub(crate) fn is_moved(&self) -> bool {
        !matches!(&*self.arg.ty, Type::Reference(reference) if reference.mutability.is_none())
    }

    pub(crate) fn is_mutable_reference(&self) -> bool {
        matches!(&*self.arg.ty, Type::Reference(reference) if reference.mutability.is_some())
    }

    pub(crate) fn binds(&self, name: &Ident) -> bool {
        self.bindings.iter().any(|binding| binding == name)
    }

    /// The one name of a parameter that is not destructured.
    pub(crate) fn name(&self) -> Option<&Ident> {
        match &*self.arg.pat {
            Pat::Ident(pat) if pat.subpat.is_none() => Some(&pat.ident),
            _ => None,
        }
    }

    /// `&CachedConnection`, without a pointer such as `Arc` between.
    pub(crate) fn is_spelled_directly(&self) -> bool {
        let Type::Reference(reference) = &*self.arg.ty else { return false };
        matches!(&*reference.elem, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.arguments.is_none()))
    }

    pub(crate) fn is_impl_trait(&self) -> bool {
        matches!(bare(&self.arg.ty), Type::ImplTrait(_))
    }
}

/// The parameters of a function.
pub(crate) struct Params {
    pub receiver: Option<Receiver>,
    pub list: Vec<Param>,
}

impl Params {
    pub(crate) fn of(sig: &Signature) -> Self {
        let mut params = Self { receiver: None, list: Vec::new() };
        for arg in &sig.inputs {
            match arg {
                FnArg::Receiver(receiver) => params.receiver = Some(receiver.clone()),
                FnArg::Typed(arg) => params.list.push(Param::new(arg, &sig.generics)),
            }
        }
        params
    }

    pub(crate) fn binding(&self, name: &Ident) -> Option<&Param> {
        self.list.iter().find(|param| param.binds(name))
    }

    /// All names, for messages.
    pub(crate) fn names(&self) -> Vec<String> {
        self.list.iter().flat_map(|param| &param.bindings).map(ToString::to_string).collect()
    }

    /// "its arguments are `db` and `id`".
    pub(crate) fn shown(&self) -> String {
        let names: Vec<String> = self.names().iter().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "it has no arguments".into() } else { format!("its arguments are {}", names.join(", ")) }
    }

    /// The receiver is taken by value, so that fields of it move into the body.
    pub(crate) fn receiver_is_moved(&self) -> bool {
        self.receiver.as_ref().is_some_and(|receiver| receiver.reference.is_none() || receiver.mutability.is_some())
    }
}

struct Bindings(Vec<Ident>);

impl<'ast> Visit<'ast> for Bindings {
    fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
        self.0.push(pat.ident.clone());
        syn::visit::visit_pat_ident(self, pat);
    }
}

const CONNECTION_TRAITS: [&str; 3] = ["ConnectionTrait", "TransactionTrait", "StreamTrait"];

/// By the spelling of the type.
fn carrier(ty: &Type, generics: &Generics) -> Option<Carrier> {
    match bare(ty) {
        Type::ImplTrait(ty) => connects(ty.bounds.iter()).then_some(Carrier::Generic),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let name = last.ident.to_string();
            match name.as_str() {
                "CachedTransaction" | "DatabaseTransaction" => Some(Carrier::Transaction),
                "CachedConnection" => Some(Carrier::Wrapper),
                "DatabaseConnection" | "DbConn" => Some(Carrier::Plain),
                "DatabaseExecutor" => Some(Carrier::Generic),
                "Cache" if last.arguments.is_none() => Some(Carrier::Cache),
                _ if path.path.get_ident().is_some() => {
                    is_connection_parameter(&last.ident, generics).then_some(Carrier::Generic)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The type behind references, parentheses and shared pointers.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Reference(ty) => bare(&ty.elem),
        Type::Paren(ty) => bare(&ty.elem),
        Type::Group(ty) => bare(&ty.elem),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return ty };
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return ty };
            match arguments.args.first() {
                Some(GenericArgument::Type(inner))
                    if ["Arc", "Rc", "Box"].iter().any(|pointer| last.ident == pointer) =>
                {
                    bare(inner)
                }
                _ => ty,
            }
        }
        _ => ty,
    }
}

fn connects<'a>(mut bounds: impl Iterator<Item = &'a TypeParamBound>) -> bool {
    bounds.any(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|last| CONNECTION_TRAITS.iter().any(|name| last.ident == name))
        }
        _ => false,
    })
}

fn is_connection_parameter(name: &Ident, generics: &Generics) -> bool {
    let declared = generics.type_params().any(|param| param.ident == *name && connects(param.bounds.iter()));
    let in_where =
        generics.where_clause.iter().flat_map(|clause| &clause.predicates).any(|predicate| match predicate {
            syn::WherePredicate::Type(predicate) => {
                matches!(&predicate.bounded_ty, Type::Path(path) if path.path.is_ident(name))
                    && connects(predicate.bounds.iter())
            }
            _ => false,
        });
    declared || in_where
}

/// The generics of a function that takes only some of its parameters: without the type parameters that only the others name.
pub(crate) fn generics_of(sig: &Signature, kept: &[&Type], dropped: &[&Type]) -> Generics {
    let named = |types: &[&Type], name: &Ident| types.iter().any(|ty| mentions(quote!(#ty), &name.to_string()));
    let output = &sig.output;
    let gone: Vec<Ident> = sig
        .generics
        .type_params()
        .map(|param| param.ident.clone())
        .filter(|name| named(dropped, name) && !named(kept, name) && !mentions(quote!(#output), &name.to_string()))
        .collect();
    let mut generics = sig.generics.clone();
    generics.params = generics
        .params
        .into_iter()
        .filter(|param| !matches!(param, syn::GenericParam::Type(param) if gone.contains(&param.ident)))
        .collect();
    if let Some(clause) = &mut generics.where_clause {
        clause.predicates = std::mem::take(&mut clause.predicates)
            .into_iter()
            .filter(|predicate| !gone.iter().any(|name| mentions(quote!(#predicate), &name.to_string())))
            .collect();
    }
    generics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carriers(sig: &str) -> Vec<Option<Carrier>> {
        let sig: Signature = syn::parse_str(sig).unwrap_or_else(|error| panic!("{sig}: {error}"));
        Params::of(&sig).list.iter().map(|param| param.carrier).collect()
    }

    #[test]
    fn the_spelling_of_a_type_says_whether_it_carries_the_cache() {
        use Carrier::{Cache, Generic, Plain, Transaction, Wrapper};
        for (sig, expected) in [
            ("async fn f(db: &CachedConnection, id: i32)", vec![Some(Wrapper), None]),
            ("async fn f(db: &sea_orm_cache::CachedConnection)", vec![Some(Wrapper)]),
            ("async fn f(db: Arc<CachedConnection>)", vec![Some(Wrapper)]),
            ("async fn f(txn: &CachedTransaction)", vec![Some(Transaction)]),
            ("async fn f(txn: &DatabaseTransaction)", vec![Some(Transaction)]),
            ("async fn f(db: &DatabaseConnection)", vec![Some(Plain)]),
            ("async fn f(db: &'a DbConn)", vec![Some(Plain)]),
            ("async fn f(db: &impl ConnectionTrait)", vec![Some(Generic)]),
            ("async fn f(db: &(impl ConnectionTrait + Sync))", vec![Some(Generic)]),
            ("async fn f<C: ConnectionTrait>(db: &C)", vec![Some(Generic)]),
            ("async fn f<C>(db: &C) where C: sea_orm::TransactionTrait", vec![Some(Generic)]),
            ("async fn f<T: Serialize>(db: &T)", vec![None]),
            ("async fn f(cache: &Cache, other: moka::Cache<u8, u8>)", vec![Some(Cache), None]),
            ("async fn f(&self, id: i32)", vec![None]),
        ] {
            assert_eq!(carriers(sig), expected, "{sig}");
        }
    }

    #[test]
    fn a_companion_keeps_the_generics_that_its_parameters_name() {
        let sig: Signature = syn::parse_quote! {
            async fn f<'a, C, E: EntityTrait, T: Into<String>>(db: &C, name: T) -> Result<u64, DbErr>
            where C: ConnectionTrait, T: Serialize
        };
        let (c, t): (Type, Type) = (syn::parse_quote!(&C), syn::parse_quote!(T));
        let generics = generics_of(&sig, &[&t], &[&c]);
        let clause = &generics.where_clause;
        let shown = quote!(#generics #clause).to_string().replace(' ', "");
        assert_eq!(shown, "<'a,E:EntityTrait,T:Into<String>>whereT:Serialize");
    }

    #[test]
    fn a_pattern_binds_names() {
        let sig: Signature =
            syn::parse_quote!(async fn f((a, b): (i32, i32), Point { x, .. }: Point, _: u8, mut c: u8));
        assert_eq!(Params::of(&sig).names(), ["a", "b", "x", "c"]);
    }
}
