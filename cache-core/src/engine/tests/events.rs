//! Every kind of event is told, by what causes it.

use super::*;

/// A policy with a TTL of 100 s and what a case is about.
fn policy(set: impl FnOnce(&mut PolicyOverride)) -> PolicyOverride {
    let mut policy = PolicyOverride { ttl: Some(100 * SECOND), ..PolicyOverride::NONE };
    set(&mut policy);
    policy
}

impl Node {
    async fn get(&self, key: &str, policy: &PolicyOverride, value: Result<i64, String>) {
        let _value = self.cache.get_or_load_with(key, [ROW], policy, || async { value }).await;
    }

    /// What was told since the last call.
    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock().unwrap())
    }
}

/// Runs a case and checks that it tells exactly these events, in this order; others than those named here are left out.
async fn tells(node: &Node, what: &[&str], case: impl AsyncFnOnce()) {
    node.told();
    case().await;
    settle().await;
    let kind = |event: &str| event.split([' ', '{']).next().unwrap_or_default().to_owned();
    let kinds: Vec<String> = what.iter().map(|event| kind(event)).collect();
    let told: Vec<String> = node.told().into_iter().filter(|event| kinds.contains(&kind(event))).collect();
    assert_eq!(told.len(), what.len(), "{told:?}");
    for (told, what) in told.iter().zip(what) {
        let (start, rest) = what.split_once("..").unwrap_or((what, ""));
        assert!(told.starts_with(start) && told.contains(rest), "{told} is not {what}");
    }
}

#[tokio::test]
async fn reads_and_writes_tell_what_they_do() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    let plain = policy(|_| {});
    tells(&a, &["Miss", "Load ..ok: true"], async || a.get("row", &plain, Ok(1)).await).await;
    tells(&a, &["Hit ..Local"], async || a.get("row", &plain, Ok(1)).await).await;
    tells(&b, &["Hit ..Remote"], async || b.get("row", &plain, Ok(1)).await).await;
    tells(&a, &["Invalidated ..#row"], async || a.write(&db, 1).await).await;
    tells(&a, &["Load ..ok: false"], async || a.get("row", &plain, Err("no".to_owned())).await).await;
    let pending = async || {
        let intent = b.cache.begin_write(vec![Tag::named(ROW)]).await.unwrap();
        a.get("row", &plain, Ok(1)).await;
        let _done = intent.finish().await;
    };
    tells(&a, &["FillRefused ..Pending"], pending).await;
    let joined = async || {
        let read = || a.cache.get_or_load("row", [ROW], || db.query());
        let slow = a.cache.get_or_load("row", [ROW], async || {
            tokio::task::yield_now().await;
            db.query().await
        });
        let _values = futures_util::future::join(slow, read()).await;
    };
    tells(&a, &["Miss", "Joined"], joined).await;
}

#[tokio::test]
async fn each_node_is_told_how_many_of_its_entries_a_write_has_ended() {
    let (store, clock, _) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    let load = async |node: &Node, key: &str, tags: &[&str]| {
        let tags: Vec<Tag> = tags.iter().map(|tag| Tag::named(tag)).collect();
        node.cache.get_or_load(key, tags, async || Ok::<_, String>(1)).await.unwrap();
    };
    let write = async |tags: &[&str]| {
        let tags = tags.iter().map(|tag| Tag::named(tag)).collect();
        assert!(a.cache.begin_write(tags).await.unwrap().finish().await.is_done());
    };
    for key in ["one", "two", "three"] {
        load(&a, key, &["x"]).await;
    }
    load(&a, "four", &["x", "y"]).await;
    load(&b, "one", &["x"]).await;
    b.told();
    tells(&a, &["Invalidated ..entries: [4, 1, 0]"], async || write(&["x", "y", "z"]).await).await;
    let told = b.told();
    let told: Vec<_> = told.iter().filter(|event| event.starts_with("InvalidatedElsewhere")).collect();
    assert!(matches!(told[..], [one] if one.contains("#x") && one.contains("entries: 1 ")), "{told:?}");
    tells(&a, &["Invalidated ..entries: [0]"], async || write(&["x"]).await).await;
    assert_eq!(b.heard("InvalidatedElsewhere"), 0, "its entry had ended before");
    load(&b, "one", &["x"]).await;
    load(&b, "one", &["x"]).await;
    a.cache.remove("three").await.unwrap();
    load(&a, "three", &["x"]).await;
    tells(&a, &["Invalidated ..entries: [1]"], async || write(&["x"]).await).await;
    assert_eq!(b.heard("InvalidatedElsewhere"), 1);
    assert_eq!(a.cache.stats_by_table().iter().map(|one| one.deaths).sum::<u64>(), 6);
}

