//! The users: each opens a page, which needs a token.

use std::{fmt, time::Duration};

use tokio::{task::JoinSet, time::sleep};
use tower_heed::BoxError;

pub const USERS: usize = 5;

/// Between the first request of one user and that of the next.
const APART: Duration = Duration::from_millis(100);

/// What became of one user.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub page: Page,
    /// Responses that the app treated as a sign-out of this user.
    pub sign_outs: usize,
}

/// What the user looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The one that was asked for.
    Wanted,
    Login,
}

/// Has all users open their page, each in a session of its own.
pub async fn all<F>(session: impl Fn(usize) -> F) -> Vec<Ended>
where
    F: Future<Output = Result<Ended, BoxError>> + Send + 'static,
{
    let mut users = JoinSet::new();
    for number in 0..USERS {
        let session = session(number);
        users.spawn(async move {
            sleep(APART * u32::try_from(number).unwrap_or_default()).await;
            (number, session.await.expect("the provider responds"))
        });
    }
    let mut ended = users.join_all().await;
    ended.sort_by_key(|(number, _)| *number);
    ended.into_iter().map(|(_, ended)| ended).collect()
}

// === impl Ended ===

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.page {
            Page::Wanted => "The user has the page, and never saw another.",
            Page::Login => "The user is on the login page.",
        })
    }
}
