//! `?type=&path=&rtmp_conn=...`: which families and which series are asked for.

use std::collections::HashMap;

use super::{ABSENT, SESSIONS};

/// The query of a scrape. `type` names a group of families; the other parameters name one member each, and leave out all
/// groups without a parameter.
#[derive(Clone, Default, Debug)]
pub struct Filter(HashMap<String, String>);

/// What a filter leaves of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Selection<'f> {
    Nothing,
    Everything,
    /// The member of this key.
    Only(&'f str),
}

impl Filter {
    /// Of the parameters of a query. Empty ones and those of other names ask for nothing.
    pub fn new(mut parameters: HashMap<String, String>) -> Self {
        parameters.retain(|name, value| !value.is_empty() && (name == "type" || is_member(name)));
        Self(parameters)
    }

    /// Whether everything is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn of(&self, group: &str) -> Selection<'_> {
        if self.0.get("type").is_some_and(|asked| asked != group) {
            return Selection::Nothing;
        }
        let members = self.0.keys().any(|name| name != "type");
        match self.0.get(member_of(group)) {
            Some(key) => Selection::Only(key),
            None if members => Selection::Nothing,
            None => Selection::Everything,
        }
    }
}

/// The parameter that names a member of a group: `rtmp_conn` of `rtmp_conns`.
fn member_of(group: &str) -> &str {
    group.strip_suffix('s').unwrap_or(group)
}

fn is_member(name: &str) -> bool {
    let sessions = SESSIONS.iter().map(|(group, ..)| *group);
    let absent = ABSENT.iter().map(|(group, _)| *group);
    sessions.chain(absent).chain(["paths", "hls_muxers"]).any(|group| member_of(group) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(parameters: &[(&str, &str)]) -> Filter {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Filter::new(parameters.iter().map(owned).collect())
    }

    #[test]
    fn a_filter_leaves_what_mediamtx_leaves() {
        use Selection::{Everything, Nothing, Only};
        for (parameters, paths, connections) in [
            (&[][..], Everything, Everything),
            (&[("type", "paths")], Everything, Nothing),
            (&[("type", "")], Everything, Everything),
            (&[("type", "nonsense")], Nothing, Nothing),
            (&[("path", "ward/3")], Only("ward/3"), Nothing),
            (&[("rtmp_conn", "an id")], Nothing, Only("an id")),
            (&[("path", "a"), ("rtmp_conn", "b")], Only("a"), Only("b")),
            (&[("type", "paths"), ("rtmp_conn", "b")], Nothing, Nothing),
            (&[("path", "")], Everything, Everything),
            (&[("cache", "no")], Everything, Everything),
        ] {
            let filter = filter(parameters);
            let left = (filter.of("paths"), filter.of("rtmp_conns"));
            assert_eq!(left, (paths, connections), "{parameters:?}");
            assert_eq!(filter.is_empty(), left == (Everything, Everything), "{parameters:?}");
        }
    }
}
