//! Sends the requests.

mod check;
mod latency;
mod plan;
mod run;
mod service;

pub use check::Referee;
pub use latency::Latencies;
pub use plan::Mix;
pub use run::run;
pub use service::Service;
