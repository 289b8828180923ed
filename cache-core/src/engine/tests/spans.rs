//! The spans that a trace shows.

use std::{cell::RefCell, collections::HashMap, fmt::Debug, sync::Once};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::set_global_default,
};

use super::*;

/// Keeps every span of a thread with its fields as text. It is the subscriber of the whole process: one of a single thread would not be
/// asked about call sites that other threads reach first.
struct Spans;

#[derive(Clone, Debug, Default)]
struct Span {
    name: &'static str,
    parent: Option<usize>,
    fields: HashMap<&'static str, String>,
}

thread_local! {
    static KEPT: RefCell<Vec<Span>> = const { RefCell::new(Vec::new()) };
    static ENTERED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

impl Visit for Span {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

fn place(id: &Id) -> usize {
    usize::try_from(id.into_u64()).unwrap() - 1
}

impl Subscriber for Spans {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let parent = ENTERED.with_borrow(|entered| entered.last().copied()).filter(|_| attributes.is_contextual());
        let mut span = Span { name: attributes.metadata().name(), parent, ..Span::default() };
        attributes.record(&mut span);
        KEPT.with_borrow_mut(|spans| {
            spans.push(span);
            Id::from_u64(spans.len() as u64)
        })
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        KEPT.with_borrow_mut(|spans| {
            // The tests of spans run on one thread each; those of others may move theirs.
            if let Some(span) = spans.get_mut(place(id)) {
                values.record(span);
            }
        });
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, id: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(place(id)));
    }

    fn exit(&self, _: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.pop());
    }
}

impl Spans {
    fn of(work: impl AsyncFnOnce()) -> Vec<Span> {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| set_global_default(Self).unwrap());
        KEPT.take();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work());
        KEPT.take()
    }
}

/// The fields of the spans of a name, in order.
fn fields<'a>(spans: &'a [Span], name: &str, field: &str) -> Vec<&'a str> {
    let named = spans.iter().filter(|span| span.name == name);
    named.map(|span| span.fields.get(field).map_or("", String::as_str)).collect()
}

#[test]
fn loads_and_invalidations_and_requests_have_spans_with_outcomes() {
    let spans = Spans::of(async || {
        let (store, clock, db) = shared();
        let a = Node::on(&store, &clock).await;
        a.read(&db).await;
        a.read(&db).await;
        a.write(&db, 1).await;
        a.cache.get_or_load("row", [ROW], async || Err::<i64, _>("no".to_owned())).await.unwrap_err();
        a.memory.fail_all();
        assert!(!a.cache.invalidate([ROW]).await.is_done());
    });
    assert_eq!(fields(&spans, "cache.load", "outcome"), ["ok", "error"]);
    assert_eq!(fields(&spans, "cache.load", "function"), ["", ""]);
    assert_eq!(fields(&spans, "cache.invalidate", "outcome"), ["done", "deferred"]);
    assert_eq!(fields(&spans, "cache.invalidate", "tags"), ["1", "1"]);
    let requests: Vec<_> = fields(&spans, "cache.remote", "call")
        .into_iter()
        .zip(fields(&spans, "cache.remote", "outcome"))
        .filter(|(call, _)| *call != "advise")
        .collect();
    let expected = [
        ("fetch", "ok"),
        ("capture", "ok"),
        ("store", "ok"),
        ("begin_intent", "ok"),
        ("end_intent", "ok"),
        // The tags of the copy in memory, and then the entry.
        ("fetch", "ok"),
        ("fetch", "ok"),
        ("capture", "ok"),
        ("unlock", "ok"),
        ("end_intent", "unreachable"),
    ];
    assert_eq!(requests, expected, "a hit in memory has none");
    let ended = spans.iter().find(|span| span.fields.get("call").is_some_and(|call| call == "end_intent")).unwrap();
    assert_eq!(spans[ended.parent.unwrap()].name, "cache.invalidate");
}

#[test]
fn what_a_loader_does_is_within_its_span() {
    let spans = Spans::of(async || {
        let (store, clock, _) = shared();
        let a = Node::on(&store, &clock).await;
        let load = async || {
            let _query = tracing::info_span!("query").entered();
            Ok::<_, String>(1)
        };
        a.cache.get_or_load("row", [ROW], load).await.unwrap();
    });
    let query = spans.iter().find(|span| span.name == "query").unwrap();
    assert_eq!(spans[query.parent.unwrap()].name, "cache.load");
}