#[tokio::test]
async fn early_and_late_answers_are_told() {
    let (store, clock, _) = shared();
    let a = Node::on(&store, &clock).await;
    let late = policy(|policy| policy.stale_if_error = Some(100 * SECOND));
    let early = policy(|policy| policy.refresh_ahead = Some(0.5));
    a.get("late", &late, Ok(1)).await;
    a.get("early", &early, Ok(1)).await;
    clock.advance(60 * SECOND);
    settle().await;
    a.wait_for_lease().await;
    tells(&a, &["Refresh", "Load ..ok: true"], async || a.get("early", &early, Ok(1)).await).await;
    clock.advance(60 * SECOND);
    settle().await;
    let failed = async || a.get("late", &late, Err("no".to_owned())).await;
    tells(&a, &["StaleServed ..LoaderFailed"], failed).await;
}

#[tokio::test]
async fn waiting_for_another_process_is_told() {
    let (store, clock, db) = shared();
    let (a, b) = (Arc::new(Node::on(&store, &clock).await), Arc::new(Node::on(&store, &clock).await));
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let first = {
        let (b, db, gate) = (Arc::clone(&b), db.clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            let load = async || {
                let _opened = gate.acquire().await;
                db.query().await
            };
            b.cache.get_or_load("row", [ROW], load).await
        })
    };
    settle().await;
    let waited = async || {
        let second = {
            let (a, db) = (Arc::clone(&a), db.clone());
            tokio::spawn(async move { a.read(&db).await })
        };
        settle().await;
        gate.close();
        while !second.is_finished() {
            settle().await;
            clock.advance(Duration::from_millis(20));
        }
    };
    tells(&a, &["LockWaited ..delivered: true", "Hit ..Remote"], waited).await;
    assert_eq!(first.await.unwrap(), Ok(0));
}

#[tokio::test]
async fn trouble_with_the_remote_tier_is_told() {
    let (store, clock, _) = shared();
    let a = Node::on(&store, &clock).await;
    let strict = policy(|policy| policy.consistency = Some(Consistency::Strict));
    let junk = crate::ports::StoreRequest { key: "kv:row", bytes: b"junk", ttl: 60 * SECOND, unlock: None };
    a.memory.tier().store(&[junk]).await.unwrap();
    tells(&a, &["Poisoned ..kv:row"], async || a.get("row", &strict, Ok(1)).await).await;
    a.memory.fail_all();
    let deferred = async || assert!(!a.cache.invalidate([ROW]).await.is_done());
    tells(&a, &["Deferred ..#row"], deferred).await;
    let asked = async || {
        for _ in 0..5 {
            a.get("row", &strict, Ok(1)).await;
        }
    };
    tells(&a, &["Breaker { open: true }"], asked).await;
    assert!(a.cache.stats().remote_errors >= 5);
    a.memory.heal();
    let healed = async || {
        for _ in 0..20 {
            clock.advance(Duration::from_millis(100));
            settle().await;
        }
    };
    tells(&a, &["Breaker { open: false }", "Landed ..#row"], healed).await;
    a.memory.fail(crate::memory::Call::Fetch, 1);
    tells(&a, &["RemoteError ..read an entry"], async || a.get("other", &strict, Ok(1)).await).await;
    tells(&a, &["BusLost", "BusJoined"], async || {
        a.memory.cut_bus();
        healed().await;
    })
    .await;
}
