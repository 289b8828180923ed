//! Chooses by what a type implements.
//!
//! A method call on `&&Probe` finds the impl for the outermost reference whose bounds hold, else the next one: the trait in scope
//! with the most references is asked first.

use std::marker::PhantomData;

/// Stands for a type without a value of it.
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// The probe.
    pub const NEW: Self = Self(PhantomData);
}

/// What a value says about the rows it was made of.
pub mod presence {
    use std::sync::Arc;

    use sea_orm::ModelTrait;

    use super::Probe;
    use crate::engine::call::Presence;

    /// Options and lists.
    pub trait ByShape {
        /// What they hold.
        type Value;
        /// How to look at one.
        fn presence(&self) -> fn(&Self::Value) -> Presence;
    }

    /// A model is a row.
    pub trait ByModel {
        /// The model.
        type Value;
        /// How to look at one.
        fn presence(&self) -> fn(&Self::Value) -> Presence;
    }

    /// A shared model is a row.
    pub trait BySharedModel {
        /// The shared model.
        type Value;
        /// How to look at one.
        fn presence(&self) -> fn(&Self::Value) -> Presence;
    }

    /// Anything else does not say.
    pub trait ByNothing {
        /// Anything.
        type Value;
        /// How to look at one.
        fn presence(&self) -> fn(&Self::Value) -> Presence;
    }

    fn option<T>(value: Option<&T>) -> Presence {
        if value.is_some() { Presence::Present } else { Presence::Absent }
    }

    fn list(is_empty: bool) -> Presence {
        // A list that holds rows says nothing about those it does not hold.
        if is_empty { Presence::Empty } else { Presence::Unknown }
    }

    impl<T> ByShape for &&&Probe<Option<T>> {
        type Value = Option<T>;
        fn presence(&self) -> fn(&Option<T>) -> Presence {
            |value| option(value.as_ref())
        }
    }

    impl<T> ByShape for &&&Probe<Arc<Option<T>>> {
        type Value = Arc<Option<T>>;
        fn presence(&self) -> fn(&Arc<Option<T>>) -> Presence {
            |value| option(Option::as_ref(value))
        }
    }

    impl<T> ByShape for &&&Probe<Vec<T>> {
        type Value = Vec<T>;
        fn presence(&self) -> fn(&Vec<T>) -> Presence {
            |value| list(value.is_empty())
        }
    }

    impl<T> ByShape for &&&Probe<Arc<Vec<T>>> {
        type Value = Arc<Vec<T>>;
        fn presence(&self) -> fn(&Arc<Vec<T>>) -> Presence {
            |value| list(value.is_empty())
        }
    }

    impl<T> ByShape for &&&Probe<Arc<[T]>> {
        type Value = Arc<[T]>;
        fn presence(&self) -> fn(&Arc<[T]>) -> Presence {
            |value| list(value.is_empty())
        }
    }

    impl<T: ModelTrait> ByModel for &&Probe<T> {
        type Value = T;
        fn presence(&self) -> fn(&T) -> Presence {
            |_| Presence::Present
        }
    }

    impl<T: ModelTrait> BySharedModel for &Probe<Arc<T>> {
        type Value = Arc<T>;
        fn presence(&self) -> fn(&Arc<T>) -> Presence {
            |_| Presence::Present
        }
    }

    impl<T> ByNothing for Probe<T> {
        type Value = T;
        fn presence(&self) -> fn(&T) -> Presence {
            |_| Presence::Unknown
        }
    }
}

/// Whether an error can be handed to several callers.
pub mod sharing {
    use super::Probe;
    use crate::engine::call::ShareError;

    /// By cloning it.
    pub trait ByClone {
        /// The error.
        type Error;
        /// How.
        fn sharing(&self) -> Option<ShareError<Self::Error>>;
    }

    /// Every caller loads, and gets an error of its own.
    pub trait NotAtAll {
        /// The error.
        type Error;
        /// How.
        fn sharing(&self) -> Option<ShareError<Self::Error>>;
    }

