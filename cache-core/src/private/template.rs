//! Texts and keys made of a call's arguments.

use std::fmt::{Display, Write};

use serde::Serialize;

use super::site::Site;
use crate::{
    error::{Error, ErrorKind},
    key::{KeyText, encode_args, plain_key},
    tag::Tag,
};

/// An argument that can take part in a key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot take part in the key of a cached function",
    label = "cannot take part in the key",
    note = "derive `serde::Serialize` for it, leave the argument out with `skip(..)`, or name what matters with `key = \"..\"`"
)]
pub trait KeyPart: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> KeyPart for T {}

/// The argument itself. Its type is hidden, so that the compiler speaks of one that cannot be serialised once.
#[inline]
pub fn part<T: KeyPart + ?Sized>(value: &T) -> impl Serialize {
    value
}

/// The key of a call of the function whose site has this prefix.
///
/// # Errors
///
/// [`ErrorKind::Encode`] if an argument's `Serialize` fails.
#[inline]
pub fn encode_key<T: Serialize + ?Sized>(prefix: &'static str, args: &T) -> Result<KeyText, Error> {
    encode_args(prefix, args)
}

/// The value of a constant parameter.
pub fn constant<T: Serialize>(value: T) -> T {
    value
}

/// The full name of a type.
#[must_use]
pub fn type_name<T: ?Sized>() -> &'static str {
    std::any::type_name::<T>()
}

/// `tags = ["feed:{user}"]`
#[derive(Default)]
pub struct TagTemplate(String);

impl TagTemplate {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What stands between the arguments.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.0.push_str(text);
        self
    }

    /// An argument. One whose `Display` fails is left out: the tag is coarser then.
    #[must_use]
    pub fn value(mut self, value: &(impl Display + ?Sized)) -> Self {
        let before = self.0.len();
        if write!(self.0, "{value}").is_err() {
            self.0.truncate(before);
        }
        self
    }

    /// The tag.
    #[must_use]
    pub fn tag(self) -> Tag {
        Tag::named(&self.0)
    }
}

/// `key = "user:{id}"`. Values are escaped, so that what separates them in the template occurs in none of them.
#[derive(Default)]
pub struct KeyTemplate {
    text: String,
    failed: bool,
}

impl KeyTemplate {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What stands between the arguments.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// An argument.
    #[must_use]
    pub fn value(mut self, value: &(impl Display + ?Sized)) -> Self {
        self.failed |= write!(Escaped(&mut self.text), "{value}").is_err();
        self
    }

    /// A type that the result may depend on.
    #[must_use]
    pub fn type_name(mut self, name: &str) -> Self {
        self.text.push('@');
        self.text.push_str(name);
        self
    }

    /// The key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`] if the `Display` of an argument failed.
    pub fn key(self, site: &'static Site) -> Result<KeyText, Error> {
        if self.failed {
            return Err(Error::new(
                ErrorKind::Encode,
                format!("cannot make a key of the arguments for {}", site.prefix()),
            ));
        }
        Ok(plain_key(site.prefix(), &self.text))
    }
}

struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mut utf8 = [0; 4];
        for c in text.chars() {
            // The macro asks for another character than these between two values.
            if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') {
                self.0.push(c);
            } else {
                for byte in c.encode_utf8(&mut utf8).bytes() {
                    write!(self.0, "%{byte:02x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{__private::site::Place, engine::call::Function, policy::PolicyOverride};

    static SITE: Site = Site::new(
        Function::new("m", "f", 3, PolicyOverride::NONE),
        Place { name: "f", module: "m", line: 1, version: 3, chosen: true },
    );

    #[test]
    fn values_cannot_reach_over_what_separates_them() {
        let key = |a: &str, b: &str| {
            let key = KeyTemplate::new().text("k:").value(a).text(":").value(b).key(&SITE);
            key.map(|key| key.to_string()).unwrap_or_default()
        };
        assert_eq!(key("a", "b-1.5"), "f:v3:k:a:b-1.5");
        assert_ne!(key("a", "b:c"), key("a:b", "c"));
        assert_ne!(key("a%3ab", "c"), key("a:b", "c"));
        assert_ne!(key("", "x"), key("x", ""));
    }

    #[test]
    fn a_tag_reads_as_the_text_says() {
        assert_eq!(TagTemplate::new().text("feed:").value(&42).tag(), Tag::named("feed:42"));
    }

    #[test]
    fn a_value_that_cannot_be_shown_makes_no_key() {
        struct Broken;
        impl Display for Broken {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                Err(std::fmt::Error)
            }
        }
        assert!(KeyTemplate::new().value(&Broken).key(&SITE).is_err_and(|error| error.kind() == ErrorKind::Encode));
    }
}
