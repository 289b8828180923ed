//! What a benchmark has found: tables, charts and figures, printed the same way by all of them.

mod chart;
mod machine;
mod rounds;
mod table;

pub(crate) use self::{
    chart::{Bars, Lines},
    machine::header,
    rounds::{Contest, Samples},
    table::{Table, bytes, count, nanos, ratio},
};

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::{Map, Value};

/// What every benchmark is asked about its output.
#[derive(Args, Clone, Debug)]
pub(crate) struct Output {
    /// Print the figures as one flat JSON object, in the last line.
    #[arg(long)]
    json: bool,
    /// Where `all` collects what each benchmark has to say.
    #[arg(long, hide = true)]
    save: Option<PathBuf>,
}

/// The findings of one benchmark.
#[derive(Debug)]
pub(crate) struct Report {
    name: &'static str,
    output: Output,
    text: String,
    charts: u32,
    figures: Map<String, Value>,
    failures: Vec<String>,
}

impl Report {
    /// Prints the header, so that whoever waits sees what runs.
    pub(crate) fn new(name: &'static str, output: &Output) -> Self {
        if output.save.is_none() {
            println!("{name}\n{}", header());
        }
        Self { name, output: output.clone(), text: String::new(), charts: 0, figures: Map::new(), failures: Vec::new() }
    }

    /// Adds a table, and prints it.
    pub(crate) fn table(&mut self, table: &Table) {
        self.say(&table.to_markdown());
    }

    /// Adds a sentence.
    pub(crate) fn note(&mut self, text: &str) {
        self.say(&format!("{text}\n"));
    }

    /// Adds a chart of bars, which only `all` draws.
    pub(crate) fn bars(&mut self, chart: &Bars<'_>) {
        self.draw(chart.title, |file| chart.draw(file));
    }

    /// Adds a chart of lines, which only `all` draws.
    pub(crate) fn lines(&mut self, chart: &Lines<'_>) {
        self.draw(chart.title, |file| chart.draw(file));
    }

    /// Adds a figure to the JSON object; numbers keep four significant digits.
    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        let rounded = format!("{value:.3e}").parse().unwrap_or(value);
        let whole = value.fract() == 0.0 && value.abs() < 1e15;
        #[expect(clippy::cast_possible_truncation, reason = "whole and small enough")]
        let value = if whole { Value::from(value as i64) } else { Value::from(rounded) };
        self.figures.insert(name.to_owned(), value);
    }

    /// Adds a word to the JSON object.
    pub(crate) fn word(&mut self, name: &str, value: &str) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// What has to hold, whatever the machine: a benchmark that finds otherwise fails.
    pub(crate) fn must(&mut self, holds: bool, what: &str) {
        if !holds {
            self.failures.push(what.to_owned());
        }
    }

    /// Prints the figures and hands everything to `all`.
    pub(crate) fn finish(self) -> ExitCode {
        for failure in &self.failures {
            eprintln!("{}: {failure}", self.name);
        }
        if let Some(directory) = &self.output.save {
            fs::write(directory.join(format!("{}.md", self.name)), &self.text).expect("the report can be saved");
        }
        if self.output.json {
            println!("{}", Value::Object(self.figures));
        }
        if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn say(&mut self, text: &str) {
        if self.output.save.is_none() {
            println!("{text}");
        }
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn draw(&mut self, title: &str, draw: impl FnOnce(&std::path::Path)) {
        let Some(directory) = self.output.save.clone() else { return };
        self.charts += 1;
        let file = match self.charts {
            1 => format!("{}.svg", self.name),
            more => format!("{}-{more}.svg", self.name),
        };
        draw(&directory.join(&file));
        self.text.push_str(&format!("![{title}](benchmarks/{file})\n\n"));
    }
}
