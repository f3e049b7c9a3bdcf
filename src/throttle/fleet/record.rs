//! A ledger as the store keeps it: a version, and numbers of variable length. It has some hundred bytes.

use super::{
    ledger::{Ledger, Model, Round},
    rate::Rate,
    window::Window,
};

/// The version of the layout. A record of another one is left alone: old and new processes of a rolling deployment would overwrite
/// each other without end.
const VERSION: u8 = 1;

/// The most numbers that a model has.
const MOST: usize = 128;

/// What a record is.
#[derive(Debug, PartialEq)]
pub enum Decoded {
    /// A ledger.
    Ledger(Ledger),
    /// Damaged: as if it was not there.
    Broken,
    /// Of another version.
    Foreign,
}

/// Writes a ledger.
#[must_use]
pub fn encode(ledger: &Ledger) -> Vec<u8> {
    let mut out = vec![VERSION];
    let Ledger { generation, model, confirmed, learned, round } = ledger;
    let Round { number, began, askers, last_askers, granted, denied, accepted, rejected, boost } =
        *round;
    let counts = [askers, last_askers, granted, denied, accepted, rejected, boost].map(u64::from);
    put(&mut out, &[*generation, *confirmed, *learned, number, began]);
    put(&mut out, &counts);
    match model {
        Model::New { learner, until, want } => {
            put(&mut out, &[0, *learner, *until, u64::from(*want)]);
        }
        Model::Open => put(&mut out, &[1]),
        Model::Window(window) => {
            let Window { limit, allowed, period, number, end, granted, left, quiet, odd, spare } =
                window;
            let (limit, allowed) = (u64::from(*limit), u64::from(*allowed));
            put(&mut out, &[2, limit, allowed, *period, *number, end.0, end.1]);
            put(&mut out, &[option(*left), u64::from(*quiet)]);
            put(&mut out, &[u64::from(*odd), u64::from(*spare)]);
            granted.iter().for_each(|granted| put(&mut out, &[u64::from(*granted)]));
        }
        Model::Rate(rate) => {
            let Rate { every, learned, burst, next, quiet, look, mark, accepted, spare, left } =
                rate;
            let (marked, mark) = mark.map_or((0, None), |(at, left)| (at, Some(left)));
            put(&mut out, &[3, *every, *learned, u64::from(*burst), *next]);
            put(&mut out, &[u64::from(*quiet), *look, marked, option(mark)]);
            put(&mut out, &[u64::from(*accepted), u64::from(*spare), option(*left)]);
        }
    }
    out
}

/// Reads what [`encode`] has written. The ledger itself repairs what cannot be.
#[must_use]
pub fn decode(record: &[u8]) -> Decoded {
    match record.split_first() {
        None => Decoded::Broken,
        Some((&VERSION, rest)) => read(rest).map_or(Decoded::Broken, Decoded::Ledger),
        Some(_) => Decoded::Foreign,
    }
}

fn read(rest: &[u8]) -> Option<Ledger> {
    let numbers = numbers(rest)?;
    let mut numbers = numbers.into_iter();
    let mut next = || numbers.next();
    let [generation, confirmed, learned, number, began] =
        [next()?, next()?, next()?, next()?, next()?];
    let mut count = || u32::try_from(next()?).ok();
    let [askers, last_askers, granted, denied] = [count()?, count()?, count()?, count()?];
    let [accepted, rejected, boost] = [count()?, count()?, count()?];
    let round =
        Round { number, began, askers, last_askers, granted, denied, accepted, rejected, boost };
    let narrow = |number: u64| u32::try_from(number).ok();
    let model = match next()? {
        0 => Model::New { learner: next()?, until: next()?, want: narrow(next()?)? },
        1 => Model::Open,
        2 => {
            let (limit, allowed) = (narrow(next()?)?, narrow(next()?)?);
            let (period, number, end) = (next()?, next()?, (next()?, next()?));
            let (left, quiet) = (narrow_option(next()?)?, narrow(next()?)?);
            let (odd, spare) = (narrow(next()?)?, narrow(next()?)?);
            let granted = numbers.map(narrow).collect::<Option<_>>()?;
            let window =
                Window { limit, allowed, period, number, end, granted, left, quiet, odd, spare };
            return Some(Ledger {
                generation,
                model: Model::Window(window),
                confirmed,
                learned,
                round,
            });
        }
        3 => {
            let (every, learned, burst, at) = (next()?, next()?, narrow(next()?)?, next()?);
            let (quiet, look, marked) = (narrow(next()?)?, next()?, next()?);
            let mark = narrow_option(next()?)?.map(|left| (marked, left));
            let (accepted, spare) = (narrow(next()?)?, narrow(next()?)?);
            let left = narrow_option(next()?)?;
            let next = at;
            Model::Rate(Rate {
                every,
                learned,
                burst,
                next,
                quiet,
                look,
                mark,
                accepted,
                spare,
                left,
            })
        }
        _ => return None,
    };
    numbers.next().is_none().then_some(Ledger { generation, model, confirmed, learned, round })
}

/// None is zero, and each number one more.
fn option(number: Option<u32>) -> u64 {
    number.map_or(0, |number| u64::from(number) + 1)
}

fn narrow_option(number: u64) -> Option<Option<u32>> {
    Some(match number {
        0 => None,
        more => Some(u32::try_from(more - 1).ok()?),
    })
}

fn put(out: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        let mut rest = *number;
        while rest > 0x7f {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
}

fn numbers(bytes: &[u8]) -> Option<Vec<u64>> {
    let (mut found, mut number, mut shift) = (Vec::new(), 0_u64, 0_u32);
    for byte in bytes {
        let bits = u64::from(byte & 0x7f);
        if shift > 63 || shift == 63 && bits > 1 || found.len() >= MOST {
            return None;
        }
        number |= bits << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            found.push(number);
            (number, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(found)
}
