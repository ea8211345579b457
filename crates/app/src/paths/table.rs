//! Which rules hold for a path.

use std::collections::HashMap;
use std::sync::Arc;

use api::{ConfiguredPath, ConfiguredPaths};
use media::StreamPath;

use crate::config::PathRules;

/// All `[[path]]` entries.
#[derive(Debug, Default)]
pub(crate) struct PathTable {
    literal: HashMap<StreamPath, Arc<PathRules>>,
    /// In the order of the file.
    patterns: Vec<Arc<PathRules>>,
}

/// The rules of one path.
#[derive(Clone, Debug)]
pub(crate) struct Matched {
    pub(crate) rules: Arc<PathRules>,
    /// What the groups of its pattern stand for.
    pub(crate) groups: Vec<String>,
}

impl PathTable {
    pub(crate) fn new(rules: &[PathRules]) -> Self {
        let mut table = Self::default();
        for rules in rules.iter().cloned().map(Arc::new) {
            match rules.name.literal() {
                Some(path) => drop(table.literal.insert(path, rules)),
                None => table.patterns.push(rules),
            }
        }
        table
    }

    /// An entry with the path as its name, or else the first pattern that fits.
    pub(crate) fn find(&self, path: &StreamPath) -> Option<Matched> {
        if let Some(rules) = self.literal.get(path) {
            return Some(Matched { rules: Arc::clone(rules), groups: Vec::new() });
        }
        self.patterns.iter().find_map(|rules| {
            let groups = rules.name.groups(path)?;
            Some(Matched { rules: Arc::clone(rules), groups })
        })
    }

    /// The entries about one path, in order of the paths.
    pub(crate) fn literal(&self) -> Vec<(&StreamPath, &Arc<PathRules>)> {
        let mut entries: Vec<_> = self.literal.iter().collect();
        entries.sort_by_key(|(path, _)| *path);
        entries
    }
}

impl ConfiguredPaths for PathTable {
    fn find(&self, path: &StreamPath) -> Option<ConfiguredPath> {
        let Matched { rules, .. } = Self::find(self, path)?;
        Some(ConfiguredPath { entry: rules.name.to_string(), source: rules.source.name() })
    }

    fn own(&self) -> Vec<StreamPath> {
        self.literal.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_path_of_its_own_comes_first_and_then_the_first_pattern() {
        let text =
            "[[path]]\nname = \"~^cam/(.+)$\"\n[[path]]\nname = \"cam/*\"\n[[path]]\nname = \"cam/3\"\n";
        let table = PathTable::new(&Config::parse(text, None, []).unwrap().paths);
        let found = |path: &str| {
            let found = table.find(&StreamPath::new(path).unwrap());
            found.map(|found| (found.rules.name.to_string(), found.groups))
        };
        assert_eq!(found("cam/3"), Some(("cam/3".to_owned(), vec![])));
        assert_eq!(found("cam/4"), Some(("~^cam/(.+)$".to_owned(), vec!["4".to_owned()])));
        assert_eq!(found("ward"), None);
        assert_eq!(table.literal().len(), 1);
    }
}
