//! The page `docs/reference/mediamtx.md`, made from the table of keys.

use std::fmt::{self, Write as _};

use super::keys::{Fate, GLOBAL, Group, ICE_SERVER, Key, PATH, PERMISSION, USER};

const INTRODUCTION: &str = "\
<!-- Made from crates/app/src/import/keys; a test compares. To renew: UPDATE_DOCS=1 cargo test -p app reference -->
# Coming from MediaMTX: key by key

`medley import mediamtx.yml` reads MediaMTX's configuration (1.20, and the old names of earlier versions) and writes a
`medley.toml`; [Moving from MediaMTX](../operations.md#moving-from-mediamtx) says how to go about it. This page is what it
does with each key.

* What has the same meaning and value as Medley's default is not written.
* A key that is ignored is told with its line, unless its value loses nothing (most often MediaMTX's default, which
  stands in brackets).
* A value that Medley does not accept and MediaMTX does is written as a comment, with the reason. Numbers out of bounds
  become the nearest that is accepted. A value that MediaMTX does not accept either is an error, and nothing is written.
* Addresses such as `:8554` become `0.0.0.0:8554`, which is IPv4; write `[::]:8554` for both.
* Paths of files are taken from the directory that Medley is started in.
* The environment (`MTX_...`) is not read; variables that are set are named.
";

/// The whole page.
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    write_page(&mut page).expect("a String takes all that is written");
    page
}

fn write_page(page: &mut String) -> fmt::Result {
    write_groups(page, GLOBAL)?;
    writeln!(page, "\n## Users\n")?;
    write_tables(page, USER)?;
    write_tables(page, PERMISSION)?;
    writeln!(page, "\n## ICE servers\n")?;
    write_tables(page, ICE_SERVER)?;
    writeln!(page, "\n# `pathDefaults` and each of `paths`")?;
    write_groups(page, PATH)
}

fn write_groups(page: &mut String, groups: &[Group]) -> fmt::Result {
    for group in groups {
        writeln!(page, "\n## {}\n", group.title)?;
        write_table(page, group.keys)?;
    }
    Ok(())
}

fn write_tables(page: &mut String, groups: &[Group]) -> fmt::Result {
    for group in groups {
        writeln!(page, "{}:\n", group.title)?;
        write_table(page, group.keys)?;
        writeln!(page)?;
    }
    Ok(())
}

fn write_table(page: &mut String, keys: &[Key]) -> fmt::Result {
    writeln!(page, "| key | becomes |\n|---|---|")?;
    for key in keys {
        write!(page, "| `{}` | ", key.name)?;
        match &key.fate {
            Fate::Becomes { ours, remark: "", .. } => writeln!(page, "`{ours}` |")?,
            Fate::Becomes { ours, remark, .. } => writeln!(page, "`{ours}`, {remark} |")?,
            Fate::Shapes(what) => writeln!(page, "{what} |")?,
            Fate::Old { of, how, .. } => writeln!(page, "old: {how} `{of}` now |")?,
            Fate::Ignored { harmless, why } => writeln!(page, "ignored (`{harmless}`): {why} |")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs};

    use super::*;

    #[test]
    fn the_reference_of_mediamtx_is_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/mediamtx.md");
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, markdown()).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap();
        assert!(written == markdown(), "renew {} with UPDATE_DOCS=1", path.display());
    }
}
