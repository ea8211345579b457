use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use hub::Protocol;
use tokio::time::Instant;

use super::*;
use crate::config::Config;

fn hash(password: &str) -> String {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
    let hash: PasswordHash = argon2.hash_password(password.as_bytes()).unwrap();
    hash.to_string()
}

fn authorizer(users: &str) -> UserAuthorizer {
    let config = Config::parse(users, None, []).unwrap();
    UserAuthorizer::new(config.users).unwrap()
}

fn clinic() -> UserAuthorizer {
    authorizer(&format!(
        r#"
        [[auth.user]]
        name = "any"
        networks = ["127.0.0.0/8"]
        publish = ["patientStream"]
        read = ["doctorStream"]
        [[auth.user]]
        name = "doctor"
        password = "{}"
        publish = ["doctor*"]
        read = ["*"]
        [[auth.user]]
        name = "doctor"
        password = "{}"
        networks = ["10.0.0.0/8"]
        api = true
        "#,
        hash("open sesame"),
        hash("sesame open"),
    ))
}

const HERE: &str = "127.0.0.1";
const OUTSIDE: &str = "203.0.113.9";

fn nothing() -> Credentials {
    Credentials::default()
}

fn user(name: &str, password: &str) -> Credentials {
    Credentials { user: Some(Pii(name.into())), password: Some(Pii(password.into())), ..nothing() }
}

fn token(token: &str) -> Credentials {
    Credentials { token: Some(Pii(token.into())), ..nothing() }
}

async fn ask(
    authorizer: &UserAuthorizer,
    action: Action,
    path: &str,
    remote: &str,
    credentials: Credentials,
) -> Result<(), Denied> {
    let request = AccessRequest {
        action,
        path: StreamPath::new(path).unwrap(),
        remote: Pii(remote.parse().unwrap()),
        credentials,
        protocol: Protocol::Rtmp,
    };
    authorizer.authorize(&request).await.map(drop)
}

#[tokio::test]
async fn without_an_entry_nobody_gets_in() {
    let nobody = authorizer("");
    for action in [Action::Publish, Action::Read] {
        assert_eq!(ask(&nobody, action, "a", HERE, nothing()).await, Err(Denied::NotPermitted));
    }
    assert_eq!(nobody.authorize_api([127, 0, 0, 1].into(), &nothing()).await, Err(Denied::NotPermitted));
}

#[tokio::test]
async fn who_showed_credentials_is_known_by_name_and_anybody_is_not() {
    let clinic = clinic();
    let name = async |path: &str, credentials| {
        let request = AccessRequest {
            action: Action::Publish,
            path: StreamPath::new(path).unwrap(),
            remote: Pii(HERE.parse().unwrap()),
            credentials,
            protocol: Protocol::Rtmp,
        };
        clinic.authorize(&request).await.unwrap().map(|Pii(name)| name)
    };
    assert_eq!(name("doctorStream", user("doctor", "open sesame")).await.as_deref(), Some("doctor"));
    assert_eq!(name("patientStream", user("doctor", "not checked")).await, None, "the name was not verified");
}

