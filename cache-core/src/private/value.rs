//! Arguments as primary keys and index values.

use sea_orm::Value;

/// A value of a primary key, or of one column of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the primary key, which is `{K}`",
    label = "not `{K}`",
    note = "write the key's columns in their order, such as `User(id)` or `Member(user, team)`; of a reference to a number `*id`"
)]
pub trait IntoKey<K> {
    /// As the key.
    fn into_key(self) -> K;
}

#[diagnostic::do_not_recommend]
impl<T: Into<K>, K> IntoKey<K> for T {
    fn into_key(self) -> K {
        self.into()
    }
}

/// The value as a key.
pub fn key_value<K, T: IntoKey<K>>(value: T) -> K {
    value.into_key()
}

/// A value that a column can be compared with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a column",
    label = "not the value of a column",
    note = "write a value that SeaORM can bind, such as `Post(author_id = author)`; of a reference to a number `*author`"
)]
pub trait IntoIndexValue {
    /// As SeaORM's value.
    fn into_index_value(self) -> Value;
}

#[diagnostic::do_not_recommend]
impl<T: Into<Value>> IntoIndexValue for T {
    fn into_index_value(self) -> Value {
        self.into()
    }
}

/// The value as SeaORM's.
pub fn index_value<T: IntoIndexValue>(value: T) -> Value {
    value.into_index_value()
}
