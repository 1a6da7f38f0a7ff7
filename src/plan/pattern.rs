//! Patterns compiled for matching bytes.

/// Why a match came to no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Backtracking took more steps than allowed.
    #[error("backtracking limit exceeded")]
    Steps,
    /// The pattern wants UTF-8 and the subject is not.
    #[error("invalid UTF-8 in the subject")]
    NotUtf8,
}

/// A pattern, compiled, with the variables that its named groups assign.
#[derive(Debug)]
pub struct Find;
