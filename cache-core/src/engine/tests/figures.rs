//! Figures by function and by table, and what entries weigh.

use super::*;
use crate::{
    cache::{CacheBuilder, Capacity, Eviction},
    engine::{
        FunctionStats, TableStats,
        call::{Deps, Function, Read},
    },
    envelope::Wire,
};

static FOUND: Function = Function::new("app::user", "find", 1, PolicyOverride::NONE);
static OTHER: Function = Function::new("app::post", "find", 1, PolicyOverride::NONE);

impl Node {
    async fn call(&self, function: &'static Function, key: &str, value: Result<i64, String>) -> Result<i64, String> {
        let read = Read::new(function, key, Some(Wire::<i64>::SERDE));
        let deps = || {
            let mut deps = Deps::new();
            deps.push(Tag::table("user"));
            deps.push(Tag::row("user", &["7"]));
            deps.push(Tag::named(ROW));
            deps
        };
        self.cache.read(read, deps, |_| async { value }).await
    }

    fn of(&self, module: &str) -> FunctionStats {
        self.cache.stats_by_function().into_iter().find(|one| one.module == module).unwrap_or_default()
    }

    fn table(&self, table: &str) -> TableStats {
        self.cache.stats_by_table().into_iter().find(|one| one.table == table).unwrap_or_default()
    }
}

#[tokio::test]
async fn each_function_has_figures_of_its_own_and_they_add_up() {
    let (store, clock, _) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    a.call(&FOUND, "first", Ok(1)).await.unwrap();
    a.call(&FOUND, "first", Ok(1)).await.unwrap();
    a.call(&OTHER, "second", Ok(2)).await.unwrap();
    a.call(&OTHER, "other", Err("no".to_owned())).await.unwrap_err();
    b.call(&FOUND, "first", Ok(1)).await.unwrap();
    let (first, second) = (a.of("app::user"), a.of("app::post"));
    assert_eq!((first.name, first.misses, first.hits_local, first.loads, first.fills), ("find", 1, 1, 1, 1));
    assert_eq!((second.misses, second.hits_local, second.loads, second.load_errors, second.fills), (2, 0, 2, 1, 1));
    assert_eq!((b.of("app::user").hits_remote, b.of("app::user").hit_rate()), (1, 1.0));
    let all = a.cache.stats();
    assert_eq!((all.misses, all.hits_local, all.loads, all.load_errors, all.fills), (3, 1, 3, 1, 2));
    assert_eq!(a.cache.stats_by_function().len(), 2);
}

#[tokio::test]
async fn the_time_of_loads_is_measured_without_their_queue() {
    let (store, clock, _) = shared();
    let a = Node::on(&store, &clock).await;
    for seconds in [3, 1] {
        let load = async || {
            clock.advance(seconds * SECOND);
            Ok::<_, String>(0)
        };
        a.cache.get_or_load(&format!("k{seconds}"), [ROW], load).await.unwrap();
    }
    let direct = a.of("");
    assert_eq!((direct.name, direct.load_time, direct.load_time_max), ("", 4 * SECOND, 3 * SECOND));
}

#[tokio::test]
async fn each_table_has_its_writes_and_what_they_ended() {
    let (store, clock, _) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    a.call(&FOUND, "first", Ok(1)).await.unwrap();
    for tags in [vec![Tag::table("user"), Tag::row("user", &["7"])], vec![Tag::table("post")]] {
        assert!(b.cache.engine().begin_write(tags).await.unwrap().finish().await.is_done());
    }
    let _done = b.cache.invalidate([ROW]).await;
    settle().await;
    assert_eq!((a.table("user").fills, a.table("user").writes, a.table("user").deaths), (1, 0, 2));
    assert_eq!((b.table("user").fills, b.table("user").writes, b.table("user").invalidations), (0, 1, 2));
    assert_eq!((b.table("post").writes, a.table("post").deaths), (1, 0), "nothing on the other node depends on it");
    assert_eq!((b.table("#").writes, a.table("#").fills, a.table("#").deaths), (1, 1, 1));
    assert_eq!(a.cache.stats_by_table().iter().map(|one| one.fills).sum::<u64>(), 2);
}

/// A cache of one process, of that many bytes.
async fn sized(bytes: u64, set: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Cache {
    set(Cache::builder().capacity(Capacity::Bytes(bytes))).build().await.unwrap()
}

#[tokio::test]
async fn a_capacity_in_bytes_holds_for_what_values_really_take() {
    const VALUE_BYTES: usize = 10_000;
    for eviction in [Eviction::TinyLfu, Eviction::Lru] {
        let cache = sized(1_000_000, |builder| builder.eviction(eviction)).await;
        for n in 0..500 {
            let load = async || Ok::<_, String>("x".repeat(VALUE_BYTES));
            cache.get_or_load(&format!("k{n}"), [ROW], load).await.unwrap();
        }
        let stats = cache.stats();
        assert!(stats.local_weight <= 1_000_000, "{eviction:?} {stats:?}");
        assert!((80..100).contains(&stats.local_entries), "{eviction:?} {stats:?}");
    }
}

#[tokio::test]
async fn a_value_weighs_what_it_takes_in_memory_and_not_what_its_encoding_takes() {
    let cache = sized(1 << 20, |builder| builder).await;
    cache.get_or_load("k", [ROW], async || Ok::<_, String>(vec![0_i64; 10_000])).await.unwrap();
    let weight = cache.stats().local_weight;
    assert!((80_000..82_000).contains(&weight), "small numbers are one byte each when they are encoded: {weight}");
}

/// Nothing can walk over this type.
#[derive(Clone)]
struct Opaque(Vec<u8>);

impl Opaque {
    async fn read(cache: &Cache, key: &str, bytes: usize) {
        let read = Read::<Self, String>::new(&FOUND, key, None);
        cache.read(read, Deps::new, |_| async move { Ok(Self(vec![0; bytes])) }).await.unwrap();
    }
}

#[tokio::test]
async fn a_weigher_tells_the_size_of_what_has_no_serde_traits() {
    let cache = sized(1 << 20, |builder| builder.weigher(|value: &Opaque| value.0.capacity())).await;
    Opaque::read(&cache, "k", 50_000).await;
    let weight = cache.stats().local_weight;
    assert!((50_000..51_000).contains(&weight), "{weight}");
}

#[tokio::test]
async fn without_a_weigher_a_warning_says_so_once() {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let listen = move |event: &crate::event::Event<'_>| {
        if let crate::event::Event::Warning { text } = event {
            heard.lock().unwrap().push((*text).to_owned());
        }
    };
    let cache = sized(1 << 20, |builder| builder.on_event(listen)).await;
    Opaque::read(&cache, "k", 50_000).await;
    Opaque::read(&cache, "l", 50_000).await;
    let warnings = warnings.lock().unwrap();
    assert!(matches!(warnings.as_slice(), [one] if one.contains("weigher") && one.contains("Opaque")), "{warnings:?}");
}

#[tokio::test]
async fn a_value_too_large_for_process_memory_is_not_stored_either() {
    let cache = sized(1 << 20, |builder| builder.payload_bytes_max(1_000)).await;
    cache.get_or_load("k", [ROW], async || Ok::<_, String>("x".repeat(2_000))).await.unwrap();
    assert_eq!((cache.stats().fills, cache.stats().fills_refused, cache.stats().local_entries), (0, 1, 0));
}
