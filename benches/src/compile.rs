//! What the crate and its macro add to the time of a build.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use clap::Args;

use crate::report::{Bars, Output, Report, Samples, Table, nanos, ratio};

/// The build time that 100 annotated functions add, and that the crate with default features adds to SeaORM.
#[derive(Args, Debug)]
pub(crate) struct Compile {
    /// Functions.
    #[arg(long, default_value_t = 100)]
    functions: usize,
    /// Builds of the functions, with and without the annotation.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[command(flatten)]
    output: Output,
}

const MANIFEST: &str = r#"
[package]
name = "compiled"
version = "0.1.0"
edition = "2024"

[workspace]

[dependencies]
sea-orm = { version = "2", default-features = false, features = ["macros"] }
serde = { version = "1", features = ["derive"] }
"#;

const ENTITY: &str = r#"
pub mod article {
    use sea_orm::entity::prelude::*;
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, serde::Serialize, serde::Deserialize)]
    #[sea_orm(table_name = "article")]
    pub struct Model { #[sea_orm(primary_key)] pub id: i64, pub title: String }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
"#;

impl Compile {
    pub(crate) fn run(self) -> ExitCode {
        let mut report = Report::new("compile", &self.output);
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = root.canonicalize().expect("the repository is where this was built");
        // The same versions of everything as here, which are on this machine already.
        fs::copy(root.join("Cargo.lock"), place.path().join("Cargo.lock")).expect("the lock file can be copied");
        let build = |manifest: &str, code: &str| build(place.path(), manifest, code);

        let alone = build(MANIFEST, ENTITY);
        let manifest = format!("{MANIFEST}sea-orm-cache = {{ path = {:?} }}\n", root.join("cache-core"));
        let added = build(&manifest, ENTITY);
        let (mut plain, mut cached) = (Vec::new(), Vec::new());
        for round in 0..self.rounds {
            plain.push(build(&manifest, &functions(self.functions, round, "")));
            cached.push(build(
                &manifest,
                &functions(self.functions, round, "#[cached(ttl = 300, invalidate_on = Article(id))]"),
            ));
        }
        let (plain, cached) = (Took::median(&plain), Took::median(&cached));
        let difference = cached.cpu - plain.cpu;
        let mut table = Table::new(&["cargo build, debug", "seconds", "CPU seconds", "CPU ÷"]);
        let seconds = |seconds: f64| format!("{seconds:.2}");
        let mut row =
            |what: &str, took: Took, to: String| table.row([what, &seconds(took.wall), &seconds(took.cpu), &to]);
        row("sea-orm (macros only) and serde, from nothing", alone, String::new());
        row("sea-orm-cache with default features, in addition", added, ratio(added.cpu / alone.cpu));
        let names = [
            format!("a crate with {} functions", self.functions),
            format!(
                "the same, each with #[cached]: {} per function more",
                nanos(difference * 1e9 / self.functions as f64)
            ),
        ];
        row(&names[0], plain, String::new());
        row(&names[1], cached, ratio(cached.cpu / plain.cpu));
        report.table(&table);
        report.bars(&Bars {
            title: "CPU seconds of a debug build",
            bars: vec![
                ("sea-orm".to_owned(), alone.cpu, seconds(alone.cpu)),
                ("ours: sea-orm-cache".to_owned(), added.cpu, seconds(added.cpu)),
                ("functions".to_owned(), plain.cpu, seconds(plain.cpu)),
                ("ours: annotated".to_owned(), cached.cpu, seconds(cached.cpu)),
            ],
        });
        report.figure("seconds_100_functions", difference * 100.0 / self.functions as f64);
        report.figure("ratio_functions", cached.cpu / plain.cpu);
        report.figure("seconds_crate", added.cpu);
        report.figure("seconds_sea_orm", alone.cpu);
        report.figure("wall_seconds_crate", added.wall);
        report.figure("wall_seconds_sea_orm", alone.wall);
        report.finish()
    }
}

/// A crate of functions that are all used, since what nobody calls is hardly compiled.
fn functions(number: usize, round: usize, attribute: &str) -> String {
    let mut code = format!(
        "{ENTITY}use article::Entity as Article;\nuse sea_orm::{{DbErr, EntityTrait}};\n#[allow(unused_imports)]\n\
         use sea_orm_cache::{{CachedConnection, cached}};\n// Round {round}.\n"
    );
    for at in 0..number {
        code.push_str(&format!(
            "{attribute}\npub async fn find_{at}(db: &CachedConnection, id: i64) -> Result<Option<article::Model>, DbErr> {{\n    \
             Article::find_by_id(id).one(db).await\n}}\n"
        ));
    }
    code.push_str("pub fn all(db: &CachedConnection) -> Vec<std::pin::Pin<Box<dyn Future<Output = bool> + Send + '_>>> {\n    vec![\n");
    for at in 0..number {
        code.push_str(&format!("        Box::pin(async move {{ find_{at}(db, 1).await.is_ok() }}),\n"));
    }
    code.push_str("    ]\n}\n");
    code
}

/// What a build took, in seconds.
#[derive(Clone, Copy)]
struct Took {
    wall: f64,
    /// Of all processes: the same whatever else the machine does.
    cpu: f64,
}

impl Took {
    fn median(all: &[Self]) -> Self {
        let of = |part: fn(&Self) -> f64| Samples::of("build", all.iter().map(part)).median();
        Self { wall: of(|took| took.wall), cpu: of(|took| took.cpu) }
    }
}

/// The CPU time of the children that have ended, and of theirs, in seconds.
fn children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the program's name in parentheses: the 16th and 17th fields of all, in ticks, of which Linux has a hundred a second (proc(5)).
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().skip(13).take(2)).into_iter().flatten();
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// One build; what was built before stays built.
fn build(place: &Path, manifest: &str, code: &str) -> Took {
    fs::create_dir_all(place.join("src")).expect("a directory can be made");
    fs::write(place.join("Cargo.toml"), manifest).expect("the manifest can be written");
    fs::write(place.join("src/lib.rs"), code).expect("the code can be written");
    let (begun, before) = (Instant::now(), children());
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--offline", "--quiet"])
        .current_dir(place)
        .env("CARGO_TARGET_DIR", place.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .stdin(Stdio::null())
        .output()
        .expect("cargo can be started");
    let took = Took { wall: begun.elapsed().as_secs_f64(), cpu: children() - before };
    assert!(output.status.success(), "the build failed: {}", String::from_utf8_lossy(&output.stderr));
    took
}
