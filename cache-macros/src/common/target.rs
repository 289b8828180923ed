//! What is depended on, or made stale: `User`, `User(id)`, `Post(author_id = author)`.

use heck::ToUpperCamelCase;
use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Expr, LitStr, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    spanned::Spanned,
    token,
};

use super::{item::mentions, private, private_at};

/// A table, a row of it, or the rows with one value of one column.
pub(crate) struct Target {
    pub entity: Path,
    pub part: TargetPart,
}

pub(crate) enum TargetPart {
    Table,
    Row(Vec<Expr>),
    Index { column: Ident, value: Expr },
}

impl Parse for Target {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let Ok(entity) = input.call(Path::parse_mod_style) else {
            return Err(input.error("expected an entity: `User`, `User(id)` or `Post(author_id = author)`"));
        };
        if !input.peek(token::Paren) {
            return Ok(Self { entity, part: TargetPart::Table });
        }
        let inside;
        syn::parenthesized!(inside in input);
        let part = if inside.peek(syn::Ident::peek_any) && inside.peek2(Token![=]) && !inside.peek2(Token![==]) {
            let column = inside.call(Ident::parse_any)?;
            inside.parse::<Token![=]>()?;
            let value = inside.parse()?;
            inside.parse::<Option<Token![,]>>()?;
            if !inside.is_empty() {
                let rest: TokenStream = inside.parse()?;
                let text =
                    "one column for each entity: write `[Post(author_id = a), Post(topic = t)]` to depend on either";
                return Err(syn::Error::new_spanned(rest, text));
            }
            TargetPart::Index { column, value }
        } else {
            let key = Punctuated::<Expr, Token![,]>::parse_terminated(&inside)?;
            if let Some(assignment) = key.iter().find(|expr| matches!(expr, Expr::Assign(_))) {
                let text = "either the primary key (`User(id)`) or one column (`Post(author_id = author)`)";
                return Err(syn::Error::new_spanned(assignment, text));
            }
            if key.is_empty() {
                let shown = quote!(#entity).to_string().replace(' ', "");
                let text = format!("write `{shown}(id)` for one row, or `{shown}` for the whole table");
                return Err(syn::Error::new_spanned(&entity, text));
            }
            TargetPart::Row(key.into_iter().collect())
        };
        Ok(Self { entity, part })
    }
}

impl Target {
    /// `"User, Post(author_id = a)"`: parsed as if it were written without the quotes, with errors at the literal.
    pub(crate) fn parse_text(lit: &LitStr) -> syn::Result<Vec<Self>> {
        if lit.value().trim().is_empty() {
            return Err(syn::Error::new(lit.span(), "name an entity: \"User\""));
        }
        let parsed = lit.parse_with(Punctuated::<Self, Token![,]>::parse_terminated).map_err(|error| {
            syn::Error::new(
                lit.span(),
                format!("{error}: write \"User\", \"User(id)\" or \"Post(author_id = author)\""),
            )
        })?;
        Ok(parsed.into_iter().collect())
    }

    /// Whether code outside the function can name the entity: neither a generic parameter of it nor `Self`.
    fn is_nameable(&self, generics: &syn::Generics) -> bool {
        let Some(first) = self.entity.segments.first() else { return false };
        let alone = self.entity.leading_colon.is_none() && first.ident != "Self";
        // A parameter of the surrounding impl is not visible from here: one or two capitals are taken for one.
        let name = first.ident.to_string();
        let like_a_parameter = self.entity.segments.len() == 1 && name.len() <= 2 && name == name.to_uppercase();
        (alone || self.entity.leading_colon.is_some())
            && !like_a_parameter
            && !generics.type_params().any(|param| param.ident == first.ident)
    }

    fn entity_column(&self, column: &Ident) -> TokenStream {
        let entity = &self.entity;
        let private = private();
        let variant = Ident::new(&column.unraw().to_string().to_upper_camel_case(), column.span());
        quote_spanned!(column.span()=> <<#entity as #private::EntityTrait>::Column>::#variant)
    }

    /// `function::<User>(list, key)`, by the part.
    fn call(&self, list: &TokenStream, names: [&str; 3]) -> TokenStream {
        let entity = &self.entity;
        let span = entity.span();
        let private = private_at(span);
        let [table, row, index] = names.map(|name| Ident::new(name, span));
        match &self.part {
            TargetPart::Table => quote_spanned!(span=> #private::#table::<#entity>(#list);),
            TargetPart::Row(key) => {
                let values = key.iter().map(|expr| {
                    let value = owned(expr);
                    let private = private_at(expr.span());
                    quote_spanned!(expr.span()=> #private::key_value(#value))
                });
                // A key of one column is its own type, of several a tuple.
                let key = if key.len() == 1 { quote!(#(#values)*) } else { quote!((#(#values),*)) };
                quote_spanned!(span=> #private::#row::<#entity>(#list, #key);)
            }
            TargetPart::Index { column, value } => {
                let path = self.entity_column(column);
                let owned = owned(value);
                let at_value = private_at(value.span());
                let value = quote_spanned!(value.span()=> #at_value::index_value(#owned));
                quote_spanned!(span=> #private::#index::<#entity>(#list, #path, #value);)
            }
        }
    }

    /// Adds it to a reader's dependencies.
    pub(crate) fn dependency(&self, deps: &TokenStream) -> TokenStream {
        self.call(deps, ["table_dep", "row_dep", "index_dep"])
    }

    /// Adds it to what a writer makes stale.
    pub(crate) fn stale(&self, targets: &TokenStream) -> TokenStream {
        self.call(targets, ["table_target", "row_target", "index_target"])
    }

    /// Tells writers of this process the table's key, so that they can name the rows they touch.
    pub(crate) fn registration(&self, generics: &syn::Generics) -> Option<TokenStream> {
        if !self.is_nameable(generics) {
            return None;
        }
        if matches!(self.part, TargetPart::Table) {
            return None;
        }
        let private = private();
        let entity = &self.entity;
        Some(quote! {
            #private::inventory::submit! { #private::EntityRegistration::plain::<#entity>() }
        })
    }
}

/// A copy of what a plain name or field holds: the body may still need it. Other expressions make their own value.
fn owned(expr: &Expr) -> TokenStream {
    match expr {
        Expr::Path(_) | Expr::Field(_) => quote_spanned!(expr.span()=> ::core::clone::Clone::clone(&#expr)),
        _ => quote!(#expr),
    }
}

/// Whether an expression names one of the words.
pub(crate) fn names(expr: &Expr, word: &Ident) -> bool {
    mentions(quote!(#expr), &word.to_string())
}
