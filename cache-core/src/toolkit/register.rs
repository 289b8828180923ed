//! Single values with compare-and-set.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cache::Cache,
    error::Error,
    ports::toolkit::values::{Expected, Versioned},
    toolkit::common::{Tool, check_span, decode, encode},
};

/// Single values by key, changed only by whoever knows what they were: settings, state machines, optimistic updates between processes.
///
/// Each write gives a value a new version, higher than all before it, also than that of a value that had been removed or had ended in between (no ABA).
/// This is not the cache: nothing is loaded, and nothing invalidates it.
///
/// ```
/// # use std::time::Duration;
/// # use sea_orm_cache::{Cache, toolkit::{Expect, Register}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// let orders = Register::new(&cache, "orders", Duration::from_secs(3_600))?;
/// let new = orders.compare_and_set("7", Expect::Absent::<()>, "paid").await?.into_result()?;
/// orders.compare_and_set("7", Expect::Version::<()>(new), "packed").await?.into_result()?;
/// // Somebody else still believes it is "paid":
/// let lost = orders.compare_and_set("7", Expect::Value("paid"), "refunded").await?;
/// assert!(!lost.done);
/// assert_eq!(lost.current.ok_or("gone")?.value, "packed");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Register {
    tool: Tool,
    ttl: Duration,
}

/// What a register must hold for a write to take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expect<T> {
    /// Nothing.
    Absent,
    /// A value of this version.
    Version(u64),
    /// A value equal to this one, as JSON text: the order of a map's keys counts.
    Value(T),
}

/// A value and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored<T> {
    /// Higher for later values of a key.
    pub version: u64,
    /// The value.
    pub value: T,
}

/// What became of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swap<T> {
    /// Whether it took place.
    pub done: bool,
    /// What the register holds now: the new value, or the one that was not expected.
    pub current: Option<Stored<T>>,
}

impl<T> Swap<T> {
    /// The new version, or an error if the write did not take place.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused).
    pub fn into_result(self) -> Result<u64, Error> {
        match self {
            Self { done: true, current } => Ok(current.map_or(0, |stored| stored.version)),
            _ => Err(Error::new(crate::error::ErrorKind::Refused, "the register holds something else than expected")),
        }
    }
}

impl Register {
    /// Registers of this name. A value ends `ttl` after it was written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting), naming the setting.
    pub fn new(cache: &Cache, name: &str, ttl: Duration) -> Result<Self, Error> {
        check_span("ttl", ttl, Duration::from_millis(1))?;
        Ok(Self { tool: Tool::new(cache, name)?, ttl })
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// If the store fails, or the value is not of this type.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Stored<T>>, Error> {
        let reading = self.tool.store().read_register(self.tool.place(key)?);
        self.tool.run("register.get", reading).await?.map(stored).transpose()
    }

    /// Writes whatever was there. Returns the new version.
    ///
    /// # Errors
    ///
    /// If the store fails, or the value cannot be encoded.
    pub async fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<u64, Error> {
        let value = encode("a register", value)?;
        let writing = self.tool.store().swap_register(self.tool.place(key)?, Expected::Any, Some(&value), self.ttl);
        let swapped = self.tool.run("register.set", writing).await?;
        Ok(swapped.current.map_or(0, |current| current.version))
    }

    /// Writes if the register holds what is expected.
    ///
    /// # Errors
    ///
    /// If the store fails (whether it was written is then not known: read it), or a value cannot be encoded or is not of this type.
    pub async fn compare_and_set<T, N>(&self, key: &str, expect: Expect<T>, value: &N) -> Result<Swap<N::Owned>, Error>
    where
        T: Serialize,
        N: Serialize + ToOwned + ?Sized,
        N::Owned: DeserializeOwned,
    {
        let new = encode("a register", value)?;
        self.swap("register.compare_and_set", key, &expect, Some(&new)).await
    }

    /// Removes the value if it is what is expected.
    ///
    /// # Errors
    ///
    /// As [`compare_and_set`](Self::compare_and_set).
    pub async fn compare_and_remove<T>(&self, key: &str, expect: Expect<T>) -> Result<Swap<T>, Error>
    where
        T: Serialize + DeserializeOwned,
    {
        self.swap("register.compare_and_remove", key, &expect, None).await
    }

    async fn swap<T: Serialize, N: DeserializeOwned>(
        &self,
        operation: &'static str,
        key: &str,
        expect: &Expect<T>,
        new: Option<&[u8]>,
    ) -> Result<Swap<N>, Error> {
        let old = match expect {
            Expect::Value(value) => encode("a register", value)?,
            Expect::Absent | Expect::Version(_) => Vec::new(),
        };
        let expected = match expect {
            Expect::Absent => Expected::Absent,
            Expect::Version(version) => Expected::Version(*version),
            Expect::Value(_) => Expected::Value(&old),
        };
        let swapping = self.tool.store().swap_register(self.tool.place(key)?, expected, new, self.ttl);
        let swapped = self.tool.run(operation, swapping).await?;
        Ok(Swap { done: swapped.done, current: swapped.current.map(stored).transpose()? })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `Option::map`")]
fn stored<T: DeserializeOwned>(versioned: Versioned) -> Result<Stored<T>, Error> {
    Ok(Stored { version: versioned.version, value: decode("a register", &versioned.value)? })
}
