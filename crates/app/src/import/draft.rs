//! The configuration that is being written: only what differs from the defaults, every line knowing where in MediaMTX's
//! file it comes from.
//!
//! [`Draft::settle`] has the configuration's own reader check the text. What that refuses (MediaMTX accepts more values
//! than we do) becomes a comment and a note, until the text is valid: a refused line of a user or the source of a path
//! takes its whole entry along, so that nobody gets more than before.

use std::fmt::Write as _;

use toml_writer::{ToTomlValue as _, TomlStringBuilder};

use crate::config::document::parse_value;
use crate::config::schema::sections;
use crate::config::section::{Description, Key};
use crate::config::{Config, FILE_BYTES, Place};

use super::report::{Kind, Origin, Report};

/// A text as TOML.
pub(super) fn quoted(text: &str) -> String {
    // Never as a literal in single quotes: everything looks the same, and one line stays one line.
    TomlStringBuilder::new(text).as_basic().to_toml_value()
}

/// A list of texts as TOML.
pub(super) fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

/// The text that is written, in the making.
#[derive(Debug)]
pub(super) struct Draft {
    sections: Vec<Description>,
    blocks: Vec<Block>,
}

/// A section, or one entry of a repeated one.
#[derive(Debug)]
pub(super) struct Block {
    table: &'static str,
    lines: Vec<Line>,
    /// Why the whole block is a comment.
    off: Option<String>,
}

#[derive(Debug)]
struct Line {
    key: &'static str,
    value: String,
    origin: Origin,
    off: Option<String>,
}

impl Block {
    /// An entry of `[[table]]`.
    pub(super) const fn entry(table: &'static str) -> Self {
        Self { table, lines: Vec::new(), off: None }
    }

    /// Makes the whole entry a comment, with the reason.
    pub(super) fn turn_off(&mut self, why: impl Into<String>) {
        self.off.get_or_insert_with(|| why.into());
    }

    /// Whether anything beside the name stands in it.
    pub(super) fn says_something(&self) -> bool {
        self.lines.len() > 1 || self.off.is_some()
    }

    fn put(&mut self, key: &'static str, value: String, origin: Origin) {
        self.lines.retain(|line| line.key != key);
        self.lines.push(Line { key, value, origin, off: None });
    }
}

/// A line of the text: which block, and which of its lines.
type Source = (usize, Option<usize>);

impl Draft {
    pub(super) fn new() -> Self {
        Self { sections: sections(), blocks: Vec::new() }
    }

    /// Sets the key at `path` of a section that stands once. The default is left out; a number that is too small or too
    /// large becomes the nearest that is accepted, with a note.
    pub(super) fn set(&mut self, path: &'static str, value: String, origin: &Origin, report: &mut Report) {
        let (table, key) = split(path);
        let Some(value) = self.fitting(table, key, value, origin, report) else { return };
        let at = self.blocks.iter().position(|block| block.table == table).unwrap_or_else(|| {
            self.blocks.push(Block::entry(table));
            self.blocks.len() - 1
        });
        self.blocks[at].put(key, value, origin.clone());
    }

    /// The same within an entry of a repeated section.
    pub(super) fn set_in(
        &self,
        block: &mut Block,
        key: &'static str,
        value: String,
        origin: &Origin,
        report: &mut Report,
    ) {
        if let Some(value) = self.fitting(block.table, key, value, origin, report) {
            block.put(key, value, origin.clone());
        }
    }

    /// Takes up an entry.
    pub(super) fn add(&mut self, block: Block) {
        self.blocks.push(block);
    }

    fn key(&self, table: &str, key: &str) -> &Key {
        let sections = self.sections.iter().filter(|section| section.table == table);
        let key = sections.flat_map(|section| &section.keys).find(|known| known.name == key);
        key.expect("the table of keys names keys that exist: a test reads it")
    }

