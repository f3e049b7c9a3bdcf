//! What the command line asks for.

use std::time::Duration;

use load_test::{server::{Mode, Path}};

use super::{client::Client};

pub const USAGE: &str = "\
Options, none of which has to be given:

  --modes LIST      of fixed, bucket, sliding, bare, retry-after; all if not given
  --workers LIST    1,8,64,256 if not given
  --runs N          of this crate, of which the median is shown; 3 if not given
  --jobs N          480 if not given
  --delay A-Bms     each way takes from A to B milliseconds; loopback alone if not given
  --only TEXT       clients whose name contains it, such as tower-heed";

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    pub modes: Vec<Mode>,
    pub workers: Vec<usize>,
    pub runs: usize,
    pub jobs: usize,
    pub path: Path,
    only: String,
}

/// Reads the arguments that follow the program's name.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Plan, String> {
    let mut plan = Plan {
        modes: Mode::ALL.to_vec(),
        workers: vec![1, 8, 64, 256],
        runs: 3,
        jobs: 480,
        path: Path::default(),
        only: String::new(),
    };
    let mut args = args.into_iter();
    while let Some(option) = args.next() {
        let value = args.next().ok_or_else(|| format!("`{option}` needs a value"))?;
        let read = match option.as_str() {
            "--modes" => list(&value, Mode::from_name).map(|modes| plan.modes = modes),
            "--workers" => list(&value, number).map(|workers| plan.workers = workers),
            "--runs" => number(&value).map(|runs| plan.runs = runs),
            "--jobs" => number(&value).map(|jobs| plan.jobs = jobs),
            "--only" => {
                plan.only.clone_from(&value);
                (!plan.clients().is_empty()).then_some(())
            }
            "--delay" => path(&value).map(|path| plan.path = path),
            _ => return Err(format!("there is no option `{option}`")),
        };
        read.ok_or_else(|| format!("`{option} {value}` is not understood"))?;
    }
    Ok(plan)
}

fn list<T>(value: &str, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    value.split(',').map(read).collect()
}

fn number(value: &str) -> Option<usize> {
    value.parse().ok().filter(|number| (1..=1_000_000).contains(number))
}

fn path(value: &str) -> Option<Path> {
    let (least, most) = value.trim_end_matches("ms").split_once('-')?;
    let read = |value: &str| value.parse().ok().map(Duration::from_millis);
    let (least, most) = (read(least)?, read(most)?);
    (least <= most).then_some(Path { least, most })
}

// === impl Plan ===

impl Plan {
    /// The clients that were asked for.
    pub fn clients(&self) -> Vec<Client> {
        let only = self.only.to_lowercase();
        let wanted = |client: &Client| client.name().to_lowercase().contains(&only);
        Client::ALL.into_iter().filter(wanted).collect()
    }

    pub fn delays(&self) -> String {
        let Path { least, most } = self.path;
        if most.is_zero() {
            "no delay but loopback's".to_owned()
        } else {
            format!("{} to {} ms each way", least.as_millis(), most.as_millis())
        }
    }
}
