//! Runs every benchmark, and writes `docs/benchmarks.md`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{report::header, targets};

/// No benchmark may take longer.
const LENGTH_MAX: Duration = Duration::from_secs(300);

/// One benchmark as `all` runs it.
struct Entry {
    name: &'static str,
    /// Sizes with which everything together ends within 15 minutes on two cores.
    arguments: &'static [&'static str],
    /// What it measures, how, and what the figures mean.
    text: &'static str,
    /// What the time goes to, and what was tried; below the tables.
    notes: &'static str,
}

/// One entry: `entry!("hit", notes, ["--rounds", "5"])`; with `notes`, the page has `notes/<name>.md` below the tables.
macro_rules! entry {
    ($name:literal, [$($argument:literal),*]) => {
        Entry { name: $name, arguments: &[$($argument),*], text: include_str!(concat!("../text/", $name, ".md")), notes: "" }
    };
    ($name:literal, notes, [$($argument:literal),*]) => {
        Entry { notes: include_str!(concat!("../notes/", $name, ".md")), ..entry!($name, [$($argument),*]) }
    };
}

/// In the order of the page. A benchmark that is added gets a line here.
const ENTRIES: &[Entry] = &[
    entry!("hit", notes, []),
    entry!("remote", notes, []),
    entry!("invalidate", []),
    entry!("write", notes, []),
    entry!("zipf", notes, ["--warm-up", "1", "--seconds", "5"]),
    entry!("memory", ["--entries", "100000", "--remote-entries", "30000"]),
    entry!("compile", notes, ["--rounds", "2"]),
    entry!("stampede", []),
    entry!("expiry", []),
    entry!("outage", []),
    entry!("write-behind", []),
    entry!("feed", ["--rounds", "5"]),
    entry!("scaling", []),
];

/// Runs every benchmark, one process each, and writes the tables and charts to `docs/`.
#[derive(Args, Debug)]
pub(crate) struct All {
    /// Only these, by name; the page then has only these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where `benchmarks.md` and `benchmarks/*.svg` are written. Default: `docs` in the repository.
    #[arg(long)]
    docs: Option<PathBuf>,
}

impl All {
    /// Succeeds if every benchmark did.
    pub(crate) fn run(self) -> ExitCode {
        let docs = self.docs.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs"));
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        let begun = Instant::now();
        let mut failed = Vec::new();
        let mut sections = String::new();
        let mut figures = Vec::new();
        let is_wanted = |entry: &&Entry| self.only.is_empty() || self.only.iter().any(|name| name == entry.name);
        for entry in ENTRIES.iter().filter(is_wanted) {
            let run = run(entry, place.path());
            println!("{:<22} {:>4} s  {}", entry.name, run.seconds, run.figures);
            if !run.succeeded {
                failed.push(entry.name);
            }
            let tables = fs::read_to_string(place.path().join(format!("{}.md", entry.name)));
            let tables = tables.unwrap_or_else(|_| "This run did not end well; there are no figures.\n".to_owned());
            let notes = entry.notes.trim();
            sections.push_str(&format!("\n{}\n\n{tables}\n{notes}\n\n`{}`\n", entry.text.trim_end(), run.figures));
            figures.push((entry.name, run.figures));
        }
        let (head, machine) = (include_str!("../text/head.md"), header().replace('\n', "\n\n"));
        let mut page = format!("{head}\n{}\n", machine.trim_end());
        if !self.only.is_empty() {
            page.push_str(&format!("\n**This page is of a partial run**, `--only {}`.\n", self.only.join(",")));
        }
        page.push_str(&format!("\n{}\n{sections}", targets::section(&figures)));
        page.push_str(&format!("\nAll of it took {} s.\n", begun.elapsed().as_secs()));
        save(&docs, &page, place.path());
        if failed.is_empty() {
            return ExitCode::SUCCESS;
        }
        eprintln!("failed: {}", failed.join(", "));
        ExitCode::FAILURE
    }
}

struct Run {
    succeeded: bool,
    figures: String,
    seconds: u64,
}

/// A process of its own for each: what one leaves in memory is nothing to the next, and one that hangs is ended.
fn run(entry: &Entry, place: &Path) -> Run {
    let begun = Instant::now();
    let said = place.join(format!("{}.out", entry.name));
    let output = fs::File::create(&said).expect("a file can be made in one's own directory");
    let mut command = Command::new(env::current_exe().expect("a running program knows its file"));
    command.arg(entry.name).args(entry.arguments).arg("--json").arg("--save").arg(place);
    let mut child = command.stdin(Stdio::null()).stdout(output).spawn().expect("one's own program can be started");
    let succeeded = loop {
        match child.try_wait().expect("one's own child can be waited for") {
            Some(status) => break status.success(),
            None if begun.elapsed() > LENGTH_MAX => {
                eprintln!("{}: does not end", entry.name);
                child.kill().and_then(|()| child.wait()).expect("one's own child can be ended");
                break false;
            }
            None => thread::sleep(Duration::from_millis(50)),
        }
    };
    let text = fs::read_to_string(said).unwrap_or_default();
    let figures = text.lines().last().filter(|line| line.starts_with('{')).unwrap_or("{}").to_owned();
    Run { succeeded, figures, seconds: begun.elapsed().as_secs() }
}

fn save(docs: &Path, page: &str, place: &Path) {
    let charts = docs.join("benchmarks");
    fs::create_dir_all(&charts).expect("the directory of the charts can be made");
    for file in fs::read_dir(place).expect("one's own directory can be read").flatten() {
        if file.path().extension().is_some_and(|extension| extension == "svg") {
            fs::copy(file.path(), charts.join(file.file_name())).expect("a chart can be copied");
        }
    }
    // What ends a paragraph is one empty line.
    let mut page = page.to_owned();
    while page.contains("\n\n\n") {
        page = page.replace("\n\n\n", "\n\n");
    }
    fs::write(docs.join("benchmarks.md"), page).expect("the page can be written");
}
