//! The layers: flags over environment over file. Each setting keeps its origin, so that an error can name it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args as _, FromArgMatches};

use super::args::{Args, RuntimeKind};
use super::exit::Exit;
use super::file;
use super::secret::Secret;

/// The variable with the engine's address that all Docker clients read.
const DOCKER_HOST: &str = "DOCKER_HOST";

/// The given settings by name, without those that were not given. The secret is separate, since errors repeat
/// settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings(BTreeMap<String, Setting>, Option<Secret>);

/// One setting, unparsed; several values are joined by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub text: String,
    pub origin: Origin,
}

/// The layer that a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Flag,
    Variable,
    /// The variable `DOCKER_HOST`, which other Docker clients read too.
    DockerHost,
    File {
        path: String,
        line: usize,
    },
}

impl Settings {
    /// Reads and merges the three layers.
    pub fn gather(matches: &ArgMatches, env: &HashMap<String, String>) -> Result<Self, Exit> {
        let keys = file::Keys { names: names(), lists: lists() };
        // An empty variable counts as absent, so that compose files can write `${LB_X-}`.
        let variable = |name: &str| env.get(&variable(name)).filter(|text| !text.is_empty()).cloned();
        let mut flags = flags(matches);
        flags.remove("config");
        let mut settings =
            path(matches, env).map_or_else(|| Ok(BTreeMap::new()), |path| file::read(&path, &keys))?;
        settings.extend(keys.names.into_iter().filter_map(|name| {
            let text = variable(&name)?;
            Some((name, Setting { text, origin: Origin::Variable }))
        }));
        settings.extend(flags);
        // DOCKER_HOST has the lowest precedence, and only the Docker runtime uses it.
        let runtime = settings.get("runtime").and_then(|runtime| RuntimeKind::parse(&runtime.text).ok());
        let in_containers = match runtime {
            Some(RuntimeKind::Docker) => true,
            Some(RuntimeKind::Process | RuntimeKind::Static) | None => false,
        };
        let docker_host = env.get(DOCKER_HOST).filter(|text| in_containers && !text.is_empty());
        if let Some(text) = docker_host {
            let setting = Setting { text: text.clone(), origin: Origin::DockerHost };
            settings.entry("docker-host".to_owned()).or_insert(setting);
        }
        Ok(Self(settings, Secret::of(env)))
    }

    /// Parses the settings; those that were not given have their defaults.
    pub fn args(&self) -> Result<Args, Exit> {
        let command = Args::augment_args(clap::Command::new("lb").no_binary_name(true));
        let argv = self.0.iter().map(|(name, setting)| format!("--{name}={}", setting.text));
        command
            .try_get_matches_from(argv)
            .and_then(|matches| Args::from_arg_matches(&matches))
            .map_err(|error| self.refused(&error))
    }

    /// The text of `LB_ADMIN_TOKEN`.
    pub fn secret(&self) -> Option<&Secret> {
        self.1.as_ref()
    }

    /// The text given for a setting; `None`: not given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|setting| setting.text.as_str())
    }

    /// The setting as the user wrote it, or with its default; the beginning of an error.
    pub fn place(&self, name: &str) -> String {
        if let Some(Setting { text, origin }) = self.0.get(name) {
            return Place { name, text, origin }.to_string();
        }
        let command = Args::augment_args(clap::Command::new("lb"));
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name));
        let default = arg.and_then(|arg| arg.get_default_values().first());
        format!("--{name} {} (by default)", default.and_then(|text| text.to_str()).unwrap_or_default())
    }

    /// The error for a value that its parser has rejected.
    fn refused(&self, error: &clap::Error) -> Exit {
        use std::error::Error as _;
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.as_str(),
            _ => "",
        };
        // clap's text is `--slot-cap <CAP|off>` or `--strict-rm[=<on|off>]`.
        let shown = text(ContextKind::InvalidArg).trim_start_matches('-');
        let name = shown.split([' ', '[', '=']).next().unwrap_or(shown);
        match (self.0.get(name), error.source()) {
            (Some(Setting { origin, .. }), Some(reason)) => {
                let text = text(ContextKind::InvalidValue);
                Exit::bad(format!("{}: {reason}", Place { name, text, origin }))
            }
            (Some(Setting { text, origin }), None) => {
                Exit::bad(format!("{}: needs a value", Place { name, text, origin }))
            }
            (None, _) => Exit::from(error),
        }
    }
}

/// A value where the user wrote it: `--retries x`, `LB_RETRIES=x` or `lb.toml line 3, retries = x`.
struct Place<'a> {
    name: &'a str,
    text: &'a str,
    origin: &'a Origin,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, text, origin } = self;
        match origin {
            Origin::Flag if text.is_empty() => write!(f, "--{name}="),
            Origin::Flag => write!(f, "--{name} {text}"),
            Origin::Variable => write!(f, "{}={text}", variable(name)),
            Origin::DockerHost => write!(f, "{DOCKER_HOST}={text}"),
            Origin::File { path, line } => write!(f, "{path} line {line}, {name} = {text}"),
        }
    }
}

/// The environment variable of a setting: `LB_SLOT_CAP` for `slot-cap`.
pub(super) fn variable(name: &str) -> String {
    format!("LB_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The names of all settings, as in `--name`.
pub(super) fn names() -> Vec<String> {
    let command = Args::augment_args(clap::Command::new("lb"));
    command.get_arguments().filter_map(|arg| arg.get_long()).map(str::to_owned).collect()
}

/// The names of the settings that are lists: their flag can be repeated, or its help shows `,…` after the value.
pub(super) fn lists() -> Vec<String> {
    let is_list = |arg: &&Arg| {
        let names = arg.get_value_names().unwrap_or_default();
        matches!(arg.get_action(), ArgAction::Append) || names.iter().any(|name| name.contains(",…"))
    };
    let command = Args::augment_args(clap::Command::new("lb"));
    let lists = command.get_arguments().filter(is_list).filter_map(|arg| arg.get_long());
    lists.map(str::to_owned).collect()
}

/// The path of the file, by flag or variable; `None`: there is none.
pub(super) fn path(matches: &ArgMatches, env: &HashMap<String, String>) -> Option<String> {
    let flag = flags(matches).remove("config").map(|config| config.text);
    flag.or_else(|| env.get(&variable("config")).filter(|text| !text.is_empty()).cloned())
}

/// The settings on the command line.
fn flags(matches: &ArgMatches) -> BTreeMap<String, Setting> {
    matches
        .ids()
        .map(|id| id.as_str())
        .filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine))
        // The ids include groups, one for each flattened struct, which have no text.
        .filter_map(|id| Some((id, matches.try_get_many::<String>(id).ok()??)))
        .map(|(id, texts)| {
            let text = texts.map(String::as_str).collect::<Vec<_>>().join(",");
            (id.replace('_', "-"), Setting { text, origin: Origin::Flag })
        })
        .collect()
}
