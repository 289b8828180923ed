//! A bounded map whose values end by themselves.

use std::{collections::HashMap, time::Duration};

use crate::{
    clock::Moment,
    error::{Error, ErrorKind},
};

/// Objects of one kind that a process holds at the most. More are refused, as a Redis without memory refuses.
const OBJECTS_MAX: usize = 1_000_000;

/// Fewer objects than this are not swept.
const SWEEP_MIN: usize = 64;

/// A full shelf is swept this often at the most.
const FULL_SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// Values by key, each with an end. Ended ones are dropped when met, and by a sweep whenever as many were put as the last sweep left.
#[derive(Debug)]
pub(super) struct Shelf<V> {
    kept: HashMap<String, Kept<V>>,
    puts: usize,
    /// How many the last sweep left.
    left: usize,
    swept: Moment,
}

#[derive(Debug)]
struct Kept<V> {
    value: V,
    until: Moment,
}

impl<V> Default for Shelf<V> {
    fn default() -> Self {
        Self { kept: HashMap::new(), puts: 0, left: 0, swept: Moment::from_nanos(0) }
    }
}

impl<V> Shelf<V> {
    /// A value that has not ended.
    pub(super) fn get(&mut self, key: &str, now: Moment) -> Option<&mut V> {
        if self.kept.get(key)?.until <= now {
            self.kept.remove(key);
        }
        self.kept.get_mut(key).map(|kept| &mut kept.value)
    }

    /// How long a value has left.
    pub(super) fn left(&self, key: &str, now: Moment) -> Option<Duration> {
        self.kept.get(key).filter(|kept| kept.until > now).map(|kept| kept.until.since(now))
    }

    /// Lets a value end after `ttl` from now. Returns whether there is one.
    pub(super) fn keep(&mut self, key: &str, ttl: Duration, now: Moment) -> bool {
        match self.kept.get_mut(key) {
            Some(kept) if kept.until > now => {
                kept.until = now.after(ttl);
                true
            }
            _ => false,
        }
    }

    /// Lets a value live for `ttl` from now at the least.
    pub(super) fn keep_at_least(&mut self, key: &str, ttl: Duration, now: Moment) {
        if let Some(kept) = self.kept.get_mut(key).filter(|kept| kept.until > now) {
            kept.until = kept.until.max(now.after(ttl));
        }
    }

    /// The value, made if there is none, which then ends after `ttl` (one that is there keeps its own end).
    pub(super) fn get_or_put(
        &mut self,
        key: &str,
        ttl: Duration,
        now: Moment,
        make: impl FnOnce() -> V,
    ) -> Result<&mut V, Error> {
        if self.get(key, now).is_none() {
            self.make_room(now)?;
            self.kept.insert(key.to_owned(), Kept { value: make(), until: now.after(ttl) });
        }
        match self.kept.get_mut(key) {
            Some(kept) => Ok(&mut kept.value),
            None => Err(full()),
        }
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, key: &str, now: Moment) -> Option<V> {
        self.kept.remove(key).filter(|kept| kept.until > now).map(|kept| kept.value)
    }

    fn make_room(&mut self, now: Moment) -> Result<(), Error> {
        self.puts += 1;
        let is_full = self.kept.len() >= OBJECTS_MAX;
        let due = self.puts >= self.left.max(SWEEP_MIN) || now.since(self.swept) >= FULL_SWEEP_PAUSE && is_full;
        if due {
            self.kept.retain(|_, kept| kept.until > now);
            self.puts = 0;
            self.left = self.kept.len();
            self.swept = now;
        }
        if self.kept.len() >= OBJECTS_MAX { Err(full()) } else { Ok(()) }
    }
}

fn full() -> Error {
    Error::new(ErrorKind::Full, format!("process memory holds {OBJECTS_MAX} objects of this kind: cannot add one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn what_has_ended_is_swept_without_being_asked_for() {
        let clock = Clock::manual();
        let mut shelf = Shelf::default();
        for at in 0..1_000 {
            let put = shelf.get_or_put(&at.to_string(), Duration::from_secs(1), clock.now(), || at);
            assert!(put.is_ok());
            clock.advance(Duration::from_millis(100));
        }
        assert!(shelf.kept.len() < 2 * SWEEP_MIN, "{} are kept", shelf.kept.len());
        assert_eq!(shelf.get("999", clock.now()), Some(&mut 999));
        assert_eq!(shelf.get("900", clock.now()), None);
    }

    #[test]
    fn a_value_keeps_its_end_unless_it_is_told_another() {
        let clock = Clock::manual();
        let second = Duration::from_secs(1);
        let mut shelf = Shelf::default();
        assert!(shelf.get_or_put("a", second, clock.now(), || 1).is_ok());
        assert!(shelf.get_or_put("a", second * 9, clock.now(), || 2).is_ok_and(|value| *value == 1));
        assert_eq!(shelf.left("a", clock.now()), Some(second));
        shelf.keep_at_least("a", second / 2, clock.now());
        assert_eq!(shelf.left("a", clock.now()), Some(second));
        assert!(shelf.keep("a", second * 3, clock.now()));
        clock.advance(second * 2);
        assert_eq!(shelf.remove("a", clock.now()), Some(1));
        assert!(!shelf.keep("a", second, clock.now()));
    }
}
