//! Patient data that must never reach a log.

use std::fmt;

/// A value that identifies a person (an address, a name, a phone number) or opens a door (a token, a password). Its
/// `Debug` and `Display` say only that something was there, so that no log line, error or metric can leak it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Pii<T>(pub T);

impl<T> Pii<T> {
    /// The value itself; never for a log line, a metric or a URL path.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl<T> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_display_shows_the_value() {
        let phone = Pii("13800138000");
        assert!(!format!("{phone} {phone:?} {:?}", Some(phone)).contains("138"));
    }
}
