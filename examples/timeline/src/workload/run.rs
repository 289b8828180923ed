//! Runs the workers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use sea_orm::DbErr;
use tokio::task::JoinSet;

use super::{Latencies, Mix, Referee, Service, plan::Action};
use crate::pages::Request;

/// What a run measured.
#[derive(Debug)]
pub struct Outcome {
    pub latencies: Latencies,
    pub writes: u64,
    /// The time of the whole run, without what the workers spent on comparisons (averaged over them).
    pub elapsed: Duration,
}

impl Outcome {
    pub fn reads_per_s(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Comparisons during a run: by whom, and every how many reads.
pub type Sampling = (Arc<Referee>, u32);

/// Sends the same requests for the same mix: `reads` pages over all workers, and the writes that fall between them.
pub async fn run(
    label: &str,
    service: &Service,
    mix: &Mix,
    reads: u32,
    workers: u32,
    sampling: Option<Sampling>,
) -> Result<Outcome, DbErr> {
    let style = format!("{label} {{wide_bar}} {{human_pos}}/{{human_len}} reads, {{per_sec}}");
    let bar = ProgressBar::new(u64::from(reads))
        .with_style(ProgressStyle::with_template(&style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mix = Arc::new(mix.clone());
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..workers {
        let own_reads = reads / workers + u32::from(number < reads % workers);
        let worker =
            Worker { service: service.clone(), mix: Arc::clone(&mix), sampling: sampling.clone(), bar: bar.clone() };
        tasks.spawn(worker.run(number, own_reads));
    }
    let mut total = Outcome { latencies: Latencies::default(), writes: 0, elapsed: Duration::ZERO };
    let mut checking = Duration::ZERO;
    while let Some(done) = tasks.join_next().await {
        let done = done.map_err(|error| DbErr::Custom(format!("a worker stopped: {error}")))??;
        total.latencies.append(done.latencies);
        total.writes += done.writes;
        checking += done.checking;
    }
    total.elapsed = started.elapsed().saturating_sub(checking / workers);
    bar.finish_and_clear();
    Ok(total)
}

struct Worker {
    service: Service,
    mix: Arc<Mix>,
    sampling: Option<Sampling>,
    bar: ProgressBar,
}

#[derive(Default)]
struct Done {
    latencies: Latencies,
    writes: u64,
    checking: Duration,
}

impl Worker {
    async fn run(self, number: u32, reads: u32) -> Result<Done, DbErr> {
        let mut done = Done::default();
        let mut plan = self.mix.worker(number);
        while done.latencies.len() < reads as usize {
            let Some(action) = plan.next() else { break };
            match action {
                Action::Read(request) => self.read(request, &mut done).await?,
                Action::Write(write) => {
                    let _writing = match &self.sampling {
                        Some((referee, _)) => Some(referee.writing().await),
                        None => None,
                    };
                    self.service.write(write).await?;
                    done.writes += 1;
                }
            }
        }
        Ok(done)
    }

    async fn read(&self, request: Request, done: &mut Done) -> Result<(), DbErr> {
        let started = Instant::now();
        let page = self.service.read(request).await?;
        done.latencies.push(started.elapsed());
        drop(page);
        self.bar.inc(1);
        if let Some((referee, every)) = &self.sampling
            && done.latencies.len().is_multiple_of(*every as usize)
        {
            let started = Instant::now();
            referee.compare(&self.service, request).await?;
            done.checking += started.elapsed();
        }
        Ok(())
    }
}
