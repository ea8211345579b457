//! The reference page of the configuration, `docs/reference/config.md`, made from the sections' declarations.

use std::fmt::{self, Write as _};

use super::raw::variable;
use super::schema::sections;
use super::section::Description;

const INTRODUCTION: &str = "\
<!-- Made from crates/app/src/config/schema.rs; a test compares. To renew: UPDATE_DOCS=1 cargo test -p app reference -->
# Configuration

One TOML file: `medley serve --config medley.toml`; without a file the defaults hold. [`medley check medley.toml`] tells
every error at once, each with its line, and what would listen. Start from
[deploy/medley.example.toml](../../deploy/medley.example.toml).

* A key that is not in this page is refused, so that a typing error cannot pass unseen.
* The environment goes over the file: `MEDLEY_` and the key's path in capitals, joined by `_`, such as
  `MEDLEY_LISTEN_RTMP=127.0.0.1:1935`. Lists are written `a,b`. `[[auth.user]]` and `[[path]]` stand in the
  file only.
* Paths of files are taken from the directory that Medley is started in.
* Changes take effect at the next start.

[`medley check medley.toml`]: #configuration
";

/// The whole page.
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in sections() {
        write_section(&mut page, &section).expect("a String takes all that is written");
    }
    page
}

fn write_section(page: &mut String, section: &Description) -> fmt::Result {
    let heading = match (section.table, section.repeated) {
        ("", _) => "Top level".to_owned(),
        (table, true) => format!("`[[{table}]]`"),
        (table, false) => format!("`[{table}]`"),
    };
    writeln!(page, "\n## {heading}\n\n{}", paragraph(section.doc))?;
    for key in &section.keys {
        writeln!(page, "\n### `{}`\n\n{}\n", section.path(key.name), paragraph(key.doc))?;
        let default =
            key.default.map_or_else(|| "none: it must be set".to_owned(), |default| format!("`{default}`"));
        writeln!(page, "- Default: {default}")?;
        writeln!(page, "- Accepted: {}", key.accepted)?;
        if !section.repeated {
            writeln!(page, "- Environment: `{}`", variable(&section.path(key.name)))?;
        }
    }
    Ok(())
}

/// Doc lines as one paragraph: each carries the space after `///`.
fn paragraph(doc: &[&str]) -> String {
    doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs};

    use super::*;

    #[test]
    fn the_reference_page_is_what_the_declarations_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/config.md");
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, markdown()).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap();
        assert!(written == markdown(), "renew {} with UPDATE_DOCS=1", path.display());
    }
}
