//! What a client shows and wishes, as the hub takes it.

use hub::{Credentials, Proof, Wants};
use media::{Codec, Pii};
use percent_encoding::percent_decode_str;
use rtsp::auth::Authorization;
use rtsp::session::Access;

use crate::credentials;

/// What proves who is asking: the header's word before the URL's.
pub(super) fn credentials(access: &Access) -> Credentials {
    match &access.authorization {
        Some(Authorization::Basic { user, password }) => Credentials {
            user: Some(user.clone()),
            password: Some(password.clone()),
            ..Credentials::default()
        },
        Some(Authorization::Bearer(token)) => credentials::from_bearer(token.reveal()),
        Some(Authorization::Digest(digest)) => {
            let (user, digest) = (digest.user().clone(), digest.clone());
            let proof = Proof::new(move |password| digest.proves(password));
            Credentials { user: Some(user), proof: Some(proof), ..Credentials::default() }
        }
        None => match &access.target.userinfo {
            Some(userinfo) => {
                let (user, password) = userinfo.reveal();
                let decoded =
                    |text: &str| Some(Pii(percent_decode_str(text).decode_utf8_lossy().into_owned()));
                Credentials { user: decoded(user), password: decoded(password), ..Credentials::default() }
            }
            None => credentials::from_query(access.target.query.reveal()),
        },
    }
}

/// What the query wishes the sound to be; the stream's own codec without a wish. `None` for a wish that is none.
pub(super) fn wants(query: &str) -> Option<Wants> {
    let wish = query.split('&').find_map(|pair| pair.strip_prefix("audio="));
    let audio = match wish {
        // Every player of RTSP has decoders for all of them.
        None => vec![Codec::Aac, Codec::Opus, Codec::G711],
        Some("aac") => vec![Codec::Aac],
        Some("opus") => vec![Codec::Opus],
        Some(_) => return None,
    };
    Some(Wants { video: vec![Codec::H264], audio })
}

#[cfg(test)]
mod tests {
    use media::StreamPath;
    use rtsp::Target;

    use super::*;

    fn shown(url: &str, header: Option<&str>) -> Credentials {
        credentials(&Access {
            path: StreamPath::new("a").unwrap(),
            target: Target::parse(url),
            authorization: header.and_then(|header| Authorization::parse(header, "DESCRIBE")),
        })
    }

    #[test]
    fn credentials_stand_in_the_header_the_authority_or_the_query() {
        let user = |credentials: &Credentials| credentials.user.as_ref().map(|user| user.reveal().clone());
        assert_eq!(user(&shown("rtsp://x:y@h/a?user=z", Some("Basic bGk6cHc="))), Some("li".to_owned()));
        assert_eq!(user(&shown("rtsp://x%40:y@h/a?user=z", None)), Some("x@".to_owned()));
        assert_eq!(user(&shown("rtsp://h/a?user=z&pass=w", None)), Some("z".to_owned()));
        let token = shown("rtsp://h/a", Some("Bearer abc")).token;
        assert_eq!(token.map(|token| token.0), Some("abc".to_owned()));
    }

    #[test]
    fn sound_as_wished() {
        assert_eq!(wants("").unwrap().audio, [Codec::Aac, Codec::Opus, Codec::G711]);
        assert_eq!(wants("token=x&audio=opus").unwrap().audio, [Codec::Opus]);
        assert_eq!(wants("audio=mp3"), None);
    }
}
