//! What came of it all.

use super::counts::Counted;

pub fn json(counted: &Counted) {
    println!("{}", serde_json::to_string(counted).expect("numbers and text"));
}

pub fn table(counted: &Counted) {
    let Counted { ok, failed, exchanges, refreshed_early, rejected, replayed, last_error } =
        counted;
    println!("{:>7}  calls that succeeded", ok);
    println!("{:>7}  calls failed", failed);
    println!("{:>7}  token requests", exchanges);
    println!("{:>7}  of them early, with the token before still good", refreshed_early);
    println!("{:>7}  attempts whose token was rejected", rejected);
    println!("{:>7}  attempts with another token after that", replayed);
    if let Some(error) = last_error {
        println!("the last error: {error}");
    }
}
