//! Terraform, in a copy of our modules: it writes beside what it reads.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// The provider of this version is what the modules ask for.
const PROVIDER: &str = "terraform-provider-aws_v5.";

/// Where Terraform itself looks for providers that are on this machine, and where software that is no package is put.
const PROVIDER_ROOTS: [&str; 4] =
    ["/usr/share/terraform/plugins", "/usr/local/share/terraform/plugins", "/usr/local", "/opt"];

/// `HOST/hashicorp/aws/VERSION/PLATFORM/FILE` below the folder of plugins.
const LEVELS: usize = 6;

/// The provider takes half a gigabyte and a core to start: one at a time.
static ONE: Mutex<()> = Mutex::new(());

/// Terraform and its provider on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Terraform {
    program: PathBuf,
    plugins: PathBuf,
}

impl Terraform {
    /// Finds both. Neither can be installed from a package registry, so a machine without them does not fail: it says, past the
    /// harness's capture, that the test was not run. `QUORATE_TERRAFORM=required` makes that a failure, and so does CI where
    /// Terraform is, but its provider is not.
    pub(crate) fn found(test: &str) -> Option<Self> {
        let wanted = setting("QUORATE_TERRAFORM").is_some_and(|word| word == "required");
        let program = env::var_os("PATH").and_then(|path| {
            env::split_paths(&path).map(|folder| folder.join("terraform")).find(|file| file.is_file())
        });
        let plugins = plugins();
        let missing = match (&program, &plugins) {
            (Some(_), Some(_)) => return Some(Self { program: program?, plugins: plugins? }),
            (None, _) => "terraform is not in PATH",
            (Some(_), None) => {
                "terraform is here, its AWS provider 5 is not; put it where QUORATE_TERRAFORM_PLUGINS says, as \
                 HOST/hashicorp/aws/VERSION/PLATFORM/terraform-provider-aws_v5…"
            }
        };
        assert!(!wanted, "QUORATE_TERRAFORM=required, and {missing}");
        assert!(program.is_none() || setting("CI").is_none(), "{missing}");
        // Straight to the descriptor: the harness shows what a passing test prints to nobody.
        let line = format!("\n!!! NOT RUN: {test}: {missing}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        None
    }

    /// A copy of the modules and of what they read, gone when dropped.
    pub(crate) fn copy(&self, name: &str) -> Copied {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("terraform-{name}-{}", std::process::id()));
        fs::remove_dir_all(&root).ok();
        for folder in ["terraform", "checks", "policies"] {
            copy(&repository().join(folder), &root.join(folder));
        }
        // An empty one, so that nobody's own settings count.
        fs::write(root.join("terraformrc"), "").unwrap();
        Copied { terraform: self.clone(), root }
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says here what they must not leave out")]
fn setting(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// The repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn plugins() -> Option<PathBuf> {
    if let Some(folder) = env::var_os("QUORATE_TERRAFORM_PLUGINS") {
        return Some(PathBuf::from(folder)).filter(|folder| provider_below(folder, LEVELS).is_some());
    }
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".terraform.d/plugins"));
    let file = home
        .into_iter()
        .chain(PROVIDER_ROOTS.map(PathBuf::from))
        .find_map(|root| provider_below(&root, LEVELS + 2))?;
    file.ancestors().nth(LEVELS).map(Path::to_owned)
}

fn provider_below(folder: &Path, levels: usize) -> Option<PathBuf> {
    let entries: Vec<_> = fs::read_dir(folder).ok()?.flatten().collect();
    let is_provider = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(PROVIDER);
    if let Some(file) = entries.iter().find(|entry| is_provider(&entry.file_name())) {
        return Some(file.path());
    }
    let folders = entries.iter().filter(|entry| levels > 1 && entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.filter_map(|entry| provider_below(&entry.path(), levels - 1)).next()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let name = entry.file_name().to_string_lossy().into_owned();
        // What somebody's own runs left there.
        if name.starts_with(".terraform") || name.contains(".tfstate") {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&source, &target)
        } else {
            fs::copy(source, target).unwrap();
        }
    }
}

/// A copy of the modules.
#[derive(Debug)]
pub(crate) struct Copied {
    terraform: Terraform,
    root: PathBuf,
}

impl Copied {
    /// The folder of that path in the copy.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Runs Terraform in a folder of the copy: its exit code, and all that it said.
    pub(crate) fn run(&self, folder: &str, arguments: &[&str], settings: &[(&str, &str)]) -> (i32, String) {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = Command::new(&self.terraform.program);
        command.args(arguments).current_dir(self.path(folder));
        for name in
            ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "TF_LOG"]
        {
            command.env_remove(name);
        }
        command
            .env("TF_CLI_CONFIG_FILE", self.path("terraformrc"))
            .env("TF_DATA_DIR", self.path(folder).join(".terraform"));
        command.envs([
            ("TF_IN_AUTOMATION", "1"),
            ("TF_INPUT", "0"),
            ("CHECKPOINT_DISABLE", "1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("NO_PROXY", "127.0.0.1"),
        ]);
        command.envs(settings.iter().copied());
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let words = [output.stdout, output.stderr].map(|words| String::from_utf8_lossy(&words).into_owned());
        (output.status.code().unwrap_or(-1), words.concat())
    }

    /// The same, which must be a success.
    pub(crate) fn done(&self, folder: &str, arguments: &[&str], settings: &[(&str, &str)]) -> String {
        let (code, words) = self.run(folder, arguments, settings);
        assert_eq!(code, 0, "terraform {arguments:?} in {folder}:\n{words}");
        words
    }

    /// Makes a folder ready, with the provider that is on this machine.
    pub(crate) fn init(&self, folder: &str) {
        let plugins = format!("-plugin-dir={}", self.terraform.plugins.display());
        self.done(folder, &["init", "-no-color", "-backend=false", &plugins], &[]);
    }

    /// A plan as data.
    pub(crate) fn plan(&self, folder: &str, settings: &[(&str, &str)]) -> Value {
        self.done(folder, &["plan", "-no-color", "-out=made.plan"], settings);
        let text = self.done(folder, &["show", "-json", "made.plan"], settings);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).ok();
    }
}