    fn fitting(
        &self,
        table: &str,
        name: &str,
        value: String,
        origin: &Origin,
        report: &mut Report,
    ) -> Option<String> {
        let key = self.key(table, name);
        let meaning = |text: &str| parse_value(text, &Place::Whole);
        // No default is long, and long lists need not be read for that.
        let short = value.len() <= 256;
        if short && key.default.is_some_and(|default| meaning(default) == meaning(&value)) {
            return None;
        }
        let (Some(bounds), Ok(number)) = (&key.bounds, value.parse::<u64>()) else { return Some(value) };
        let nearest = number.clamp((*bounds.start()).into(), (*bounds.end()).into());
        if nearest != number {
            let text = format!("{number} is written as {nearest}; accepted: {}", key.accepted);
            report.note(Kind::Different, origin, text);
            return self.fitting(table, name, nearest.to_string(), origin, report);
        }
        Some(value)
    }

    /// Checks the text and turns off what is refused, until it is valid.
    ///
    /// # Errors
    /// Why there is no valid text.
    pub(super) fn settle(mut self, report: &mut Report, head: &[String]) -> Result<String, String> {
        loop {
            let (text, sources) = self.render(report, head);
            // Before it is checked: each of a thousand users may name each of a thousand paths.
            if text.len() as u64 > FILE_BYTES {
                return Err(format!(
                    "what comes out has more than {FILE_BYTES} bytes; accepted: fewer users and paths"
                ));
            }
            let Err(problems) = Config::parse(&text, None, []) else {
                report.set_taken(self.taken());
                return Ok(text);
            };
            let mut moved = false;
            for problem in problems.iter() {
                let Place::File { line, .. } = problem.place else { continue };
                if let Ok(at) = sources.binary_search_by_key(&line, |(line, _)| *line) {
                    moved |= self.refuse(sources[at].1, &problem.message, report);
                }
            }
            if !moved {
                return Err(format!("what comes out is not valid: {problems}"));
            }
        }
    }

    /// Turns off what a problem is about; whether anything changed.
    fn refuse(&mut self, (block, line): Source, message: &str, report: &mut Report) -> bool {
        let block = &mut self.blocks[block];
        let Some(origin) = block.lines.get(line.unwrap_or(0)).map(|line| line.origin.clone()) else {
            return false;
        };
        let line = line.and_then(|line| block.lines.get_mut(line));
        let changed = match line {
            // The default would open a door that MediaMTX had not.
            Some(line) if block.table == "listen" && line.value != "\"\"" => {
                line.value = "\"\"".to_owned();
                true
            }
            Some(line) if block.table != "auth.user" && !["name", "source"].contains(&line.key) => {
                line.off.replace(message.to_owned()).is_none()
            }
            _ => block.off.replace(message.to_owned()).is_none(),
        };
        if changed {
            let whole = if block.off.is_some() {
                format!("; this [[{}]] stands as a comment", block.table)
            } else {
                String::new()
            };
            report.note(Kind::Decide, &origin, format!("Medley does not accept it: {message}{whole}"));
        }
        changed
    }

    /// The text, and which of its lines come from where.
    fn render(&self, report: &Report, head: &[String]) -> (String, Vec<(usize, Source)>) {
        let mut page = Page::default();
        for comment in head.iter().chain(&report.comments()) {
            page.comment(comment);
        }
        for section in &self.sections {
            for (index, block) in self.blocks.iter().enumerate().filter(|(_, b)| b.table == section.table) {
                page.block(index, block, section.repeated);
            }
        }
        (page.text, page.sources)
    }

    /// What is set, in words.
    fn taken(&self) -> Vec<String> {
        let mut taken = Vec::new();
        for section in self.sections.iter().filter(|section| !section.repeated) {
            let lines =
                self.blocks.iter().filter(|block| block.table == section.table).flat_map(|b| &b.lines);
            taken.extend(lines.filter(|line| line.off.is_none()).map(|line| section.path(line.key)));
        }
        for section in self.sections.iter().filter(|section| section.repeated) {
            let entries = self.blocks.iter().filter(|b| b.table == section.table && b.off.is_none()).count();
            if entries > 0 {
                taken.push(format!("{entries} [[{}]]", section.table));
            }
        }
        taken
    }
}

