//! One run: the experiments in their order, on a fleet that is restored afterwards.

use std::path::PathBuf;
use std::time::SystemTime;

use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Args, Command};
use crate::balancer::{self, Balancer};
use crate::distribution;
use crate::error::Error;
use crate::hashing;
use crate::output::Output;
use crate::recovery;
use crate::report::{Page, Section, pretty};
use crate::scaling;
use crate::table::grouped;
use crate::terminal::{note, print, width};

/// Every experiment, in the order of a full run.
fn all() -> Vec<Command> {
    vec![
        Command::Distribution,
        Command::Scaling,
        Command::Recovery(recovery::Options::default()),
        Command::Hashing(hashing::Options::default()),
    ]
}

/// The section names of an experiment, each with the metrics that `--assert` can name.
fn metrics(command: &Command) -> Vec<(&'static str, &'static [&'static str])> {
    match command {
        Command::Distribution => vec![(distribution::NAME, distribution::METRICS)],
        Command::Scaling => vec![(scaling::NAME, scaling::METRICS)],
        Command::Recovery(_) => vec![(recovery::NAME, recovery::METRICS)],
        Command::Hashing(options) => options.metrics(),
    }
}

/// Checks flags that depend on each other; the error is the text for the user.
pub fn check(args: &Args) -> Result<(), String> {
    let commands = commands(args);
    for command in &commands {
        if let Command::Hashing(options) = command {
            options.check()?;
        }
    }
    for assertion in &args.assertions {
        let figures = commands
            .iter()
            .flat_map(metrics)
            .flat_map(|(experiment, figures)| figures.iter().map(move |figure| (experiment, *figure)));
        if !figures.clone().any(|(experiment, figure)| assertion.matches(experiment, figure)) {
            let known: Vec<_> =
                figures.map(|(experiment, figure)| format!("{experiment}.{figure}")).collect();
            return Err(format!("--assert '{assertion}': no such figure; there are {}", known.join(", ")));
        }
    }
    Ok(())
}

/// Runs the chosen experiments, prints and writes the results, and restores the fleet.
///
/// # Errors
/// When there is no balancer, the results cannot be written, an assertion does not hold, or a signal arrives.
pub async fn run(args: Args) -> Result<(), Error> {
    let output = Output::open(args.out.clone().unwrap_or_else(directory))?;
    if let (Some(Command::Hashing(options)), None) = (&args.command, &args.url) {
        return without_balancer(&args, options, &output).await;
    }
    let balancer = balancer::find_or_embed(args.url.clone(), args.admin.clone(), args.token.clone()).await?;
    if balancer.is_embedded() {
        note(format_args!("no balancer answers: started one at {}", balancer.url()));
    }
    // A server without /rep is not an `lb`; the experiments that change the fleet then skip themselves.
    let original = balancer.replicas().await.unwrap_or_default();
    let layout = balancer.state().await.ok().map(|state| layout_text(&state.layout));
    let sections = tokio::select! {
        sections = experiments(&args, &balancer) => sections,
        () = interrupted() => Err(Error::Interrupted("nothing was written".into())),
    };
    let restored = match balancer.is_embedded() || original.is_empty() {
        true => Ok(()),
        false => restore(&balancer, &original, sections.is_err()).await,
    };
    let mut settings = settings(&args, Some(&balancer));
    settings.extend(layout.map(|layout| ("layout", layout)));
    // Results are written even when the fleet cannot be restored.
    let finished = sections.and_then(|sections| finish(&args, Page { settings, sections }, &output));
    restored.and(finished)
}

/// Restores the original replicas. After an interrupted run the balancer may not have noticed a death yet, so this
/// waits first until the fleet is complete.
async fn restore(balancer: &Balancer, original: &[String], interrupted_run: bool) -> Result<(), Error> {
    let restored = async {
        if interrupted_run {
            balancer.wait_until_complete(original.len()).await;
        }
        balancer.restore(original).await
    };
    tokio::select! {
        restored = restored => Ok(restored?),
        () = interrupted() => Err(Error::Interrupted("the fleet is not restored".into())),
    }
}

/// `hashing` without `--url` measures placement only, so no balancer is started for it.
async fn without_balancer(args: &Args, options: &hashing::Options, output: &Output) -> Result<(), Error> {
    let sections = tokio::select! {
        sections = hashing::run(options, args.load(), None) => sections?,
        () = interrupted() => return Err(Error::Interrupted("nothing was written".into())),
    };
    sections.iter().for_each(|section| show(args, section));
    finish(args, Page { settings: settings(args, None), sections }, output)
}

/// Writes all results, prints the path of the report, and then checks the assertions.
fn finish(args: &Args, page: Page, output: &Output) -> Result<(), Error> {
    let report = page.write(output)?;
    if args.json {
        print(&pretty(&page.json()));
    } else {
        print(&format!("{}\n", report.display()));
    }
    let violations: Vec<_> =
        args.assertions.iter().flat_map(|assertion| assertion.violations(&page.sections)).collect();
    if violations.is_empty() { Ok(()) } else { Err(Error::Assertion(violations)) }
}

async fn experiments(args: &Args, balancer: &Balancer) -> Result<Vec<Section>, Error> {
    let mut sections = Vec::new();
    for command in commands(args) {
        let new_sections = match command {
            Command::Distribution => vec![distribution::run(balancer, args.load()).await?],
            Command::Scaling => vec![scaling::run(balancer, args.load()).await?],
            Command::Recovery(options) => vec![recovery::run(balancer, options, args.seed).await?],
            Command::Hashing(options) => {
                let fleet = balancer.replicas().await.map_or(0, |names| names.len());
                hashing::run(&options, args.load(), u32::try_from(fleet).ok()).await?
            }
        };
        new_sections.iter().for_each(|section| show(args, section));
        sections.extend(new_sections);
    }
    Ok(sections)
}

fn show(args: &Args, section: &Section) {
    if !args.json {
        print(&section.terminal(width()));
    }
}

fn commands(args: &Args) -> Vec<Command> {
    args.command.clone().map_or_else(all, |command| vec![command])
}

fn directory() -> PathBuf {
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    PathBuf::from("target/analysis").join(time.replace(':', "-"))
}

fn settings(args: &Args, balancer: Option<&Balancer>) -> Vec<(&'static str, String)> {
    let measured = match balancer {
        Some(balancer) if balancer.is_embedded() => format!("{} (started for this run)", balancer.url()),
        Some(balancer) => balancer.url().to_string(),
        None => "none (placement code only)".into(),
    };
    vec![
        ("balancer", measured),
        ("requests a measurement", grouped(args.requests.into())),
        ("connections", args.connections.to_string()),
        ("seed", args.seed.to_string()),
        ("time", humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
    ]
}

/// The `layout` object of /api/state as text: `name ring, slots 512, …`.
fn layout_text(layout: &serde_json::Value) -> String {
    let fields = layout.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let parts = fields.map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{} {value}", name.replace('_', " "))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Completes on Ctrl-C or SIGTERM.
async fn interrupted() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}
