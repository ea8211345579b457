//! What a multivariant playlist must keep.

use super::super::playlist::{Multivariant, VariantStream};
use super::{Findings, Rule, Violation};

/// Which rules a multivariant playlist breaks. CODECS and, with video, RESOLUTION are no more than recommended by the
/// draft; without them players guess, so here they are rules.
pub fn multivariant(text: &str) -> Vec<Violation> {
    let mut findings = Findings::default();
    match Multivariant::parse(text) {
        Ok(playlist) => {
            findings.expect(!playlist.variants.is_empty(), Rule::Variant, || "no variant".to_owned());
            for variant in &playlist.variants {
                check(&playlist, variant, &mut findings);
            }
        }
        Err(error) => findings.add(Rule::Syntax, error.to_string()),
    }
    findings.0
}

fn check(playlist: &Multivariant, variant: &VariantStream, findings: &mut Findings) {
    let uri = &variant.uri;
    findings.expect(variant.bandwidth.is_some_and(|bandwidth| bandwidth > 0), Rule::Variant, || {
        format!("{uri} has no BANDWIDTH")
    });
    let codecs = variant.codecs.as_deref().unwrap_or_default();
    findings.expect(!codecs.is_empty(), Rule::Variant, || format!("{uri} has no CODECS"));
    let has_video = codecs.contains("avc1");
    findings.expect(has_video == variant.resolution.is_some(), Rule::Variant, || {
        format!("{uri} has the codecs '{codecs}' and the resolution {:?}", variant.resolution)
    });
    if let Some(group) = &variant.audio {
        let exists = playlist.alternatives.iter().any(|other| other.kind == "AUDIO" && other.group == *group);
        findings.expect(exists, Rule::Variant, || format!("{uri} has no audio group '{group}'"));
    }
}