#[tokio::test(start_paused = true)]
async fn any_needs_no_password_but_the_right_network_action_and_path() {
    let clinic = clinic();
    for remote in [HERE, "127.9.9.9", "::ffff:127.0.0.1"] {
        assert_eq!(
            ask(&clinic, Action::Publish, "patientStream", remote, nothing()).await,
            Ok(()),
            "{remote}"
        );
    }
    let credentials_of_nobody = user("x", "y");
    assert_eq!(ask(&clinic, Action::Publish, "patientStream", HERE, credentials_of_nobody).await, Ok(()));
    for (action, path, remote) in [
        (Action::Read, "patientStream", HERE),
        (Action::Publish, "doctorStream", HERE),
        (Action::Read, "doctorStream", "::1"),
        (Action::Read, "doctorStream", OUTSIDE),
    ] {
        let denied = ask(&clinic, action, path, remote, nothing()).await;
        assert_eq!(denied, Err(Denied::CredentialsNeeded), "{action} {path} {remote}");
    }
    assert_eq!(
        ask(&clinic, Action::Publish, "patientStream", OUTSIDE, nothing()).await,
        Err(Denied::NotPermitted)
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_opens_with_its_password_only() {
    let clinic = clinic();
    for credentials in [user("doctor", "open sesame"), token("doctor:open sesame")] {
        assert_eq!(ask(&clinic, Action::Publish, "doctorStream", OUTSIDE, credentials).await, Ok(()));
    }
    for credentials in [
        user("doctor", "wrong"),
        user("doctor", ""),
        user("doctor", "sesame open"),
        user("nurse", "open sesame"),
        user("any", ""),
        user("doctor", &"x".repeat(300)),
        token("doctor"),
        Credentials { user: Some(Pii("doctor".into())), ..nothing() },
        Credentials { password: Some(Pii("open sesame".into())), ..nothing() },
    ] {
        let denied = ask(&clinic, Action::Publish, "doctorStream", OUTSIDE, credentials).await;
        assert_eq!(denied, Err(Denied::WrongCredentials));
    }
}

#[tokio::test(start_paused = true)]
async fn one_name_may_have_several_doors() {
    let clinic = clinic();
    let api = async |remote: [u8; 4], password| {
        clinic.authorize_api(remote.into(), &user("doctor", password)).await
    };
    assert_eq!(api([10, 1, 1, 1], "sesame open").await, Ok(()));
    assert_eq!(api([10, 1, 1, 1], "open sesame").await, Err(Denied::WrongCredentials));
    assert_eq!(api([11, 1, 1, 1], "sesame open").await, Err(Denied::NotPermitted));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_answered_late_and_an_unknown_name_just_as_late() {
    let clinic = clinic();
    let mut waits = Vec::new();
    for credentials in
        [user("doctor", "wrong"), user("nobody", "wrong"), nothing(), user("doctor", "open sesame")]
    {
        let asked = Instant::now();
        let _ = ask(&clinic, Action::Publish, "doctorStream", OUTSIDE, credentials).await;
        waits.push(asked.elapsed());
    }
    assert!(waits[0] >= FAILURE_DELAY && waits[1] >= FAILURE_DELAY, "{waits:?}");
    assert!(waits[0].abs_diff(waits[1]) < Duration::from_millis(5), "{waits:?}");
    assert!(waits[2..].iter().all(|wait| *wait < FAILURE_DELAY), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_proof_opens_where_the_password_itself_is_known_and_is_taken_only_there() {
    let password = std::env::temp_dir().join(format!("medley-proof-{}", std::process::id()));
    std::fs::write(&password, "open sesame\n").unwrap();
    let nurse = format!(
        "[[auth.user]]\nname = \"nurse\"\npassword_file = {password:?}\nread = [\"ward\", \"lobby\"]\n"
    );
    let doctor =
        format!("[[auth.user]]\nname = \"doctor\"\npassword = \"{}\"\nread = [\"lobby\"]\n", hash("x"));
    let clinic = authorizer(&format!("{nurse}{doctor}"));
    std::fs::remove_file(&password).unwrap();
    let proof = |name: &str, of: &'static str| Credentials {
        user: Some(Pii(name.into())),
        proof: Some(Proof::new(move |password| password == of)),
        ..nothing()
    };
    let read = async |credentials| ask(&clinic, Action::Read, "ward", OUTSIDE, credentials).await;
    assert_eq!(read(proof("nurse", "open sesame")).await, Ok(()));
    assert_eq!(read(proof("nurse", "wrong")).await, Err(Denied::WrongCredentials));
    assert_eq!(read(proof("doctor", "open sesame")).await, Err(Denied::WrongCredentials));
    let takes = |path| {
        clinic.takes_proof(&AccessRequest {
            action: Action::Read,
            path: StreamPath::new(path).unwrap(),
            remote: Pii(OUTSIDE.parse().unwrap()),
            credentials: nothing(),
            protocol: Protocol::Rtsp,
        })
    };
    assert!(takes("ward"));
    assert!(!takes("lobby"), "the doctor has only a hash");
}
