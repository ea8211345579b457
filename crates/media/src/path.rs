//! The names of streams.

use std::fmt;
use std::sync::Arc;

/// The name of a stream in URLs: one rule of length and characters for all protocols, checked once.
///
/// 1 to 255 bytes of `A-Z a-z 0-9 _ - . ~ /`; segments between slashes are not empty and neither `.` nor `..`, so a
/// path can stand in a URL, a log line and a file name without escaping.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamPath(Arc<str>);

/// Why a name is not a [`StreamPath`]. Never repeats the name: it may hold anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// No characters at all.
    #[error("the stream path is empty")]
    Empty,
    /// Longer than [`StreamPath::MAX_LEN`].
    #[error("the stream path has {0} bytes; at most 255 are accepted")]
    TooLong(usize),
    /// A byte outside the accepted set.
    #[error("the stream path has an unaccepted character at byte {0}; accepted are A-Z a-z 0-9 _ - . ~ /")]
    Character(usize),
    /// An empty, `.` or `..` segment, or a slash at either end.
    #[error("the stream path has an empty, '.' or '..' segment")]
    Segment,
}

impl StreamPath {
    /// The most bytes that a path may have.
    pub const MAX_LEN: usize = 255;

    /// Checks a name.
    ///
    /// # Errors
    /// [`PathError`] names the first rule that it breaks.
    pub fn new(name: &str) -> Result<Self, PathError> {
        if name.is_empty() {
            return Err(PathError::Empty);
        }
        if name.len() > Self::MAX_LEN {
            return Err(PathError::TooLong(name.len()));
        }
        let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.~/".contains(&byte);
        if let Some(at) = name.bytes().position(|byte| !accepted(byte)) {
            return Err(PathError::Character(at));
        }
        if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(PathError::Segment);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_paths_are_accepted() {
        for name in ["doctorStream", "doctorStream_aac", "ward/3/bed-2", "a.b~c"] {
            assert_eq!(StreamPath::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn each_rule_refuses_with_its_own_reason() {
        assert_eq!(StreamPath::new(""), Err(PathError::Empty));
        assert_eq!(StreamPath::new(&"a".repeat(256)), Err(PathError::TooLong(256)));
        assert_eq!(StreamPath::new("a%2e"), Err(PathError::Character(1)));
        assert_eq!(StreamPath::new("a\\b"), Err(PathError::Character(1)));
        assert_eq!(StreamPath::new("a\0"), Err(PathError::Character(1)));
        for name in ["/a", "a/", "a//b", "../a", "a/./b"] {
            assert_eq!(StreamPath::new(name), Err(PathError::Segment), "{name}");
        }
    }
}
