//! `#[derive(CachedEntity)]`: index columns and cascades of a `Model`.

use heck::ToUpperCamelCase;
use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Attribute, Data, DeriveInput, Fields, Token, ext::IdentExt, parse::ParseStream, punctuated::Punctuated, token,
};

use crate::common::{
    args::each,
    errors::{Errors, hint},
    private,
    target::{Target, TargetPart},
};

const NOT_A_MODEL: &str = "`CachedEntity` is derived on the `Model` of an entity, a struct with named fields";

#[derive(Default)]
struct Declared {
    indexes: Vec<Ident>,
    cascades: Vec<(Target, Ident)>,
    write_through: Option<Ident>,
}

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let fields = fields(&input, &mut errors);
    let mut declared = Declared::default();
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("cached_entity")) {
        parse(attr, &mut declared, &mut errors);
    }
    check(&declared, &fields, &mut errors);
    if !errors.is_empty() {
        return errors.to_compile_errors();
    }
    expand(&input, &declared)
}

fn fields(input: &DeriveInput, errors: &mut Errors) -> Vec<Ident> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => {
                if !input.generics.params.is_empty() {
                    errors.at(&input.generics, "a `Model` has no generics");
                }
                return fields.named.iter().filter_map(|field| field.ident.clone()).collect();
            }
            _ => errors.at(&input.ident, NOT_A_MODEL),
        },
        _ => errors.at(&input.ident, NOT_A_MODEL),
    }
    Vec::new()
}

fn parse(attr: &Attribute, declared: &mut Declared, errors: &mut Errors) {
    let tokens = match attr.meta.require_list() {
        Ok(list) => list.tokens.clone(),
        Err(_) => {
            errors.at(attr, "write `#[cached_entity(index(author_id), cascade(Post(author_id = id)))]`");
            return;
        }
    };
    each(tokens, errors, |input, _| argument(declared, input));
}

fn argument(declared: &mut Declared, input: ParseStream<'_>) -> syn::Result<()> {
    let Ok(name) = input.call(Ident::parse_any) else {
        return Err(input.error("expected `index(column)`, `cascade(Post(author_id = id))` or `write_through`"));
    };
    let example = match name.to_string().as_str() {
        "index" => "index(author_id)",
        "cascade" => "cascade(Post(author_id = id))",
        "write_through" => {
            if input.peek(token::Paren) || input.peek(Token![=]) {
                return Err(input.error("`write_through` stands alone: write `#[cached_entity(write_through)]`"));
            }
            if declared.write_through.replace(name.clone()).is_some() {
                return Err(syn::Error::new(name.span(), "`write_through` is said already: keep one of them"));
            }
            return Ok(());
        }
        other => {
            let hint = hint(other, &["index", "cascade", "write_through"]);
            let text = format!(
                "unknown argument `{other}`: {hint}the arguments are `index(column)`, `cascade(Post(author_id = id))` and `write_through`"
            );
            return Err(syn::Error::new(name.span(), text));
        }
    };
    if !input.peek(token::Paren) {
        return Err(syn::Error::new(name.span(), format!("write `{example}`")));
    }
    let inside;
    syn::parenthesized!(inside in input);
    if inside.is_empty() {
        return Err(syn::Error::new(name.span(), format!("write `{example}`")));
    }
    if name == "index" {
        declared.indexes.extend(Punctuated::<Ident, Token![,]>::parse_terminated_with(&inside, Ident::parse_any)?);
        return Ok(());
    }
    for target in Punctuated::<Target, Token![,]>::parse_terminated(&inside)? {
        let TargetPart::Index { value, .. } = &target.part else {
            return Err(syn::Error::new_spanned(
                &target.entity,
                format!("name the dependent's column and this entity's: `{example}`"),
            ));
        };
        let syn::Expr::Path(path) = value else {
            return Err(syn::Error::new_spanned(value, format!("a column of this entity stands here: `{example}`")));
        };
        let own = path.path.require_ident()?.clone();
        declared.cascades.push((target, own));
    }
    Ok(())
}

