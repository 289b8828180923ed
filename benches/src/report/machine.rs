//! The machine and the versions that figures belong to.

use std::{fs, process::Command};

/// The locked versions of everything that is linked in.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// The packages that a comparison is about.
const PACKAGES: [&str; 13] = [
    "sea-orm-cache",
    "sea-orm",
    "moka",
    "redis",
    "tokio",
    "quick_cache",
    "cached",
    "foyer-memory",
    "hitbox",
    "hydracache",
    "multi-tier-cache",
    "oxcache",
    "sqlx",
];

/// Two lines: the machine, the versions.
pub(crate) fn header() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let packages = PACKAGES.iter().filter_map(|name| Some(format!("{name} {}", version_of(name)?)));
    let programs = [("rustc", &["--version"][..]), ("redis-server", &["--version"]), ("uname", &["-sr"])];
    let programs = programs.iter().filter_map(|(program, arguments)| said(program, arguments));
    format!(
        "{cores} cores, {}, {} memory; {}\n{}\n",
        processor(),
        memory(),
        programs.collect::<Vec<_>>().join("; "),
        packages.collect::<Vec<_>>().join(", ")
    )
}

fn version_of(name: &str) -> Option<&'static str> {
    let (_, package) = LOCK.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(package.split_once('"')?.0)
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or("unknown processor", |(_, name)| name.trim()).to_owned()
}

fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    kilobytes.map_or("unknown".to_owned(), |kilobytes: u64| format!("{} GB", kilobytes.div_ceil(1 << 20)))
}

/// The first line that a program prints, without details.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?;
    Some(line.split(['(']).next()?.split(" sha=").next()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_header_names_this_version() {
        assert!(super::header().contains(concat!("sea-orm-cache ", env!("CARGO_PKG_VERSION"))));
    }
}
