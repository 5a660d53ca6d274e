//! `quorate check`: checks from a laptop, before they are committed.

mod timeline;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::{Args, Subcommand};
use serde::Serialize;
use url::Url;

use crate::adapters::script::{CheckScript, Limits, Reach, RhaiRunner};
use crate::config::{Problem, load_secrets};
use crate::domain::{CheckName, Outcome, ProbeReport, Role, Secrets};
use crate::ports::{ProbeRequest, ProbeRunner, Resolution};

/// The exit code for bad usage and bad files.
const EXIT_USAGE: u8 = 64;
/// The version of the `--json` object.
const JSON_VERSION: u8 = 1;
/// The longest deadline: an interactive command that takes longer is a mistyped unit.
const MAX_DEADLINE: Duration = Duration::from_secs(600);

/// Work with checks.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(subcommand)]
    command: CheckCommand,
}

#[derive(Debug, Subcommand)]
enum CheckCommand {
    /// Run a check once and show a timeline of its steps.
    ///
    /// Exit codes: 0 the check passed, 1 it failed, 2 it could not find out, 64 bad usage or a bad file.
    Run(RunArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The check, a Rhai script.
    script: PathBuf,
    /// The site's base URL.
    #[arg(long, value_name = "URL", value_parser = parse_target)]
    target: Url,
    /// A TOML file with the secrets that the check asks for, one `name = "value"` a line.
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// A parameter of the check; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_param)]
    params: Vec<(String, String)>,
    /// The site's role, which the script sees as `site`.
    #[arg(long, value_name = "primary|standby", default_value = "primary", value_parser = parse_role)]
    role: Role,
    /// How long the check may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_deadline)]
    deadline: Duration,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs `quorate check …`.
pub async fn run(args: CheckArgs) -> ExitCode {
    let CheckCommand::Run(args) = args.command;
    match probe(&args).await {
        Ok(report) => {
            // A reader that hung up, `| head` say, does not change how the check ended.
            let _ = print(&args, &report);
            ExitCode::from(match report.report.outcome {
                Outcome::Pass => 0,
                Outcome::Fail => 1,
                Outcome::Inconclusive => 2,
            })
        }
        Err(problem) => {
            let red = AnsiColor::Red.on_default().bold();
            let _ = writeln!(anstream::stderr(), "{red}error:{red:#} {problem}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// What was run and how it ended.
struct Ran {
    check: CheckName,
    target: String,
    report: ProbeReport,
}

async fn probe(args: &RunArgs) -> Result<Ran, String> {
    let source =
        std::fs::read_to_string(&args.script).map_err(|error| format!("{}: {error}", args.script.display()))?;
    let secrets = match &args.secrets {
        Some(path) => load_secrets(path).map_err(|problems| listed(&problems))?,
        None => Secrets::default(),
    };
    let check = name_of(&args.script)?;
    let script = CheckScript {
        name: check.clone(),
        path: args.script.clone(),
        source,
        params: args.params.iter().cloned().collect(),
        secrets: secrets.clone(),
        reach: Reach::default(),
        limits: Limits::default(),
    };
    let runner = RhaiRunner::new(vec![script])
        .map_err(|errors| errors.iter().map(|error| with_causes(error)).collect::<Vec<_>>().join("\n"))?;
    let request = ProbeRequest {
        check: check.clone(),
        target: args.target.clone(),
        role: args.role,
        vantage: None,
        deadline: args.deadline,
        resolution: Resolution::System,
    };
    let report = runner.run(&request).await;
    Ok(Ran { check, target: secrets.redact(shown(&args.target).as_str()), report })
}

fn print(args: &RunArgs, ran: &Ran) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &Data::of(ran, args.role))?;
        return writeln!(out);
    }
    let bold = Style::new().bold();
    writeln!(out, "{bold}{}{bold:#} → {} ({})\n", ran.check, ran.target, args.role)?;
    timeline::write(&mut out, &ran.report)
}

/// The `--json` object. Fields may be added to a version, and are never taken away or given another meaning.
#[derive(Serialize)]
struct Data<'a> {
    v: u8,
    check: &'a str,
    target: &'a str,
    role: &'static str,
    outcome: &'static str,
    kind: Option<&'static str>,
    reason: Option<&'a str>,
    failed_step: Option<&'a str>,
    steps: Vec<StepData<'a>>,
    duration_ms: u64,
}

#[derive(Serialize)]
struct StepData<'a> {
    name: &'a str,
    start_ms: u64,
    duration_ms: u64,
    outcome: &'static str,
}

impl<'a> Data<'a> {
    fn of(ran: &'a Ran, role: Role) -> Self {
        let report = &ran.report;
        let steps = report.steps.iter().map(|step| StepData {
            name: &step.name,
            start_ms: step.start_ms,
            duration_ms: step.duration_ms,
            outcome: step.outcome.as_str(),
        });
        Self {
            v: JSON_VERSION,
            check: ran.check.as_str(),
            target: &ran.target,
            role: role.as_str(),
            outcome: report.outcome.as_str(),
            kind: report.kind.map(|kind| kind.as_str()),
            reason: report.reason.as_deref(),
            failed_step: report.failed_step.as_deref(),
            steps: steps.collect(),
            duration_ms: report.duration_ms,
        }
    }
}

/// The check is called after its file; what a name may not hold becomes a hyphen.
fn name_of(script: &Path) -> Result<CheckName, String> {
    let stem = script.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let hyphened: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    CheckName::new(hyphened.trim_matches('-')).map_err(|error| format!("{}: {error}", script.display()))
}

/// The URL as it may be shown: without user and password.
fn shown(target: &Url) -> Url {
    let mut url = target.clone();
    // An http or https URL can always have them removed.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

fn listed(problems: &[Problem]) -> String {
    let one = |problem: &Problem| {
        let place = problem.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
        format!("{}{place}: {}", problem.file.display(), problem.message)
    };
    problems.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

fn parse_target(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; write it as https://host or http://host:port"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("it must begin with http:// or https:// and name a host".to_owned());
    }
    Ok(url)
}

fn parse_param(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as name=value".to_owned()),
    }
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "there are primary and standby".to_owned())
}

fn parse_deadline(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 10s or 500ms"))?;
    if time.is_zero() || time > MAX_DEADLINE {
        return Err(format!("it must be more than nothing and at most {}", humantime::format_duration(MAX_DEADLINE)));
    }
    Ok(time)
}
