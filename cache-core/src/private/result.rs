//! What the compiler checks about a cached function's result.

use serde::{Serialize, de::DeserializeOwned};

use crate::envelope::Wire;

/// A `Result`, under whatever alias.
#[diagnostic::on_unimplemented(
    message = "a cached function returns a `Result`, not `{Self}`",
    label = "not a `Result`",
    note = "write `Result<{Self}, DbErr>`, or an alias of it: only `Ok` values are stored"
)]
pub trait IsResult {
    /// What `Ok` holds.
    type Value;
    /// What `Err` holds.
    type Error;
}

impl<T, E> IsResult for Result<T, E> {
    type Value = T;
    type Error = E;
}

/// Says so at the result type if it is none.
pub fn require_result<R: IsResult>() {}

/// A value that has a form in the remote tier.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in the remote tier",
    label = "no form in the remote tier",
    note = "derive `serde::Serialize` and `serde::Deserialize`, or keep the values in process memory with `tier = \"local\"`"
)]
pub trait Stored: Serialize + DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + 'static> Stored for T {}

/// How values become bytes.
#[must_use]
pub fn wire<T: Stored>() -> Option<&'static Wire<T>> {
    Some(Wire::<T>::SERDE)
}

/// Gives the closure of `when` its argument's type.
pub fn condition<T, F: Fn(&T) -> bool + Sync>(condition: F) -> impl Fn(&T) -> bool + Sync {
    condition
}