    impl<E: Clone + Send + Sync + 'static> ByClone for &Probe<E> {
        type Error = E;
        fn sharing(&self) -> Option<ShareError<E>> {
            Some(ShareError::by_clone())
        }
    }

    impl<E> NotAtAll for Probe<E> {
        type Error = E;
        fn sharing(&self) -> Option<ShareError<E>> {
            None
        }
    }
}

/// How a function says that its body took longer than it may.
pub mod expiry {
    use sea_orm::DbErr;

    use super::Probe;
    use crate::error::Error;

    /// Its error is made from the cache's.
    pub trait ByError {
        /// The error.
        type Error;
        /// How.
        fn expiry(&self) -> fn(Error) -> Self::Error;
    }

    /// Its error is made from the database's.
    pub trait ByDbErr {
        /// The error.
        type Error;
        /// How.
        fn expiry(&self) -> fn(Error) -> Self::Error;
    }

    /// It cannot say so.
    pub trait NotAtAll {
        /// The error.
        type Error;
        /// How.
        fn expiry(&self) -> fn(Error) -> Self::Error
        where
            Self::Error: SaysTimeout;
    }

    /// An error that can say so in a way of its own: there is none.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot say that the body passed its `hard_timeout`",
        label = "made neither from `sea_orm_cache::Error` nor from `DbErr`",
        note = "implement `From<sea_orm_cache::Error>` or `From<sea_orm::DbErr>` for it"
    )]
    pub trait SaysTimeout {
        /// Says so.
        fn says(error: Error) -> Self;
    }

    impl<E: From<Error>> ByError for &&Probe<E> {
        type Error = E;
        fn expiry(&self) -> fn(Error) -> E {
            E::from
        }
    }

    impl<E: From<DbErr>> ByDbErr for &Probe<E> {
        type Error = E;
        fn expiry(&self) -> fn(Error) -> E {
            |error| DbErr::Custom(error.to_string()).into()
        }
    }

    impl<E> NotAtAll for Probe<E> {
        type Error = E;
        fn expiry(&self) -> fn(Error) -> E
        where
            E: SaysTimeout,
        {
            E::says
        }
    }
}

/// How a function says that its write was refused.
pub mod refusal {
    use sea_orm::DbErr;

    use super::Probe;
    use crate::error::Error;

    /// Its error is made from the cache's.
    pub trait ByError {
        /// What the function returns.
        type Output;
        /// How.
        fn refusal(&self) -> Option<fn(Error) -> Self::Output>;
    }

    /// Its error is made from the database's.
    pub trait ByDbErr {
        /// What the function returns.
        type Output;
        /// How.
        fn refusal(&self) -> Option<fn(Error) -> Self::Output>;
    }

    /// It cannot say so.
    pub trait NotAtAll {
        /// What the function returns.
        type Output;
        /// How.
        fn refusal(&self) -> Option<fn(Error) -> Self::Output>;
    }

    impl<T, E: From<Error>> ByError for &&Probe<Result<T, E>> {
        type Output = Result<T, E>;
        fn refusal(&self) -> Option<fn(Error) -> Result<T, E>> {
            Some(|error| Err(error.into()))
        }
    }

    impl<T, E: From<DbErr>> ByDbErr for &Probe<Result<T, E>> {
        type Output = Result<T, E>;
        fn refusal(&self) -> Option<fn(Error) -> Result<T, E>> {
            Some(|error| {
                let text =
                    format!("the write was refused, because its invalidation cannot reach the remote tier: {error}");
                Err(DbErr::Custom(text).into())
            })
        }
    }

    impl<T> NotAtAll for Probe<T> {
        type Output = T;
        fn refusal(&self) -> Option<fn(Error) -> T> {
            None
        }
    }
}

/// Where the value is in what a writer returns.
pub mod written {
    use super::Probe;

