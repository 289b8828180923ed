//! The attribute and derive macros of sea-orm-cache, which shows them with examples that run.
//!
//! Each macro is parsed, checked against the item it stands on, planned and expanded in files of their own. All errors are reported
//! at once, at the wrong token, with the text to write instead; the item itself is always emitted.

mod cached;
mod common;
mod entity;
mod hooks;
mod invalidates;
mod put;

use proc_macro::TokenStream;

/// Caches what an async function returns, if it returns `Ok`.
///
/// Works on free functions, methods, generic functions, and functions rewritten by `#[async_trait]`. The signature, the docs, the
/// visibility and the attributes stay as they are. Every argument but the connection takes part in the key.
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `ttl = 300`, `"5m"`, `CONST` | how long an entry is valid: seconds, a text (`ms s m h d`), a `Duration` constant | the cache's, 5 minutes |
/// | `invalidate_on = User` | stale after any write to the table; a list, or a text such as `"User, Post"`, for several | what the statements read |
/// | `invalidate_on = User(id)` | stale after writes to that row, by primary key (`User(a, b)` if it is composite) | |
/// | `invalidate_on = Post(author_id = author)` | stale after writes to rows with that value, if `index(author_id)` is declared | |
/// | `tags = ["feed:{user}"]` | stale after `cache.invalidate(["feed:42"])` | |
/// | `key = "user:{id}"` | the key, instead of all arguments | |
/// | `name = "find_user"` | the function's name in keys and events | its own |
/// | `version = 2` | part of the key: change it when the meaning of the value changes | 1 |
/// | `skip(arg)` | arguments that take no part in the key | |
/// | `when = \|value\| ..` | store only if it says so | always |
/// | `tier = "local"`, `"remote"` | keep entries in one tier only; local values need no serde traits | both |
/// | `jitter = 0.1` | the share of the TTL by which entries end earlier at random | the cache's, 0.05 |
/// | `codec = "json"`, `"messagepack"`, `"postcard"` | the form in the remote tier | the cache's, MessagePack |
/// | `consistency = "strict"`, `"bounded"` | how fresh a hit must be | the cache's, bounded |
/// | `negative_ttl = "10s"` | how long `None` and empty lists are valid | the cache's, 30 seconds |
/// | `refresh_ahead = 0.8` | refreshes an entry that is used after this share of its TTL, in the background | the cache's, off |
/// | `xfetch_beta = 1.0` | refreshes at random before the end, the earlier the longer a load takes | the cache's, off |
/// | `stale_while_revalidate = "30s"` | how long after its TTL an entry answers while it is refreshed in the background | the cache's, off |
/// | `stale_if_error = "5m"` | how long after its TTL an entry answers for a body that fails or passes `soft_timeout` | the cache's, off |
/// | `soft_timeout = "100ms"` | how long the body may take while such an entry could answer | the cache's, off |
/// | `hard_timeout = "2s"` | how long the body may take at all: an error then, if the error's type implements `From<sea_orm_cache::Error>` or `From<DbErr>` | none |
/// | `lock = false`, `lock_wait = "500ms"` | whether one process at a time loads an entry, and how long others wait for it | the cache's, on, 1 second |
/// | `background = true`, `false` | whether a call may be made again in the background, with copies of its arguments | with `refresh_ahead`, `xfetch_beta` or `stale_while_revalidate` |
/// | `batch = ids` | the argument that is a list of ids, each with an entry of its own | |
/// | `connection = name` | the argument that carries the cache, if its type's name does not say so | by type |
/// | `cache = self.cache` | an expression of the cache, or of a reference to it | the connection's, else the installed one |
/// | `companions = "none"`, `"associated"` | leaves the companions out (needed in impls of traits), or makes them associated functions (needed in an `impl` block for functions that mention neither `self` nor `Self`) | by the function |
///
/// # Companions
///
/// `find_user::key(42)` is the entry's key, `find_user::peek(&db, 42).await` the cached value or `None`,
/// `find_user::invalidate(&db, 42).await` removes this one entry on every node, `find_user::refresh(&db, 42).await` loads anew and stores. For
/// methods they are associated functions: `find_user_key`, and so on.
///
/// `find_user::invalidate_many(&db, vec![1, 2]).await` removes several entries by one request; of a function with several arguments in its key
/// the list is of tuples.
///
/// # Batches
///
/// ```text
/// #[cached(ttl = "5m", batch = ids, invalidate_on = Tweet(ids))]
/// async fn get_tweets(db: &CachedConnection, ids: &[i64]) -> Result<HashMap<i64, tweet::Model>, DbErr> { .. }
/// ```
///
/// Every id has an entry of its own: `get_tweets:v1:[7]`. One round trip asks the remote tier for all that process memory does not have, and one
/// call of the body loads what is missing: each id once, in the order asked for. What the map lacks is known to be absent, for
/// `negative_ttl` at most. In `invalidate_on`, `tags` and `key` the argument's name stands for one id. Without `invalidate_on` and `tags` each
/// entry depends on all that the statements of its load have read.
///
/// The list is `&[K]`, `Vec<K>` or `&Vec<K>`, the result a `HashMap` or a `BTreeMap`. `when` is asked about each value. Arguments taken by value
/// are cloned for the body, which may run again for ids that another caller was to load and did not. Between processes
/// there is no load lock, and early refresh happens in front of a caller, together with what is missing.
///
/// The companions are `key` (of one id), `peek_many`, `invalidate_many` and `refresh_many`.
///
/// # Refresh in the background
///
/// The call is made again with copies of its arguments, on a task of its own: references are kept as what they refer to (`&str` as `String`), so
/// every argument must be `Clone`, and neither generic nor borrowing. Where that cannot be, `background = false` lets the caller
/// who comes first refresh. The policy of the cache as a whole refreshes in front too, unless the function says `background = true`.
///
/// # What takes part in the key
///
/// Every name that the arguments bind, through serde, and the types of generic parameters and of `Self`; never what leads to the cache.
/// `self` does not: name what matters of it in `key = "{self.tenant}:{id}"`.
///
/// A key begins with the function's name and version: `find_user:v1:[42]`. If a process has several functions of one name and version, each puts
/// its module in front; choose with `name = ".."` where other programs share the entries and have not all of them.
///
/// # Functions in transactions
///
/// With a `CachedTransaction` or `DatabaseTransaction` the body simply runs.
#[proc_macro_attribute]
pub fn cached(args: TokenStream, item: TokenStream) -> TokenStream {
    cached::cached(args.into(), &item.into()).into()
}

