//! Runs the same requests without the cache, then with it.

use std::{error::Error, sync::Arc};

use sea_orm::{DatabaseConnection, DbErr};
use sea_orm_cache::{Cache, Capacity};

use crate::{
    celebrities,
    cli::Args,
    database::{Home, QueryCounter},
    generate::{Size, generate},
    report::{self, Report},
    schema,
    serve::feed::{Feeds, WhenAway},
    workload::{Mix, Referee, Service, run},
};

/// How many members and tweets of each kind are compared once more at the end, when all writes are done.
const SWEEP: u32 = 400;

/// Process memory would hold everything this workload reads, and Redis would never be asked.
const LOCAL_ENTRIES_BESIDE_REDIS: u64 = 1_000;

/// The whole comparison. Both runs begin with the same freshly loaded network, and get the same requests.
pub async fn compare(args: &Args) -> Result<Report, Box<dyn Error + Send + Sync>> {
    let home = Home::new(args.database_url.as_deref())?;
    // A page asks for up to three things at the same time.
    let mut db = home.connect(3 * args.workers).await?;
    let existing = schema::existing_tables(&db).await;
    if !existing.is_empty() && !args.reset {
        let names = existing.join(", ");
        return Err(format!(
            "the database has tables named {names} already: pass --reset to drop them, or use another database"
        )
        .into());
    }
    let uncounted = home.connect(1).await?;
    let queries = QueryCounter::default();
    queries.watch(&mut db);
    let mix = Mix::new(args.users, args.tweets, args.skew, args.writes_percent / 100.0, args.seed);

    reload(&uncounted, args).await?;
    let mut direct = run("without cache", &Service::Direct(db.clone()), &mix, args.reads, args.workers, None).await?;
    let queries_direct = queries.get();

    let follows = reload(&uncounted, args).await?;
    let cache = open_cache(args, schema::namespace(&uncounted, "timeline").await?).await?;
    let referee = Arc::new(Referee::new(uncounted));
    let db = cache.wrap(db);
    let large_authors = celebrities::look_at_all(referee.db(), args.large_above).await? as u64;
    let feeds = Arc::new(Feeds::new(&db, args.large_above, WhenAway::Now)?);
    let service = Service::Cached(db, Arc::clone(&feeds));
    let sampling = Some((Arc::clone(&referee), args.check_every));
    let mut cached = run("with cache", &service, &mix, args.reads, args.workers, sampling).await?;
    let (queries_cached, stats, merged_reads) = (queries.get() - queries_direct, cache.stats(), feeds.merged());
    for request in mix.sweep(SWEEP) {
        referee.compare(&service, request).await?;
    }
    cache.close().await?;
    schema::drop_all(referee.db()).await?;

    let checks = referee.checks();
    Ok(Report {
        members: args.users,
        tweets: args.tweets,
        follows,
        workers: args.workers,
        seed: args.seed,
        remote_tier: args.redis_url.is_some(),
        reads: cached.latencies.len() as u64,
        writes: cached.writes,
        large_authors,
        merged_reads,
        samples: checks.samples,
        mismatches: checks.mismatches,
        db_queries: queries_cached,
        db_queries_without_cache: queries_direct,
        db_queries_saved_pct: report::saved_pct(queries_cached, queries_direct),
        reads_per_s: report::round(cached.reads_per_s(), 0),
        reads_per_s_without_cache: report::round(direct.reads_per_s(), 0),
        p50_us: report::micros(cached.latencies.quantile(0.5)),
        p50_us_without_cache: report::micros(direct.latencies.quantile(0.5)),
        p99_us: report::micros(cached.latencies.quantile(0.99)),
        p99_us_without_cache: report::micros(direct.latencies.quantile(0.99)),
        hit_rate_local: report::round(stats.hit_rate_local(), 4),
        hit_rate_remote: report::round(stats.hit_rate_remote(), 4),
    })
}

/// The network as it was at the start; returns how many follows it has.
async fn reload(db: &DatabaseConnection, args: &Args) -> Result<u64, DbErr> {
    let size = Size { members: args.users, tweets: args.tweets, favourites: args.likes, seed: args.seed };
    let network = generate(size);
    let follows = network.follows.len() as u64;
    schema::recreate(db).await?;
    schema::load(db, network).await?;
    Ok(follows)
}

async fn open_cache(args: &Args, namespace: String) -> Result<Cache, Box<dyn Error + Send + Sync>> {
    let mut builder = Cache::builder().namespace(namespace);
    if let Some(url) = &args.redis_url {
        builder = builder.redis(url).capacity(Capacity::Entries(LOCAL_ENTRIES_BESIDE_REDIS));
    }
    if let Some(entries) = args.local_entries {
        builder = builder.capacity(Capacity::Entries(entries));
    }
    let cache = builder.build().await?;
    // The tables were filled through a connection the cache does not see, and Redis may hold entries of an earlier run.
    if cache.clear().await.is_done() {
        Ok(cache)
    } else {
        Err("Redis does not answer, and may hold entries of an earlier run".into())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn many_writers_leave_no_wrong_answer_while_most_queries_are_saved()
    -> Result<(), Box<dyn Error + Send + Sync>> {
        let sizes = [
            "--users=100",
            "--tweets=1000",
            "--likes=500",
            "--reads=3000",
            "--writes-percent=10",
            "--check-every=10",
            "--large-above=20",
        ];
        let mut args = crate::cli::Cli::try_parse_from(["timeline"].into_iter().chain(sizes))?.compare;
        (args.database_url, args.redis_url) = (None, None);
        let report = compare(&args).await?;
        assert_eq!(report.mismatches, 0, "{report}");
        assert!(report.samples > 500, "{report}");
        assert!(report.writes > 200, "{report}");
        assert!(report.large_authors > 0 && report.merged_reads > 200, "{report}");
        // A cache that never answers would have no mismatch either.
        assert!(report.hit_rate_local > 0.5, "{report}");
        assert!(report.db_queries < report.db_queries_without_cache, "{report}");
        Ok(())
    }
}
