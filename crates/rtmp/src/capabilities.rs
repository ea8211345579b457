//! What a client says in `connect` that it can decode: enhanced RTMP ("Enhanced RTMP v2", Veovera 2024).

use crate::amf0::{Object, Value};

/// Four ASCII characters that name a codec: `avc1`, `hvc1`, `Opus`, `mp4a`.
pub type FourCc = [u8; 4];

/// More codecs than anybody has.
const MAX_CODECS: usize = 64;

/// Bits of `videoFourCcInfoMap` and `audioFourCcInfoMap`.
const CAN_DECODE: u32 = 0x01;
const CAN_FORWARD: u32 = 0x04;

/// The codecs beyond FLV's own that a client accepts by FourCC. Empty for every client that knows plain RTMP only:
/// ffmpeg before 6.1, OBS before 29.1, WeChat's SDK.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Capabilities {
    any: bool,
    four_cc: Vec<FourCc>,
}

impl Capabilities {
    /// Reads `fourCcList` (v1) and the two info maps (v2) of a `connect` command object.
    pub(crate) fn parse(connect: &Object) -> Self {
        let mut capabilities = Self::default();
        if let Some(Value::StrictArray(list)) = connect.find("fourCcList") {
            list.iter().filter_map(Value::as_str).for_each(|name| capabilities.add(name));
        }
        for map in ["videoFourCcInfoMap", "audioFourCcInfoMap"] {
            let Some(map) = connect.find(map).and_then(Value::as_object) else { continue };
            for (name, mask) in map.iter() {
                let mask = mask.as_number().unwrap_or_default() as u32;
                if mask & (CAN_DECODE | CAN_FORWARD) != 0 {
                    capabilities.add(name);
                }
            }
        }
        capabilities
    }

    fn add(&mut self, name: &str) {
        if name == "*" {
            self.any = true;
        } else if let Ok(four_cc) = FourCc::try_from(name.as_bytes())
            && self.four_cc.len() < MAX_CODECS
            && !self.four_cc.contains(&four_cc)
        {
            self.four_cc.push(four_cc);
        }
    }

    /// Whether the client takes this codec by FourCC.
    pub fn supports(&self, four_cc: &FourCc) -> bool {
        self.any || self.four_cc.contains(four_cc)
    }

    /// Whether the client speaks enhanced RTMP at all.
    pub const fn is_enhanced(&self) -> bool {
        self.any || !self.four_cc.is_empty()
    }
}

/// A `fourCcList` of our own.
pub(crate) fn list(codecs: &[FourCc]) -> Value {
    let name = |codec: &FourCc| Value::String(String::from_utf8_lossy(codec).into_owned());
    Value::StrictArray(codecs.iter().map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Value {
        Value::StrictArray(names.iter().map(|&name| name.into()).collect())
    }

    #[test]
    fn a_plain_client_supports_nothing_by_four_cc() {
        let plain = Capabilities::parse(&Object::new().with("videoCodecs", 252.0));
        assert!(!plain.is_enhanced() && !plain.supports(b"avc1"));
    }

    #[test]
    fn the_list_names_codecs_and_ignores_what_is_none() {
        let connect = Object::new().with("fourCcList", strings(&["hvc1", "av01", "toolong", "", "hvc1"]));
        let listed = Capabilities::parse(&connect);
        assert!(listed.is_enhanced() && listed.supports(b"hvc1") && listed.supports(b"av01"));
        assert!(!listed.supports(b"Opus"));
    }

    #[test]
    fn a_star_stands_for_all() {
        let listed = Capabilities::parse(&Object::new().with("fourCcList", strings(&["*"])));
        assert!(listed.is_enhanced() && listed.supports(b"Opus"));
    }

    #[test]
    fn the_maps_count_where_the_client_decodes_or_forwards() {
        let audio = Object::new().with("Opus", 1.0).with("fLaC", 2.0).with("ac-3", 4.0);
        let listed = Capabilities::parse(&Object::new().with("audioFourCcInfoMap", audio));
        let supported = [b"Opus", b"fLaC", b"ac-3"].map(|codec| listed.supports(codec));
        assert_eq!(supported, [true, false, true]);
    }

    #[test]
    fn the_number_of_codecs_is_bounded() {
        let names: Vec<String> = (1000..2000).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let listed = Capabilities::parse(&Object::new().with("fourCcList", strings(&names)));
        assert_eq!(listed.four_cc.len(), MAX_CODECS);
    }
}