/// Says what an async function makes stale that writes where the cache cannot see it.
///
/// What is named is pending from before the body until after it, and stale then, whatever the body's outcome; also if its future is
/// dropped. With a `CachedTransaction` among the arguments it is added to the transaction, and takes effect at its commit.
///
/// An entity means every entry of its table; `User(id)` that row, entries of the whole table, and those found by an index; `Post(author_id =
/// author)` entries of that value and of the whole table; each with what is declared to depend on it and what the database changes by itself
/// (foreign keys), as for a write; a text is a free name, as in `tags = [..]`. `connection = name` and `cache = expr` are as for
/// `#[cached]`.
#[proc_macro_attribute]
pub fn invalidates(args: TokenStream, item: TokenStream) -> TokenStream {
    invalidates::invalidates(args.into(), &item.into()).into()
}

/// Stores what a writing async function returns in the entry of a cached function: write-through.
///
/// `#[cache_put(find_user(user.id))]` names the entry as a call of the cached function without its connection, made of this function's
/// arguments. This function returns what that one would now return (or the model where that one returns an `Option` of it), in `Ok` or
/// plainly. The entry's row, index value and names are pending while the body runs, and stale afterwards whatever comes out; the value is
/// stored if no other write of them came between. Statements and transactions inside, on the same task, count as part of this one write.
///
/// An entry of a method is named by its call (`self.find_user(user.id)`), one of an associated function with the type in front (`Self::find_user(user.id)`).
///
/// The cached function needs `invalidate_on` or `tags`. In a transaction of the caller's the body simply runs.
/// `connection = name` and `cache = expr` are as for `#[cached]`.
#[proc_macro_attribute]
pub fn cache_put(args: TokenStream, item: TokenStream) -> TokenStream {
    put::cache_put(args.into(), &item.into()).into()
}

/// Adds the cache to the hooks of an entity, for writes through connections that are not wrapped.
///
/// Your own hooks in the same block run as before: `before_*` before the cache's part, `after_*` behind it.
#[proc_macro_attribute]
pub fn cache_hooks(args: TokenStream, item: TokenStream) -> TokenStream {
    hooks::cache_hooks(&args.into(), &item.into()).into()
}

/// Declares index columns and cascades of an entity, on its `Model`.
///
/// `index(email)`: functions may depend on `User(email = email)`. `cascade(Post(author_id = id))`: who depends on posts of an author depends on that
/// author's row as well. `write_through`: a row that an insert or update returns whole, as `ActiveModel::save` asks for it where the database knows
/// `RETURNING`, becomes the entry that `User::find_by_id(7).cached(..)` reads; the model needs `Serialize` and `Deserialize`.
#[proc_macro_derive(CachedEntity, attributes(cached_entity))]
pub fn cached_entity(input: TokenStream) -> TokenStream {
    entity::derive(input.into()).into()
}