fn split(path: &'static str) -> (&'static str, &'static str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// A text that counts its lines.
#[derive(Default)]
struct Page {
    text: String,
    lines: usize,
    sources: Vec<(usize, Source)>,
}

impl Page {
    fn line(&mut self, line: &str, source: Option<Source>) {
        writeln!(self.text, "{line}").expect("a String takes all that is written");
        self.lines += 1;
        self.sources.extend(source.map(|source| (self.lines, source)));
    }

    /// One line, whatever `text` holds: control characters are not allowed in TOML's comments.
    fn comment(&mut self, text: &str) {
        let clean: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        self.line(format!("# {clean}").trim_end(), None);
    }

    fn block(&mut self, index: usize, block: &Block, repeated: bool) {
        self.line("", None);
        if let Some(why) = &block.off {
            self.comment(why);
        }
        let hash = if block.off.is_some() { "#" } else { "" };
        let source = |line| block.off.is_none().then_some((index, line));
        match (block.table, repeated) {
            ("", _) => {}
            (table, true) => self.line(&format!("{hash}[[{table}]]"), source(None)),
            (table, false) => self.line(&format!("{hash}[{table}]"), source(None)),
        }
        for (number, line) in block.lines.iter().enumerate() {
            let written = format!("{} = {}", line.key, line.value);
            match &line.off {
                Some(why) => {
                    self.comment(why);
                    self.line(&format!("#{written}"), None);
                }
                None => self.line(&format!("{hash}{written}"), source(Some(number))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(key: &str) -> Origin {
        Origin { key: key.to_owned(), place: Place::File { line: 7, column: 1 } }
    }

    fn settled(draft: Draft) -> (String, Report) {
        let mut report = Report::default();
        let text = draft.settle(&mut report, &[]).unwrap();
        (text, report)
    }

    #[test]
    fn defaults_are_left_out_however_they_are_written() {
        let (mut draft, mut report) = (Draft::new(), Report::default());
        draft.set("hls.segments", "7".into(), &origin("k"), &mut report);
        draft.set("listen.rtmp", quoted("0.0.0.0:1935"), &origin("k"), &mut report);
        draft.set("webrtc.allow_origins", "[ '*' ]".into(), &origin("k"), &mut report);
        assert_eq!(settled(draft).0, "");
        assert_eq!(report, Report::default());
    }

    #[test]
    fn a_number_out_of_bounds_becomes_the_nearest_and_is_told() {
        let (mut draft, mut report) = (Draft::new(), Report::default());
        draft.set("hls.segment_ms", "100".into(), &origin("hlsSegmentDuration"), &mut report);
        assert_eq!(settled(draft).0, "\n[hls]\nsegment_ms = 500\n");
        let [note] = report.notes(Kind::Different)[..] else { panic!("one note") };
        assert_eq!(
            note.to_string(),
            "line 7, hlsSegmentDuration: 100 is written as 500; accepted: 500 to 30000 (milliseconds)"
        );
    }

    #[test]
    fn a_refused_line_of_a_user_takes_the_whole_entry_along() {
        let (mut draft, mut report) = (Draft::new(), Report::default());
        let mut block = Block::entry("auth.user");
        draft.set_in(&mut block, "name", quoted("any"), &origin("user"), &mut report);
        draft.set_in(&mut block, "networks", list(&["10.0.0.0/99"]), &origin("ips"), &mut report);
        draft.set_in(&mut block, "read", list(&["*"]), &origin("path"), &mut report);
        draft.add(block);
        let (text, report) = settled(draft);
        assert!(text.contains("#[[auth.user]]\n#name = \"any\"\n#networks = "), "{text}");
        assert!(report.notes(Kind::Decide)[0].text.ends_with("this [[auth.user]] stands as a comment"));
    }

    #[test]
    fn a_refused_listener_is_off_and_never_at_its_default() {
        let (mut draft, mut report) = (Draft::new(), Report::default());
        draft.set("listen.rtmp", quoted("0.0.0.0:8888"), &origin("rtmpAddress"), &mut report);
        let (text, report) = settled(draft);
        assert!(text.ends_with("\n[listen]\nrtmp = \"\"\n"), "{text}");
        assert!(report.notes(Kind::Decide)[0].text.contains("port 8888 is taken by listen.hls"));
    }

    #[test]
    fn texts_stay_on_one_line_and_mean_the_same() {
        for text in ["a\"b\\c", "a\nb", "\u{7f}\u{1}", "中'文", ""] {
            let written = quoted(text);
            assert!(!written.contains('\n'));
            let read = parse_value(&written, &Place::Whole).unwrap();
            assert_eq!(read, crate::config::document::Found::Text(text.to_owned()), "{written}");
        }
    }
}
