//! Finds the setting that cannot work.

use std::time::Duration;

use crate::{
    cache::{CacheConfig, Capacity},
    error::{Error, ErrorKind},
    policy::{SPAN_MAX, XFETCH_BETA_MAX},
};

/// Whether the settings can work, each and together.
///
/// # Errors
///
/// [`ErrorKind::Setting`], naming the first that cannot.
pub(super) fn check(config: &CacheConfig) -> Result<(), Error> {
    let year = SPAN_MAX;
    let hour = Duration::from_secs(3_600);
    let ms = Duration::from_millis;
    check_namespace(&config.namespace)?;
    check_span("ttl", config.ttl, ms(1), year)?;
    check_span("negative_ttl", config.negative_ttl, ms(1), year)?;
    check_span("lease", config.lease, ms(50), Duration::from_secs(60))?;
    check_span("intent_lease", config.intent_lease, ms(100), Duration::from_secs(300))?;
    check_span("hook_lease", config.hook_lease, ms(100), hour)?;
    check_span("settle", config.settle, Duration::ZERO, hour)?;
    check_span("connect_deadline", config.connect_deadline, ms(1), Duration::from_secs(60))?;
    check_span("response_deadline", config.response_deadline, ms(1), Duration::from_secs(60))?;
    check_span("total_deadline", config.total_deadline, config.response_deadline, Duration::from_secs(60))?;
    check_span("stale_while_revalidate", config.stale_while_revalidate, Duration::ZERO, year)?;
    check_span("stale_if_error", config.stale_if_error, Duration::ZERO, year)?;
    check_span("soft_timeout", config.soft_timeout, ms(1), hour)?;
    check_span("lock_wait", config.lock_wait, Duration::ZERO, hour)?;
    check_degraded_ttl(config)?;
    check_number("jitter", config.jitter, 1.0)?;
    check_number("refresh_ahead", config.refresh_ahead, 1.0)?;
    check_number("xfetch_beta", config.xfetch_beta, XFETCH_BETA_MAX)?;
    let (Capacity::Entries(size) | Capacity::Bytes(size)) = config.capacity;
    if size == 0 {
        return Err(setting("capacity", "is 0; to keep nothing in process memory, set tier = remote"));
    }
    if config.payload_bytes_max == 0 {
        return Err(setting("payload_bytes_max", "is 0, so that no value could be stored"));
    }
    if config.loads_in_flight_max == 0 {
        return Err(setting("loads_in_flight_max", "is 0, so that nothing could be loaded"));
    }
    if config.deferred_tags_max == 0 {
        return Err(setting("deferred_tags_max", "is 0; at least 1 tag has to be able to wait"));
    }
    crate::codec::check_compiled(config.codec).map_err(|error| setting("codec", error.to_string()))?;
    crate::codec::check_compression_compiled(config.compression)
        .map_err(|error| setting("compression", error.to_string()))
}

fn check_namespace(namespace: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if namespace.is_empty() || namespace.len() > 64 || !namespace.chars().all(allowed) {
        return Err(setting("namespace", format!("is {namespace:?}; it takes 1 to 64 of A-Z a-z 0-9 - _ .")));
    }
    Ok(())
}

/// A node that is cut off from Redis serves what it loads itself for that long: were it more than the lease, the lease would bound nothing.
fn check_degraded_ttl(config: &CacheConfig) -> Result<(), Error> {
    let show = humantime::format_duration;
    match config.degraded_ttl {
        Some(ttl) if ttl > config.lease => {
            let (ttl, lease) = (show(ttl), show(config.lease));
            let what = format!(
                "is {ttl}, longer than `lease` = {lease}, which bounds how far behind a node is; raise `lease`"
            );
            Err(setting("degraded_ttl", what))
        }
        _ => Ok(()),
    }
}

fn check_span(name: &'static str, span: Duration, least: Duration, most: Duration) -> Result<(), Error> {
    if span < least || span > most {
        let show = humantime::format_duration;
        return Err(setting(name, format!("is {}; it takes {} to {}", show(span), show(least), show(most))));
    }
    Ok(())
}

fn check_number(name: &'static str, number: f64, most: f64) -> Result<(), Error> {
    if !(0.0..=most).contains(&number) {
        return Err(setting(name, format!("is {number}; it takes 0 to {most}")));
    }
    Ok(())
}

/// That the setting `name` cannot work.
pub(super) fn setting(name: &str, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Setting, format!("setting `{name}` {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;

    #[tokio::test]
    async fn each_wrong_setting_is_an_error_that_names_it() {
        type Set = fn(&mut CacheConfig);
        let wrong: &[(&str, Set)] = &[
            ("namespace", |c| c.namespace = "a b".to_owned()),
            ("namespace", |c| c.namespace = String::new()),
            ("ttl", |c| c.ttl = Duration::ZERO),
            ("negative_ttl", |c| c.negative_ttl = Duration::ZERO),
            ("jitter", |c| c.jitter = 1.5),
            ("jitter", |c| c.jitter = f64::NAN),
            ("refresh_ahead", |c| c.refresh_ahead = -0.1),
            ("xfetch_beta", |c| c.xfetch_beta = f64::INFINITY),
            ("stale_while_revalidate", |c| c.stale_while_revalidate = Duration::MAX),
            ("stale_if_error", |c| c.stale_if_error = Duration::MAX),
            ("soft_timeout", |c| c.soft_timeout = Duration::ZERO),
            ("lock_wait", |c| c.lock_wait = Duration::MAX),
            ("degraded_ttl", |c| c.degraded_ttl = Some(Duration::MAX)),
            ("degraded_ttl", |c| (c.lease, c.degraded_ttl) = (Duration::from_secs(5), Some(Duration::from_secs(6)))),
            ("capacity", |c| c.capacity = Capacity::Entries(0)),
            ("capacity", |c| c.capacity = Capacity::Bytes(0)),
            ("payload_bytes_max", |c| c.payload_bytes_max = 0),
            ("loads_in_flight_max", |c| c.loads_in_flight_max = 0),
            ("lease", |c| c.lease = Duration::from_millis(1)),
            ("intent_lease", |c| c.intent_lease = Duration::ZERO),
            ("hook_lease", |c| c.hook_lease = Duration::ZERO),
            ("settle", |c| c.settle = Duration::MAX),
            ("deferred_tags_max", |c| c.deferred_tags_max = 0),
            ("connect_deadline", |c| c.connect_deadline = Duration::ZERO),
            ("response_deadline", |c| c.response_deadline = Duration::ZERO),
            ("total_deadline", |c| c.total_deadline = Duration::from_millis(1)),
            ("redis_url", |c| c.redis_url = Some("http://nowhere".to_owned())),
            #[cfg(not(feature = "codec-json"))]
            ("codec", |c| c.codec = crate::policy::CodecKind::Json),
            #[cfg(not(feature = "compress-zstd"))]
            ("compression", |c| c.compression = crate::policy::CompressionKind::Zstd),
        ];
        for (name, set) in wrong {
            let mut config = CacheConfig::default();
            set(&mut config);
            let error = Cache::from_config(config).build().await.expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Setting, "{name}");
            assert!(error.to_string().contains(&format!("`{name}`")), "{name}: {error}");
        }
    }
}
