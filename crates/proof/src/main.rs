//! `proof soak CALLS` and `proof net FIRST_SEED LAST_SEED HOURS`: see `scripts/proof`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next();
    let Ok(numbers) = arguments.map(|number| number.parse()).collect::<Result<Vec<u64>, _>>()
    else {
        return ExitCode::from(2);
    };
    match (name.as_deref(), &numbers[..]) {
        (Some("soak"), &[calls]) => proof::soak::run(calls),
        (Some("net"), &[first, last, hours]) => proof::net::run(first..last + 1, hours * 60),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}
