//! `quorate check new`: a check from a template, so that nobody begins with an empty file.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anstyle::Style;

use crate::cli::exit::Failure;
use crate::domain::CheckName;

/// Where checks live, beside `quorate.toml`.
const FOLDER: &str = "checks";

/// A check to begin with. Each is a script that runs as it is once its parameters fit.
struct Template {
    name: &'static str,
    /// What it does, for the list.
    what: &'static str,
    source: &'static str,
    /// The secrets that it asks for, with what to write in their place.
    secrets: &'static [(&'static str, &'static str)],
}

const TEMPLATES: [Template; 5] = [
    Template {
        name: "api-token",
        what: "a token from client credentials, and a call that needs it",
        source: include_str!("templates/api-token.rhai"),
        secrets: &[("client-id", "the client's id"), ("client-secret", "its secret")],
    },
    Template {
        name: "form-login",
        what: "open a login form, send it, see the account page, log out",
        source: include_str!("templates/form-login.rhai"),
        secrets: &[("probe-user", "the probes' account"), ("probe-password", "its password")],
    },
    Template {
        name: "health",
        what: "one page, its status and what it says",
        source: include_str!("templates/health.rhai"),
        secrets: &[],
    },
    Template {
        name: "oidc",
        what: "OpenID Connect: login and consent pages, code with PKCE, the ID token verified",
        source: include_str!("templates/oidc-login.rhai"),
        secrets: &[
            ("probe-user", "the probes' account"),
            ("probe-password", "its password"),
            ("client-secret", "the probes' client's secret"),
        ],
    },
    Template {
        name: "totp",
        what: "a login form with a second factor: a code that changes every 30 seconds",
        source: include_str!("templates/totp-login.rhai"),
        secrets: &[
            ("probe-user", "the probes' account"),
            ("probe-password", "its password"),
            ("probe-totp", "what its authenticator was set up with"),
        ],
    },
];

/// Write a new check from a template.
///
/// It writes checks/NAME.rhai, below the folder that this is run in, and never over a file that is there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The check's name, which the configuration uses.
    #[arg(required_unless_present = "list", value_name = "NAME")]
    name: Option<String>,
    /// What to begin with; `--list` shows them.
    #[arg(long, required_unless_present = "list", value_name = "TEMPLATE", value_parser = names())]
    template: Option<String>,
    /// List the templates.
    #[arg(long, exclusive = true)]
    list: bool,
}

fn names() -> Vec<&'static str> {
    TEMPLATES.iter().map(|template| template.name).collect()
}

/// Writes the file and says what to do next.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let bold = Style::new().bold();
    let template = TEMPLATES.iter().find(|template| Some(template.name) == args.template.as_deref());
    let (Some(name), Some(template)) = (&args.name, template) else {
        let width = TEMPLATES.iter().map(|template| template.name.len()).max().unwrap_or(0);
        for Template { name, what, .. } in &TEMPLATES {
            writeln!(out, "{bold}{name:width$}{bold:#}  {what}")?;
        }
        return Ok(());
    };
    let name = CheckName::new(name).map_err(|error| Failure::usage(format!("'{name}': {error}")))?;
    let path = Path::new(FOLDER).join(format!("{name}.rhai"));
    write_new(&path, template.source)?;
    let shown = path.display();
    writeln!(out, "wrote {bold}{shown}{bold:#} from the template {}\n", template.name)?;
    writeln!(out, "next, fit the parameters at its top, then:")?;
    let secrets = if template.secrets.is_empty() { "" } else { " --secrets secrets.toml" };
    writeln!(out, "  quorate check lint {shown}{secrets}")?;
    writeln!(out, "  quorate check run {shown} --target https://your.site{secrets} --watch")?;
    if !template.secrets.is_empty() {
        writeln!(out, "\nsecrets.toml needs, and no repository should see:")?;
        for (name, value) in template.secrets {
            writeln!(out, "  {name} = \"({value})\"")?;
        }
    }
    Ok(())
}

fn write_new(path: &PathBuf, source: &str) -> Result<(), Failure> {
    let cannot = |error: &std::io::Error| Failure::usage(format!("{} cannot be written: {error}", path.display()));
    fs::create_dir_all(FOLDER).map_err(|error| cannot(&error))?;
    let mut file = File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::usage(format!(
            "{} is there already, and is left as it is: choose another name, or remove it",
            path.display()
        )),
        _ => cannot(&error),
    })?;
    file.write_all(source.as_bytes()).map_err(|error| cannot(&error))
}