fn check(declared: &Declared, fields: &[Ident], errors: &mut Errors) {
    let known: Vec<String> = fields.iter().map(|field| field.unraw().to_string()).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let list = known.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
    let mut seen: Vec<&Ident> = Vec::new();
    for column in declared.indexes.iter().chain(declared.cascades.iter().map(|(_, own)| own)) {
        let name = column.unraw().to_string();
        if !fields.is_empty() && !known.contains(&name.as_str()) {
            errors.at(
                column,
                format!("`{name}` is not a field of this model: {}its fields are {list}", hint(&name, &known)),
            );
        }
    }
    for column in &declared.indexes {
        if seen.contains(&column) {
            errors.at(column, format!("`{column}` is an index already: keep one of them"));
        }
        seen.push(column);
    }
}

fn expand(input: &DeriveInput, declared: &Declared) -> TokenStream {
    let private = private();
    let model = &input.ident;
    let entity = quote!(<#model as #private::ModelTrait>::Entity);
    let column = |entity: &TokenStream, name: &Ident| {
        let variant = Ident::new(&name.unraw().to_string().to_upper_camel_case(), name.span());
        quote_spanned!(name.span()=> <<#entity as #private::EntityTrait>::Column>::#variant)
    };
    let indexes = declared.indexes.iter().map(|name| column(&entity, name));
    let cascades = declared.cascades.iter().filter_map(|(target, own)| {
        let TargetPart::Index { column: dependent, .. } = &target.part else { return None };
        let path = &target.entity;
        let dependent = column(&quote!(#path), dependent);
        let own = column(&entity, own);
        Some(quote!(#private::Cascade::new(#dependent, #own)))
    });
    let write_through = declared.write_through.as_ref().map(|name| {
        // At the argument, so that a model without serde's traits is an error there.
        let made = quote_spanned!(name.span()=> #private::write_through::<Self>());
        quote! {
            fn cached_write_through() -> ::core::option::Option<#private::WriteThrough> {
                ::core::option::Option::Some(#made)
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #private::CachedEntity for #entity {
            fn cached_indexes() -> ::std::vec::Vec<<Self as #private::EntityTrait>::Column> {
                ::std::vec![#(#indexes),*]
            }

            fn cached_cascades() -> ::std::vec::Vec<#private::Cascade> {
                ::std::vec![#(#cascades),*]
            }

            #write_through
        }

        #private::inventory::submit! { #private::EntityRegistration::of::<#entity>() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_and_cascades_become_columns() {
        let text = derive(quote! {
            #[cached_entity(index(author_id, slug), cascade(Comment(post_id = id)))]
            pub struct Model { pub id: i32, pub author_id: i32, pub slug: String }
        })
        .to_string();
        for part in [":: AuthorId", ":: Slug", ":: PostId", "Cascade :: new", "EntityRegistration :: of"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn write_through_is_a_word_of_its_own() {
        let text = |tokens| derive(tokens).to_string();
        let through = text(quote! {
            #[cached_entity(index(slug), write_through)]
            pub struct Model { pub id: i32, pub slug: String }
        });
        assert!(through.contains("fn cached_write_through") && !through.contains("compile_error"), "{through}");
        let twice = text(quote! {
            #[cached_entity(write_through, write_through)]
            pub struct Model { pub id: i32 }
        });
        assert!(twice.contains("said already"), "{twice}");
        let valued = text(quote! {
            #[cached_entity(write_through = true)]
            pub struct Model { pub id: i32 }
        });
        assert!(valued.contains("stands alone"), "{valued}");
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let text = derive(quote! {
            #[cached_entity(index(autor_id), index(id, id), indx(id), cascade(Post(id)), index)]
            #[cached_entity]
            pub struct Model { pub id: i32, pub author_id: i32 }
        })
        .to_string();
        for says in [
            "did you mean `author_id`",
            "index already",
            "did you mean `index`",
            "name the dependent's column",
            "write `index(author_id)`",
        ] {
            assert!(text.contains(says), "{says}: {text}");
        }
        assert!(
            derive(quote!(
                enum Model {
                    A,
                }
            ))
            .to_string()
            .contains("struct with named fields")
        );
    }
}
