//! Somebody who uses the pages.

use std::{error::Error, sync::Arc, time::Instant};

use hyper::StatusCode;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    Count,
    client::{Answer, Client},
};
use crate::{cli::Load, generate::sentence};

/// How many of the generated members are visited; the first ones are there in every network.
const KNOWN_MEMBERS: u32 = 50;

/// One visitor, signed in at one node.
pub struct Visitor {
    client: Arc<Client>,
    site: String,
    handle: String,
    cookie: String,
    rng: StdRng,
    share_of_writes: f64,
    /// Own tweets, oldest first.
    own: Vec<Own>,
    posts: u32,
    count: Count,
}

struct Own {
    id: String,
    text: String,
}

impl Visitor {
    pub async fn sign_in(
        client: Arc<Client>,
        site: &str,
        number: u32,
        args: &Load,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let site = site.trim_end_matches('/').to_owned();
        let handle = format!("visitor{number}");
        let answer = client.post(&site, "/sign-in", None, &[("handle", &handle)]).await;
        let answer = answer.map_err(|error| format!("{site} does not answer (`timeline serve` starts it): {error}"))?;
        let cookie = answer.cookie.ok_or_else(|| format!("{site} lets nobody in: {}", answer.status))?;
        let rng = StdRng::seed_from_u64(args.seed ^ u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let share_of_writes = args.writes_percent / 100.0;
        Ok(Self {
            client,
            site,
            handle,
            cookie,
            rng,
            share_of_writes,
            own: Vec::new(),
            posts: 0,
            count: Count::default(),
        })
    }

    /// Requests one thing after another.
    pub async fn visit(mut self, until: Instant) -> Count {
        while Instant::now() < until {
            if self.rng.random_bool(self.share_of_writes) { self.write().await } else { self.read().await }
        }
        self.count
    }

    async fn read(&mut self) {
        let path = match self.rng.random_range(0..10) {
            0..6 => "/".to_owned(),
            6..9 => self.somebody(),
            _ => format!("/u/{}", self.handle),
        };
        self.get(&path, StatusCode::OK).await;
    }

    async fn write(&mut self) {
        self.count.writes += 1;
        match self.rng.random_range(0..10) {
            0..4 => self.post().await,
            4..6 => self.edit().await,
            6 => self.delete().await,
            7..9 => self.follow_and_unfollow().await,
            _ => self.like().await,
        }
    }

    /// A tweet is on top of its author's timeline and profile at once.
    async fn post(&mut self) {
        self.posts += 1;
        let text = format!("{} {}-{}-{:x}", sentence(&mut self.rng), self.handle, self.posts, self.rng.random::<u32>());
        let Some(answer) = self.send("/post", &[("body", &text)]).await else { return };
        match answer.status {
            StatusCode::SEE_OTHER => {}
            StatusCode::TOO_MANY_REQUESTS if answer.retry_after.is_some() => {
                self.count.limited += 1;
                return;
            }
            _ => {
                self.count.errors += 1;
                return;
            }
        }
        let profile = format!("/u/{}", self.handle);
        for path in ["/", &profile] {
            let Some(page) = self.get(path, StatusCode::OK).await else { return };
            self.check(page.body.contains(&text), || format!("{path} does not show {text:?}"));
            if path == profile
                && let Some(id) = first_tweet(&page.body)
            {
                self.own.push(Own { id, text: text.clone() });
            }
        }
    }

    async fn edit(&mut self) {
        let Some(Own { id, .. }) = self.own.last() else { return };
        let (id, text) = (id.clone(), format!("edited {:x}", self.rng.random::<u64>()));
        if !self.redirected(&format!("/t/{id}/edit"), &[("body", &text)]).await {
            return;
        }
        let path = format!("/t/{id}");
        let profile = format!("/u/{}", self.handle);
        for path in [&path, &profile] {
            let Some(page) = self.get(path, StatusCode::OK).await else { return };
            self.check(page.body.contains(&text), || format!("{path} does not show the edited text {text:?}"));
        }
        if let Some(own) = self.own.last_mut() {
            own.text = text;
        }
    }

    async fn delete(&mut self) {
        let Some(Own { id, text }) = self.own.pop() else { return };
        if !self.redirected(&format!("/t/{id}/delete"), &[]).await {
            return;
        }
        self.get(&format!("/t/{id}"), StatusCode::NOT_FOUND).await;
        for path in ["/".to_owned(), format!("/u/{}", self.handle)] {
            let Some(page) = self.get(&path, StatusCode::OK).await else { return };
            self.check(!page.body.contains(&text), || format!("{path} still shows {text:?}"));
        }
    }

    async fn follow_and_unfollow(&mut self) {
        let path = self.somebody();
        for (verb, then) in [("follow", "Unfollow"), ("unfollow", ">Follow")] {
            if !self.redirected(&format!("{path}/{verb}"), &[]).await {
                return;
            }
            let Some(page) = self.get(&path, StatusCode::OK).await else { return };
            self.check(page.body.contains(then), || format!("{path} does not show that one may {then:?}"));
        }
    }

    async fn like(&mut self) {
        let path = self.somebody();
        let Some(page) = self.get(&path, StatusCode::OK).await else { return };
        let Some(id) = first_tweet(&page.body) else { return };
        for (verb, pressed) in [("like", "aria-pressed=\"true\""), ("unlike", "aria-pressed=\"false\"")] {
            if !self.redirected(&format!("/t/{id}/{verb}"), &[("back", "/")]).await {
                return;
            }
            let Some(page) = self.get(&format!("/t/{id}"), StatusCode::OK).await else { return };
            let article = page.body.split("<article").nth(1).unwrap_or_default();
            self.check(article.contains(pressed), || format!("tweet {id} does not show {pressed}"));
        }
    }

    fn somebody(&mut self) -> String {
        format!("/u/user{}", self.rng.random_range(1..=KNOWN_MEMBERS))
    }

    fn check(&mut self, holds: bool, otherwise: impl Fn() -> String) {
        self.count.checks += 1;
        if !holds {
            self.count.missed += 1;
            if self.count.missed <= 3 {
                eprintln!("{} on {}: {}", self.handle, self.site, otherwise());
            }
        }
    }

    async fn redirected(&mut self, path: &str, form: &[(&str, &str)]) -> bool {
        let answer = self.send(path, form).await;
        let done = answer.is_some_and(|answer| answer.status == StatusCode::SEE_OTHER && answer.location.is_some());
        self.count.errors += u64::from(!done);
        done
    }

    async fn send(&mut self, path: &str, form: &[(&str, &str)]) -> Option<Answer> {
        let started = Instant::now();
        let answer = self.client.post(&self.site, path, Some(&self.cookie), form).await;
        self.count.latencies.push(started.elapsed());
        self.answered(path, answer)
    }

    /// A page of the expected status; any other is an error.
    async fn get(&mut self, path: &str, expected: StatusCode) -> Option<Answer> {
        let started = Instant::now();
        let answer = self.client.get(&self.site, path, Some(&self.cookie)).await;
        self.count.latencies.push(started.elapsed());
        let answer = self.answered(path, answer)?;
        if answer.status == expected {
            return Some(answer);
        }
        self.failed(&format!("{path} answered {}", answer.status));
        None
    }

    fn answered<E: std::fmt::Display>(&mut self, path: &str, answer: Result<Answer, E>) -> Option<Answer> {
        answer.map_err(|error| self.failed(&format!("{path}: {error}"))).ok()
    }

    fn failed(&mut self, what: &str) {
        self.count.errors += 1;
        if self.count.errors <= 3 {
            eprintln!("{} on {}: {what}", self.handle, self.site);
        }
    }
}

/// The number of the first tweet on a page.
fn first_tweet(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("<article id=\"t")?;
    rest.split_once('"').map(|(id, _)| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tweet_of_a_page_is_found_by_its_number() {
        assert_eq!(first_tweet("x <article id=\"t17\"> <article id=\"t16\">"), Some("17".to_owned()));
        assert_eq!(first_tweet("<p>nothing</p>"), None);
    }
}
