//! `quorate check run`: a check run once, or again whenever it is saved, with a timeline of its steps.

mod data;
mod excerpt;
mod timeline;
mod trace;
mod watch;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use url::Url;

use super::given;
use super::recording::{Given, Recording};
use crate::adapters::script::Mode;
use crate::domain::{CheckName, Outcome, ProbeReport, Role};
use crate::ports::{ProbeRequest, Resolution};
use data::Data;
use excerpt::Excerpt;

/// The exit code for bad usage and bad files.
const EXIT_USAGE: u8 = 64;
/// The longest deadline: an interactive command that takes longer is a mistyped unit.
const MAX_DEADLINE: Duration = Duration::from_secs(600);

/// Run a check once and show a timeline of its steps.
///
/// Exit codes: 0 the check passed, 1 it failed, 2 it could not find out, 64 bad usage or a bad file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
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
    /// A host that the check may ask beside the target's own, as `reach` in the configuration; may be repeated.
    #[arg(long, value_name = "HOST")]
    reach: Vec<String>,
    /// Show every request with its headers and the beginning of its bodies, secrets struck out.
    #[arg(long)]
    trace: bool,
    /// Write every answer to this file, for `quorate check test`.
    #[arg(long, value_name = "FILE", conflicts_with = "watch")]
    record: Option<PathBuf>,
    /// Run again whenever the script, its secrets or a file of the `lib` folder beside it is saved, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the check; the code is that of the outcome, with `--watch` of the last one.
pub(super) async fn run(args: Args) -> ExitCode {
    ExitCode::from(if args.watch { watch::run(&args).await } else { once(&args).await })
}

/// One run, printed.
async fn once(args: &Args) -> u8 {
    match probe(args).await {
        Ok(ran) => {
            // A reader that hung up, `| head` say, does not change how the check ended.
            let _ = print(args, &ran);
            match ran.report.outcome {
                Outcome::Pass => 0,
                Outcome::Fail => 1,
                Outcome::Inconclusive => 2,
            }
        }
        Err(problem) => {
            let red = AnsiColor::Red.on_default().bold();
            let _ = writeln!(anstream::stderr(), "{red}error:{red:#} {problem}");
            EXIT_USAGE
        }
    }
}

/// What was run and how it ended.
struct Ran {
    check: CheckName,
    target: String,
    report: ProbeReport,
    /// The line of the script at which it ended.
    excerpt: Option<Excerpt>,
}

async fn probe(args: &Args) -> Result<Ran, String> {
    let params: BTreeMap<String, String> = args.params.iter().cloned().collect();
    let ready =
        given::ready(&args.script, params.clone(), given::secrets(args.secrets.as_ref())?, args.reach.clone())?;
    let request = ProbeRequest {
        check: ready.check.clone(),
        target: args.target.clone(),
        role: args.role,
        vantage: None,
        deadline: args.deadline,
        resolution: Resolution::System,
    };
    let mode = Mode { trace: args.trace, record: args.record.is_some(), whole: true, ..Mode::default() };
    let run = ready.runner.run_as(&request, mode).await;
    if let (Some(file), Some(tape)) = (&args.record, &run.tape) {
        let (script, role, secrets, reach) =
            (args.script.as_path(), args.role, &ready.secrets, args.reach.as_slice());
        Recording::write(file, &Given { script, role, params: &params, secrets, reach }, &run.report, tape)?;
    }
    let place = run.report.place.as_ref();
    let excerpt = place.and_then(|place| excerpt::of(place, &args.script, &ready.source, &ready.secrets));
    let target = ready.secrets.redact(shown(&args.target).as_str());
    Ok(Ran { check: ready.check, target, report: run.report, excerpt })
}

fn print(args: &Args, ran: &Ran) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &Data::of(ran, args.role))?;
        return writeln!(out);
    }
    let bold = Style::new().bold();
    writeln!(out, "{bold}{}{bold:#} → {} ({})\n", ran.check, ran.target, args.role)?;
    timeline::write(&mut out, &ran.report, ran.excerpt.as_ref())?;
    if args.trace { trace::write(&mut out, &ran.report) } else { Ok(()) }
}

/// The URL as it may be shown: without user and password.
fn shown(target: &Url) -> Url {
    let mut url = target.clone();
    // An http or https URL can always have them removed.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
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
