//! What the command line asks for.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use http::Uri;
use load_test::{jobs::Work, server::Mode};

pub const USAGE: &str = "\
Without arguments: four strategies do the same jobs against a fake provider with a limit, side by side.

  --jobs N           jobs to do, 500 if not given
  --workers N        jobs that are under way at a time, 64 if not given
  --max-seconds N    ends the run then; what is not done by then has failed
  --svg PATH         where the picture goes, target/storm.svg if not given

  --url URL          this crate's stack alone does the jobs: each gets URL, and is done when that ends in a 200
  --json             prints what came of that as one JSON object

  --serve MODE       runs the fake provider alone and prints its address, until it is ended
  --port N           on this port, else on any
                     MODE: fixed, bucket, sliding, bare, retry-after";

/// The most jobs and workers: more is a mistake in typing.
const MOST: usize = 1_000_000;
/// A worker has a connection.
const MOST_WORKERS: usize = 10_000;
/// A week, where no bound was asked for.
const NO_BOUND: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What to do.
#[derive(Clone, Debug)]
pub enum Task {
    Compare { work: Work, svg: PathBuf },
    Drive { uri: Uri, work: Work, json: bool },
    Serve { mode: Mode, port: u16, max_time: Duration },
    Help,
}

/// An argument that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    Unknown(String),
    NoValue(String),
    Value { option: String, value: String, why: String },
    Together { option: &'static str, with: &'static str },
    Alone { option: &'static str, needs: &'static str },
}

/// Reads the arguments that follow the program's name.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Task, Wrong> {
    let mut args = args.into_iter();
    let mut work = Work { jobs: 500, workers: 64, max_time: NO_BOUND };
    let (mut svg, mut uri, mut json, mut mode, mut port) = (None, None, false, None, None);
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or_else(|| Wrong::NoValue(option.clone()));
        match option.as_str() {
            "--jobs" => work.jobs = number(&option, value()?, 1, MOST)?,
            "--workers" => work.workers = number(&option, value()?, 1, MOST_WORKERS)?,
            "--max-seconds" => {
                let most = NO_BOUND.as_secs();
                work.max_time = Duration::from_secs(number(&option, value()?, 1, most)?);
            }
            "--svg" => svg = Some(PathBuf::from(value()?)),
            "--url" => uri = Some(address(&option, value()?)?),
            "--json" => json = true,
            "--serve" => {
                let name = value()?;
                let Some(found) = Mode::from_name(&name) else {
                    let names = Mode::ALL.map(Mode::name).join(", ");
                    return Err(wrong(&option, name, format!("it is one of {names}")));
                };
                mode = Some(found);
            }
            "--port" => port = Some(number(&option, value()?, 0, u16::MAX)?),
            "--help" | "-h" => return Ok(Task::Help),
            _ => return Err(Wrong::Unknown(option)),
        }
    }
    if port.is_some() && mode.is_none() {
        return Err(Wrong::Alone { option: "--port", needs: "--serve" });
    }
    if json && uri.is_none() {
        return Err(Wrong::Alone { option: "--json", needs: "--url" });
    }
    if svg.is_some() && (uri.is_some() || mode.is_some()) {
        let with = if uri.is_some() { "--url" } else { "--serve" };
        return Err(Wrong::Together { option: "--svg", with });
    }
    match (uri, mode) {
        (Some(_), Some(_)) => Err(Wrong::Together { option: "--url", with: "--serve" }),
        (Some(uri), None) => Ok(Task::Drive { uri, work, json }),
        (None, Some(mode)) => {
            Ok(Task::Serve { mode, port: port.unwrap_or_default(), max_time: work.max_time })
        }
        (None, None) => {
            let svg = svg.unwrap_or_else(|| "target/storm.svg".into());
            Ok(Task::Compare { work, svg })
        }
    }
}

fn number<N>(option: &str, value: String, least: N, most: N) -> Result<N, Wrong>
where
    N: FromStr + PartialOrd + fmt::Display + Copy,
{
    match value.parse() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(wrong(option, value, format!("it is a whole number from {least} to {most}"))),
    }
}

fn address(option: &str, value: String) -> Result<Uri, Wrong> {
    let why = match value.parse::<Uri>() {
        Ok(uri) if uri.host().is_none() => "it has no host",
        Ok(uri) => match uri.scheme_str() {
            Some("http") => return Ok(uri),
            Some("https") => "this example has no TLS: it takes http addresses only",
            _ => "it takes http addresses only",
        },
        Err(_) => "it is no address",
    };
    Err(wrong(option, value, why))
}

fn wrong(option: &str, value: String, why: impl Into<String>) -> Wrong {
    Wrong::Value { option: option.to_owned(), value, why: why.into() }
}

// === impl Wrong ===

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "there is no option `{option}`"),
            Self::NoValue(option) => write!(f, "`{option}` needs a value"),
            Self::Value { option, value, why } => write!(f, "`{option} {value}`: {why}"),
            Self::Together { option, with } => write!(f, "`{option}` does not go with `{with}`"),
            Self::Alone { option, needs } => write!(f, "`{option}` goes with `{needs}` only"),
        }
    }
}

impl std::error::Error for Wrong {}
