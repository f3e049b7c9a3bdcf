//! What a process tells the others about a failure.

use std::time::Duration;

use http::StatusCode;

use crate::{
    cooldown::Cooldown,
    error::{TokenError, TokenErrorKind},
};

const LEN: usize = 1 + 1 + 1 + 2 + 8;

/// A failure that concerns all processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    kind: TokenErrorKind,
    is_final: bool,
    /// How many there were in a row.
    failures: u8,
    status: Option<StatusCode>,
    /// Of the credentials; zeros if they are not known.
    fingerprint: [u8; 8],
}

// === impl Note ===

impl Note {
    /// The note of a failure, and how long the cooldown is. None for a failure that may be this host's alone.
    pub(super) fn of(
        error: &TokenError,
        before: Option<Self>,
        fingerprint: [u8; 8],
        jitter: f64,
    ) -> Option<(Self, Duration)> {
        let kind = error.kind();
        if matches!(kind, TokenErrorKind::Unavailable | TokenErrorKind::Timeout) {
            return None;
        }
        // Failures of other credentials do not count.
        let before = before.filter(|before| before.concerns(fingerprint));
        let failures = before.map_or(0, |before| before.failures);
        let mut cooldown = Cooldown::after_long_failures(failures.into());
        let wait = cooldown.after(kind, error.retry_after(), jitter);
        let (is_final, status) = (error.is_final(), error.status());
        let failures = failures.saturating_add(1);
        Some((Self { kind, is_final, failures, status, fingerprint }, wait))
    }

    /// Whether it says something to a process with these credentials.
    pub(super) fn concerns(&self, fingerprint: [u8; 8]) -> bool {
        self.kind != TokenErrorKind::Rejected
            || [self.fingerprint, fingerprint].contains(&[0; 8])
            || self.fingerprint == fingerprint
    }

    /// The error for a process that is told, `left` before the cooldown ends.
    pub(super) fn error(&self, left: Duration) -> TokenError {
        let error = TokenError::new(self.kind)
            .with_retry_after(left)
            .with_source("another process was told so, and all are in cooldown");
        let error = if self.is_final { error.into_final() } else { error };
        match self.status {
            Some(status) => error.with_status(status),
            None => error,
        }
    }

    pub(super) fn encode(&self) -> [u8; LEN] {
        let kind = match self.kind {
            TokenErrorKind::RateLimited => 1,
            TokenErrorKind::Rejected => 2,
            TokenErrorKind::Malformed => 3,
            // Never told.
            TokenErrorKind::Unavailable | TokenErrorKind::Timeout => 0,
        };
        let [high, low] = self.status.map_or(0, |status| status.as_u16()).to_be_bytes();
        let mut note = [0; LEN];
        note[..5].copy_from_slice(&[kind, self.is_final.into(), self.failures, high, low]);
        note[5..].copy_from_slice(&self.fingerprint);
        note
    }

    /// None for the note of another version.
    pub(super) fn decode(note: &[u8]) -> Option<Self> {
        let note: &[u8; LEN] = note.try_into().ok()?;
        let [kind, is_final, failures, high, low, fingerprint @ ..] = *note;
        let kind = match kind {
            1 => TokenErrorKind::RateLimited,
            2 => TokenErrorKind::Rejected,
            3 => TokenErrorKind::Malformed,
            _ => return None,
        };
        let status = StatusCode::from_u16(u16::from_be_bytes([high, low])).ok();
        Some(Self { kind, is_final: is_final == 1, failures, status, fingerprint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: [u8; 8] = [1; 8];
    const OTHER: [u8; 8] = [2; 8];

    fn noted(kind: TokenErrorKind, before: Option<Note>) -> (Note, Duration) {
        let error = TokenError::new(kind).with_status(StatusCode::UNAUTHORIZED);
        Note::of(&error, before, MINE, 0.0).unwrap()
    }

    #[test]
    fn rule_35_a_note_is_read_as_it_was_written() {
        let (note, _) = noted(TokenErrorKind::Rejected, None);
        assert_eq!(Note::decode(&note.encode()), Some(note));
        let error = note.error(Duration::from_secs(3));
        assert_eq!(error.kind(), TokenErrorKind::Rejected);
        assert_eq!(error.status(), Some(StatusCode::UNAUTHORIZED));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
        assert_eq!(Note::decode(&[]), None);
        assert_eq!(Note::decode(&[9; LEN]), None);
    }

    #[test]
    fn rule_35_a_failure_that_may_be_this_hosts_is_not_told() {
        for kind in [TokenErrorKind::Unavailable, TokenErrorKind::Timeout] {
            assert_eq!(Note::of(&TokenError::new(kind), None, MINE, 0.0), None);
        }
    }

    #[test]
    fn rule_35_a_rejection_of_other_credentials_says_nothing() {
        let (rejected, _) = noted(TokenErrorKind::Rejected, None);
        assert!(rejected.concerns(MINE) && !rejected.concerns(OTHER) && rejected.concerns([0; 8]));
        let (limited, _) = noted(TokenErrorKind::RateLimited, None);
        assert!(limited.concerns(OTHER));
    }

    #[test]
    fn rule_22_the_failures_of_all_processes_count_as_of_one() {
        let (mut note, mut waits) = (None, Vec::new());
        for _ in 0..8 {
            let (next, wait) = noted(TokenErrorKind::Rejected, note);
            note = Some(next);
            waits.push(wait.as_secs());
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
        let error = TokenError::new(TokenErrorKind::Rejected);
        let (_, wait) = Note::of(&error, note, OTHER, 0.0).unwrap();
        assert_eq!(wait.as_secs(), 5, "the first of these credentials");
    }
}
