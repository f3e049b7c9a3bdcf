//! The contract that every layer keeps, alone and in the recommended stack: each case against each layer, and each case
//! against a layer that breaks it.

mod broken;
mod cases;
pub(crate) mod subjects;

use cases::CASES;

/// How a run of the table ends: the cases that failed, by name.
async fn failures(subject: &subjects::Subject) -> Vec<String> {
    let mut failed = Vec::new();
    for case in CASES {
        if let Err(why) = (case.run)(subject.wrap).await {
            failed.push(format!("{}: {}: {why}", subject.name, case.name));
        }
    }
    failed
}

#[tokio::test(start_paused = true)]
async fn every_layer_keeps_the_contract() {
    let mut failed = Vec::new();
    for subject in subjects::SUBJECTS {
        failed.extend(failures(subject).await);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn every_case_fails_for_a_layer_that_breaks_it() {
    for case in CASES {
        let fault = broken::FAULTS.iter().find(|fault| fault.breaks == case.name);
        let fault = fault.unwrap_or_else(|| panic!("no layer breaks `{}`", case.name));
        let result = (case.run)(fault.wrap).await;
        assert!(result.is_err(), "`{}` did not notice: {}", case.name, fault.how);
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_does_nothing_keeps_the_contract() {
    let subject = subjects::Subject { name: "nothing", wrap: subjects::nothing };
    assert_eq!(failures(&subject).await, Vec::<String>::new());
}
