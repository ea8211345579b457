//! Readers: a value of MediaMTX as the TOML of the key that it becomes.

use crate::config::document::Located;
use crate::config::rule::{Choice, Flag, List, Number, Refusal, Rule};
use crate::import::draft;
use crate::import::value::{Size, Wait, Words};

type Read = Result<String, Vec<Refusal>>;

pub(super) fn flag(found: &Located) -> Read {
    Flag.read(found).map(|flag| flag.to_string())
}

pub(super) fn count(found: &Located) -> Read {
    Number(0..=u32::MAX).read(found).map(|number| number.to_string())
}

pub(super) fn millis(found: &Located) -> Read {
    Wait.read(found).map(|wait| wait.as_millis().to_string())
}

pub(super) fn bytes(found: &Located) -> Read {
    Size.read(found).map(|size| size.to_string())
}

pub(super) fn text(found: &Located) -> Read {
    Words.read(found).map(|text| draft::quoted(&text))
}

pub(super) fn texts(found: &Located) -> Read {
    List(Words).read(found).map(|texts| draft::list(&texts))
}

pub(super) fn log_level(found: &Located) -> Read {
    const LEVELS: &[(&str, &str)] =
        &[("error", "error"), ("warn", "warn"), ("info", "info"), ("debug", "debug")];
    Choice(LEVELS).read(found).map(draft::quoted)
}

pub(super) fn log_format(found: &Located) -> Read {
    Flag.read(found).map(|json| draft::quoted(if json { "json" } else { "pretty" }))
}

pub(super) fn hls_variant(found: &Located) -> Read {
    const VARIANTS: &[(&str, &str)] = &[("lowLatency", "lowLatency"), ("fmp4", "fmp4"), ("mpegts", "mpegts")];
    Choice(VARIANTS).read(found).map(draft::quoted)
}
