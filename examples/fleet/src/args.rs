//! What the command line asks for.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

pub const USAGE: &str = "\
Two fleets against a fake provider with a limit: one shares a redis-server, which fails half way, the other shares nothing.

  --processes N   processes in each fleet, 4 if not given
  --seconds N     how long they run, 20 if not given
  --svg PATH      where the picture goes, target/fleet.svg if not given
  --json          prints what came of it as one JSON object, and nothing else

Ends with status 3 where there is no redis-server; the environment variable REDIS_SERVER names one that is not on the path.";

/// What to do.
#[derive(Clone, Debug)]
pub enum Task {
    Run(Run),
    /// To be one process of a fleet: this program calls itself.
    Process,
    Help,
}

/// How both fleets run.
#[derive(Clone, Debug)]
pub struct Run {
    pub processes: usize,
    pub time: Duration,
    pub svg: PathBuf,
    pub json: bool,
}

/// An argument that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    Unknown(String),
    NoValue(String),
    Value { option: String, value: String, why: String },
}

/// Reads the arguments that follow the program's name.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Task, Wrong> {
    let mut args = args.into_iter();
    let mut run = Run {
        processes: 4,
        time: Duration::from_secs(20),
        svg: "target/fleet.svg".into(),
        json: false,
    };
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or_else(|| Wrong::NoValue(option.clone()));
        match option.as_str() {
            "--processes" => run.processes = number(&option, value()?, 1, 64)?,
            "--seconds" => run.time = Duration::from_secs(number(&option, value()?, 12, 3600)?),
            "--svg" => run.svg = PathBuf::from(value()?),
            "--json" => run.json = true,
            "--process" => return Ok(Task::Process),
            "--help" | "-h" => return Ok(Task::Help),
            _ => return Err(Wrong::Unknown(option)),
        }
    }
    Ok(Task::Run(run))
}

fn number<N>(option: &str, value: String, least: N, most: N) -> Result<N, Wrong>
where
    N: FromStr + PartialOrd + fmt::Display + Copy,
{
    match value.parse() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => {
            let why = format!("it is a whole number from {least} to {most}");
            Err(Wrong::Value { option: option.to_owned(), value, why })
        }
    }
}

// === impl Wrong ===

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "there is no option `{option}`"),
            Self::NoValue(option) => write!(f, "`{option}` needs a value"),
            Self::Value { option, value, why } => write!(f, "`{option} {value}`: {why}"),
        }
    }
}

impl std::error::Error for Wrong {}
