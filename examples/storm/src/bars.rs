//! The bars of the picture: which responses came in each step of time.

use load_test::tally::Tally;

/// How long a step is, in seconds.
pub const STEP: f64 = 0.1;

/// Which responses came in one step of time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bar {
    pub accepted: u32,
    pub rejected: u32,
}

/// The bars of all responses, from the first moment on.
pub fn bars(tally: &Tally) -> Vec<Bar> {
    let mut bars = Vec::new();
    for response in tally.responses() {
        let number = (response.at.as_secs_f64() / STEP) as usize;
        if bars.len() <= number {
            bars.resize(number + 1, Bar::default());
        }
        let bar = &mut bars[number];
        if response.rejected { bar.rejected += 1 } else { bar.accepted += 1 }
    }
    bars
}
