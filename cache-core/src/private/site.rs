//! The place in the source where a cached function stands.

use std::sync::OnceLock;

use crate::{engine::call::Function, key::clean_prefix};

/// One annotated function.
pub struct Site {
    function: Function,
    place: Place,
    prefix: OnceLock<String>,
}

/// What tells functions of one name apart.
pub struct Place {
    /// The name in keys.
    pub name: &'static str,
    /// The module.
    pub module: &'static str,
    /// The line.
    pub line: u32,
    /// Part of the key.
    pub version: u32,
    /// Whether the user chose the name: then it is taken as it is.
    pub chosen: bool,
}

/// Makes a site known at link time.
pub struct SiteRegistration(pub &'static Site);

inventory::collect!(SiteRegistration);

impl Site {
    /// Describes a function.
    #[must_use]
    pub const fn new(function: Function, place: Place) -> Self {
        Self { function, place, prefix: OnceLock::new() }
    }

    #[inline]
    pub(super) fn function(&'static self) -> &'static Function {
        &self.function
    }

    /// What every key of the function begins with: `find_user:v1:`. Functions that share a name are told apart by their modules, so
    /// that they do not overwrite each other's entries again and again.
    #[inline]
    pub fn prefix(&'static self) -> &'static str {
        self.prefix.get_or_init(|| {
            let all = inventory::iter::<SiteRegistration>().map(|registration| registration.0);
            let others: Vec<&Place> = all.filter(|site| !std::ptr::eq(*site, self)).map(|site| &site.place).collect();
            clean_prefix(&prefix(&self.place, &others))
        })
    }
}

fn prefix(own: &Place, others: &[&Place]) -> String {
    let Place { name, module, line, version, chosen } = own;
    let mut namesakes = others.iter().filter(|other| other.name == own.name && other.version == own.version).peekable();
    if *chosen || namesakes.peek().is_none() {
        format!("{name}:v{version}:")
    } else if namesakes.any(|other| other.module == own.module) {
        format!("{module}::{name}#{line}:v{version}:")
    } else {
        format!("{module}::{name}:v{version}:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(module: &'static str, line: u32, chosen: bool) -> Place {
        Place { name: "find", module, line, version: 1, chosen }
    }

    #[test]
    fn a_prefix_is_as_short_as_it_can_be_unambiguous() {
        let own = place("app::user", 7, false);
        assert_eq!(prefix(&own, &[]), "find:v1:");
        assert_eq!(prefix(&own, &[&Place { version: 2, ..place("app::user", 9, false) }]), "find:v1:");
        assert_eq!(prefix(&own, &[&place("app::post", 7, false)]), "app::user::find:v1:");
        assert_eq!(prefix(&own, &[&place("app::user", 9, false)]), "app::user::find#7:v1:");
        assert_eq!(prefix(&place("app::user", 7, true), &[&own]), "find:v1:");
    }
}
