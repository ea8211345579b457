//! Variables that MediaMTX reads over its file (`internal/conf/env`), and that the import does not.

use std::ffi::OsString;

use super::keys::{self, GLOBAL};

/// The names of the set variables that MediaMTX would take for keys, in order.
pub(super) fn read_by_mediamtx(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<String> {
    let names = environment.into_iter().filter_map(|(name, _)| name.into_string().ok());
    let mut names: Vec<_> = names.filter(|name| is_key(name)).collect();
    names.sort();
    names
}

fn is_key(name: &str) -> bool {
    // `RTSP_` is the prefix of old.
    let Some(key) = name.strip_prefix("MTX_").or_else(|| name.strip_prefix("RTSP_")) else { return false };
    let first = key.split('_').next().unwrap_or(key);
    key == "CONFKEY" || keys::all(GLOBAL).any(|known| known.name.eq_ignore_ascii_case(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_told_by_name_if_they_are_keys() {
        let set = [
            "MTX_RTMPADDRESS",
            "MTX_PATHS_TEST_SOURCE",
            "RTSP_CONFKEY",
            "MTX_PATH",
            "RTSP_PORT",
            "RTMP",
            "MTX_",
        ]
        .map(|name| (OsString::from(name), OsString::from("secret")));
        assert_eq!(read_by_mediamtx(set), ["MTX_PATHS_TEST_SOURCE", "MTX_RTMPADDRESS", "RTSP_CONFKEY"]);
    }
}
