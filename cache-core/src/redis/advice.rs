//! Warnings about the server's configuration.

use std::collections::HashMap;

use redis::{Cmd, cmd, from_redis_value};

use crate::{error::Error, redis::link::Link};

/// One sentence for each setting that does not suit a cache. A server that does not tell (an ACL, a managed service) is not warned about.
pub(super) async fn advise(link: &Link) -> Result<Vec<String>, Error> {
    let asked = ["maxmemory*", "save", "append*"];
    let commands: Vec<Cmd> = asked.iter().map(|name| cmd("CONFIG").arg("GET").arg(*name).take()).collect();
    let replies = link.ask_each("read the configuration", [commands]).await?;
    let mut config = HashMap::new();
    for reply in replies.into_iter().flatten() {
        config.extend(from_redis_value::<HashMap<String, String>>(reply).unwrap_or_default());
    }
    Ok(warnings(&config))
}

fn warnings(config: &HashMap<String, String>) -> Vec<String> {
    let get = |name: &str| config.get(name).map(String::as_str);
    let mut out = Vec::new();
    if let (Some(limit), Some(policy)) = (get("maxmemory"), get("maxmemory-policy")) {
        out.extend(memory(limit, policy));
    }
    out.extend(persistence(get("save"), get("appendonly"), get("appendfsync")));
    out
}

fn memory(limit: &str, policy: &str) -> Option<String> {
    let good = "`volatile-lfu` or `volatile-lru` suit a cache";
    if limit == "0" {
        return Some(format!(
            "redis has no `maxmemory`: it grows until the machine has none left; set a limit, and {good}"
        ));
    }
    let why = match policy {
        "volatile-lru" | "volatile-lfu" => return None,
        "noeviction" => "refuses to store anything when memory is full, old entries or not",
        "volatile-ttl" => {
            "evicts first what ends soonest: the marks of writes in flight, without which strict reads may be stale"
        }
        "volatile-random" => {
            "evicts marks of writes in flight as likely as old entries, and strict reads may then be stale"
        }
        policy if policy.starts_with("allkeys-") => {
            "does not regard TTLs: it evicts other applications' lasting data as well"
        }
        _ => return None,
    };
    Some(format!("redis has `maxmemory-policy {policy}`, which {why}; {good}"))
}

/// A server that comes back with an older state brings back versions that had been invalidated since.
fn persistence(save: Option<&str>, append: Option<&str>, fsync: Option<&str>) -> Option<String> {
    let snapshots = save.is_some_and(|save| !save.is_empty());
    let what = match append {
        Some("yes") if fsync == Some("always") => return None,
        Some("yes") => "the append-only file without `appendfsync always`",
        _ if snapshots => "snapshots (`save`)",
        _ => return None,
    };
    Some(format!(
        "redis persists by {what}: after a crash it may bring back entries that had been invalidated, until their TTL; \
         switch persistence off, or call `clear()` after a crash"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Vec<String> {
        warnings(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_server_made_for_a_cache_is_not_warned_about() {
        let config = [("maxmemory", "1000"), ("maxmemory-policy", "volatile-lfu"), ("save", ""), ("appendonly", "no")];
        assert_eq!(of(&config), Vec::<String>::new());
        assert_eq!(of(&[]), Vec::<String>::new());
        let safe = [("save", "60 1"), ("appendonly", "yes"), ("appendfsync", "always")];
        assert_eq!(of(&safe), Vec::<String>::new());
    }

    #[test]
    fn each_unsuitable_setting_has_its_sentence() {
        for (policy, word) in [
            ("noeviction", "refuses"),
            ("volatile-ttl", "soonest"),
            ("volatile-random", "likely"),
            ("allkeys-lru", "TTLs"),
        ] {
            let warned = of(&[("maxmemory", "1000"), ("maxmemory-policy", policy)]);
            assert!(matches!(warned.as_slice(), [one] if one.contains(word)), "{policy}: {warned:?}");
        }
        assert!(
            matches!(of(&[("maxmemory", "0"), ("maxmemory-policy", "noeviction")]).as_slice(), [one] if one.contains("`maxmemory`"))
        );
        assert!(matches!(of(&[("save", "3600 1")]).as_slice(), [one] if one.contains("snapshots")));
        assert!(
            matches!(of(&[("appendonly", "yes"), ("appendfsync", "everysec")]).as_slice(), [one] if one.contains("append-only"))
        );
    }
}
