//! Drives a running server from outside, and checks that every visitor sees what they have written.

mod client;
mod visitor;

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::task::JoinSet;

use self::{client::Client, visitor::Visitor};
use crate::{
    cli::Load,
    report::{micros, round},
    workload::Latencies,
};

/// Every figure of one run; as JSON one flat object.
#[derive(Clone, Debug, Serialize)]
struct Report {
    nodes: usize,
    visitors: u32,
    seconds: f64,
    seed: u64,
    requests: u64,
    requests_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    writes: u64,
    /// Reads after an own write.
    checks: u64,
    /// Those that did not show it.
    missed: u64,
    /// Posts refused by the limit; no errors.
    limited: u64,
    /// Answers of another status than expected, and no answers.
    errors: u64,
}

/// What one visitor counted.
#[derive(Default)]
struct Count {
    latencies: Latencies,
    writes: u64,
    checks: u64,
    missed: u64,
    limited: u64,
    errors: u64,
}

/// Returns whether there was neither an error nor a write that its author did not see.
pub async fn load(args: &Load) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let client = Arc::new(Client::default());
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let started = Instant::now();
    let mut visitors = JoinSet::new();
    for number in 0..args.visitors {
        let url = args.urls.get(number as usize % args.urls.len().max(1)).ok_or("no URL")?;
        let visitor = Visitor::sign_in(Arc::clone(&client), url, number, args).await?;
        visitors.spawn(visitor.visit(until));
    }
    let mut total = Count::default();
    while let Some(done) = visitors.join_next().await {
        let done = done?;
        total.latencies.append(done.latencies);
        total.writes += done.writes;
        total.checks += done.checks;
        total.missed += done.missed;
        total.limited += done.limited;
        total.errors += done.errors;
    }
    let report = report(args, started.elapsed(), total);
    print(&report);
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    }
    Ok(report.errors == 0 && report.missed == 0 && report.checks > 0)
}

fn report(args: &Load, elapsed: Duration, mut total: Count) -> Report {
    let requests = total.latencies.len() as u64;
    Report {
        nodes: args.urls.len(),
        visitors: args.visitors,
        seconds: round(elapsed.as_secs_f64(), 2),
        seed: args.seed,
        requests,
        requests_per_s: round(requests as f64 / elapsed.as_secs_f64().max(f64::EPSILON), 0),
        p50_us: micros(total.latencies.quantile(0.5)),
        p99_us: micros(total.latencies.quantile(0.99)),
        p999_us: micros(total.latencies.quantile(0.999)),
        writes: total.writes,
        checks: total.checks,
        missed: total.missed,
        limited: total.limited,
        errors: total.errors,
    }
}

fn print(report: &Report) {
    let Report { nodes, visitors, requests, requests_per_s, writes, checks, missed, limited, errors, .. } = report;
    println!("{visitors} visitors on {nodes} nodes: {requests} requests, {requests_per_s} per second");
    let ms = |micros: f64| format!("{:.2} ms", micros / 1_000.0);
    println!("p50 {}, p99 {}, p99.9 {}", ms(report.p50_us), ms(report.p99_us), ms(report.p999_us));
    println!("{writes} writes ({limited} posts refused by the limit), {errors} errors");
    println!("{checks} reads after an own write, {missed} did not show it");
}