    /// In `Ok`.
    pub trait ByResult {
        /// What the function returns.
        type Output;
        /// The value.
        type Value;
        /// How to find it.
        fn written(&self) -> fn(&Self::Output) -> Option<Self::Value>;
    }

    /// It is the whole.
    pub trait ByValue {
        /// What the function returns.
        type Output;
        /// The value.
        type Value;
        /// How to find it.
        fn written(&self) -> fn(&Self::Output) -> Option<Self::Value>;
    }

    impl<T: Clone, E> ByResult for &Probe<Result<T, E>> {
        type Output = Result<T, E>;
        type Value = T;
        fn written(&self) -> fn(&Result<T, E>) -> Option<T> {
            |result| result.as_ref().ok().cloned()
        }
    }

    impl<T: Clone> ByValue for Probe<T> {
        type Output = T;
        type Value = T;
        fn written(&self) -> fn(&T) -> Option<T> {
            |value| Some(value.clone())
        }
    }
}

#[cfg(test)]
// The references are what is under test.
#[allow(clippy::needless_borrow, unreachable_pub)]
mod tests {
    use std::sync::Arc;

    use sea_orm::DbErr;

    use super::*;
    use crate::{
        engine::call::Presence,
        error::{Error, ErrorKind},
    };

    macro_rules! presence_of {
        ($ty:ty, $value:expr) => {{
            #[allow(unused_imports)]
            use presence::{ByModel as _, ByNothing as _, ByShape as _, BySharedModel as _};
            let value: $ty = $value;
            ((&&&&Probe::<$ty>::NEW).presence())(&value)
        }};
    }

    mod row {
        use sea_orm::entity::prelude::*;

        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "row")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i32,
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    }

    #[test]
    fn a_value_says_what_it_knows_of_its_rows() {
        assert_eq!(presence_of!(Option<row::Model>, Some(row::Model { id: 1 })), Presence::Present);
        assert_eq!(presence_of!(Option<i32>, None), Presence::Absent);
        assert_eq!(presence_of!(Arc<Option<i32>>, Arc::new(None)), Presence::Absent);
        assert_eq!(presence_of!(Vec<i32>, Vec::new()), Presence::Empty);
        assert_eq!(presence_of!(Arc<[i32]>, Arc::new([])), Presence::Empty);
        assert_eq!(presence_of!(Vec<i32>, vec![1]), Presence::Unknown);
        assert_eq!(presence_of!(row::Model, row::Model { id: 1 }), Presence::Present);
        assert_eq!(presence_of!(Arc<row::Model>, Arc::new(row::Model { id: 1 })), Presence::Present);
        assert_eq!(presence_of!(u64, 7), Presence::Unknown);
    }

    #[test]
    fn only_errors_that_can_be_cloned_are_shared() {
        #[allow(unused_imports)]
        use sharing::{ByClone as _, NotAtAll as _};
        struct Own;
        assert!((&&Probe::<DbErr>::NEW).sharing().is_some());
        assert!((&&Probe::<Own>::NEW).sharing().is_none());
    }

    #[test]
    fn a_refusal_is_said_in_the_functions_own_error() {
        #[allow(unused_imports)]
        use refusal::{ByDbErr as _, ByError as _, NotAtAll as _};
        struct Own(String);
        impl From<Error> for Own {
            fn from(error: Error) -> Self {
                Self(error.to_string())
            }
        }
        let error = || Error::new(ErrorKind::Unreachable, "down");
        let own = (&&&Probe::<Result<(), Own>>::NEW).refusal();
        assert!(own.is_some_and(|refuse| refuse(error()).is_err_and(|own| own.0 == "down")));
        let database = (&&&Probe::<Result<(), DbErr>>::NEW).refusal();
        assert!(database.is_some_and(|refuse| refuse(error()).is_err_and(|error| error.to_string().contains("down"))));
        assert!((&&&Probe::<u8>::NEW).refusal().is_none());
    }
}
