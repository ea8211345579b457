//! Names of streams that mean another stream.

use hub::Hub;
use media::StreamPath;

/// Where an ffmpeg side-car made AAC of `X`, it called that `X_aac`; such URLs keep working.
const AAC_ALIAS: &str = "_aac";

/// `X_aac` means `X` unless somebody publishes under the longer name: every reader gets sound that it can play.
pub(crate) fn resolve(path: StreamPath, hub: &Hub) -> StreamPath {
    resolve_if(path, |path| hub.has(path))
}

fn resolve_if(path: StreamPath, is_live: impl Fn(&StreamPath) -> bool) -> StreamPath {
    let original = path.as_str().strip_suffix(AAC_ALIAS).and_then(|original| StreamPath::new(original).ok());
    match original {
        Some(original) if !is_live(&path) => original,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_aac_path_means_the_stream_itself_unless_it_is_published() {
        let path = |name| StreamPath::new(name).unwrap();
        assert_eq!(resolve_if(path("doctorStream_aac"), |_| false), path("doctorStream"));
        assert_eq!(resolve_if(path("doctorStream_aac"), |_| true), path("doctorStream_aac"));
        assert_eq!(resolve_if(path("doctorStream"), |_| false), path("doctorStream"));
        assert_eq!(resolve_if(path("_aac"), |_| false), path("_aac"));
    }
}
