//! The binary as its users meet it: commands, exit codes, the words of its errors, and its end.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use gateway::rtmp::{Client, ClientError};
use support::{ANY_PORT, EVERYBODY_HERE, Running, file, medley, outcome};

#[test]
fn check_tells_what_a_good_file_would_do() {
    file(
        "good.toml",
        "[listen]\nhttp = \"127.0.0.1:8080\"\nrtmp = \"\"\n[[auth.user]]\nname = \"any\"\nnetworks = [\"127.0.0.0/8\"]\nread = [\"*\"]\n",
    );
    let (stdout, stderr) = outcome(&medley().args(["check", "good.toml"]).output().unwrap(), 0);
    assert_eq!(stderr, "");
    assert_eq!(
        stdout,
        "good.toml is valid.\n\
         Listens:\n  \
           http     127.0.0.1:8080        TCP\n  \
           webrtc   0.0.0.0:8889          TCP\n  \
           ice      0.0.0.0:8189          UDP and TCP\n  \
           rtsp     0.0.0.0:8554          TCP\n  \
           rtp      0.0.0.0:8000          UDP\n  \
           rtcp     0.0.0.0:8001          UDP\n  \
           hls      0.0.0.0:8888          TCP\n  \
           off: https, rtmp, rtmps, rtsps, api, metrics\n\
         Access:\n  \
           any (no password) from 127.0.0.0/8: publish nothing; read *\n"
    );
}

#[test]
fn check_tells_every_error_with_its_line() {
    file("bad.toml", "data_dirs = \"x\"\n\n[listen]\nhttp = 8080\nrtmp = \"0.0.0.0:8189\"\n");
    let mut command = medley();
    command.args(["check", "bad.toml"]).env("MEDLEY_LOG_FORMAT", "xml").env("MEDLEY_LISTEN_RTPM", "");
    let (stdout, stderr) = outcome(&command.output().unwrap(), 1);
    assert_eq!(stdout, "");
    assert_eq!(
        stderr,
        "error: 5 problems in the configuration\n\
         bad.toml:1:1: data_dirs: unknown key; did you mean `data_dir`?\n\
         bad.toml:4:8: listen.http: found 8080; accepted: \"ADDRESS:PORT\" such as \"0.0.0.0:8080\" or \"[::]:8080\", \
         or \"\" for off; did you mean \"0.0.0.0:8080\"?\n\
         bad.toml:5:8: listen.rtmp: port 8189 is taken by listen.ice; accepted: a port of its own for each listener, \
         or \"\" for off\n\
         environment MEDLEY_LISTEN_RTPM: sets no known key; did you mean MEDLEY_LISTEN_RTMP?\n\
         environment MEDLEY_LOG_FORMAT: log.format: found \"xml\"; accepted: \"pretty\", \"json\"\n"
    );
}

#[test]
fn serve_refuses_a_bad_or_missing_file_in_the_same_words() {
    file("refused.toml", "nonsense = 1\n");
    let (_, stderr) = outcome(&medley().args(["serve", "--config", "refused.toml"]).output().unwrap(), 1);
    assert!(
        stderr.starts_with("error: 1 problem in the configuration\nrefused.toml:1:1: nonsense: unknown key"),
        "{stderr}"
    );
    for arguments in [["serve", "--config=no-such.toml"], ["check", "no-such.toml"]] {
        let (_, stderr) = outcome(&medley().args(arguments).output().unwrap(), 1);
        let expected =
            "error: cannot read the configuration no-such.toml: No such file or directory (os error 2)\n";
        assert_eq!(stderr, expected);
    }
}

#[test]
fn a_wrong_command_line_is_explained() {
    let (_, stderr) = outcome(&medley().arg("serv").output().unwrap(), 2);
    assert!(stderr.contains("'serve'"), "{stderr}");
    let (stdout, _) = outcome(&medley().arg("--version").output().unwrap(), 0);
    assert_eq!(stdout, format!("medley {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_hashed_password_is_accepted_by_the_configuration() {
    let mut child =
        medley().arg("hash-password").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all("open sesame\n".as_bytes()).unwrap();
    let (hash, _) = outcome(&child.wait_with_output().unwrap(), 0);
    assert!(hash.starts_with("$argon2id$") && !hash.contains("sesame"), "{hash}");
    file("hashed.toml", &format!("[[auth.user]]\nname = \"doctor\"\npassword = \"{}\"\n", hash.trim_end()));
    outcome(&medley().args(["check", "hashed.toml"]).output().unwrap(), 0);
    let (_, stderr) = outcome(&medley().arg("hash-password").output().unwrap(), 1);
    assert_eq!(stderr, "error: the password is empty\n");
}

#[test]
fn a_server_tells_its_health_and_figures() {
    let server = Running::start("health.toml", EVERYBODY_HERE);
    let health = server.get("/healthz");
    assert!(health.starts_with("HTTP/1.1 200 OK") && health.contains("\"status\":\"ok\""), "{health}");
    let figures = server.get("/metrics");
    for name in ["medley_build_info", "medley_streams 0", "process_resident_memory_bytes"] {
        assert!(figures.contains(name), "{name} is not in {figures}");
    }
    let closed = Running::start("closed.toml", "");
    assert!(closed.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(closed.get("/metrics").starts_with("HTTP/1.1 403"), "no entry, no access");
}

#[test]
fn sigterm_ends_it_in_good_order_within_two_seconds() {
    let server = Running::start("sigterm.toml", EVERYBODY_HERE);
    let _idle = TcpStream::connect(server.address("http").unwrap()).unwrap();
    let _half_open = TcpStream::connect(server.address("rtmp").unwrap()).unwrap();
    let begun = Instant::now();
    server.signal("-TERM");
    let (code, lines) = server.ended();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(
        lines.iter().any(|line| line["message"].as_str().is_some_and(|text| text.starts_with("stopped")))
    );
}

#[tokio::test]
async fn sigterm_tells_readers_that_the_stream_is_over() {
    let users = EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread =");
    let server = Running::start("told.toml", &users);
    let rtmp = server.address("rtmp").unwrap();
    let mut publisher = Client::publish(rtmp, "a").await.unwrap();
    let mut reader = Client::play(rtmp, "a").await.unwrap();
    server.signal("-TERM");
    let begun = Instant::now();
    assert!(matches!(reader.next().await, Err(ClientError::Ended)));
    assert!(publisher.next().await.is_err());
    let (code, _) = server.ended();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(code, Some(0));
}

#[test]
fn a_taken_port_is_told_with_its_key_and_its_variable() {
    let server = Running::start("first.toml", EVERYBODY_HERE);
    let taken = server.address("rtmp").unwrap();
    file("second.toml", ANY_PORT);
    let mut second = medley();
    second.args(["serve", "--config", "second.toml"]).env("MEDLEY_LISTEN_RTMP", taken.to_string());
    let (_, stderr) = outcome(&second.output().unwrap(), 1);
    let expected = format!(
        "error: listen.rtmp: {taken} cannot be bound (MEDLEY_LISTEN_RTMP=ADDRESS:PORT moves it): \
         Address already in use (os error 98)\n"
    );
    assert!(stderr.ends_with(&expected), "{stderr}");
}

#[test]
fn a_clip_that_cannot_be_the_patient_is_told_before_anything_runs() {
    file("no.flv", "RIFF");
    for (name, reason) in [
        ("nowhere.flv", "No such file or directory (os error 2)"),
        ("no.flv", "not an FLV file of version 1"),
    ] {
        let (stdout, stderr) = outcome(&medley().args(["demo", "--clip", name]).output().unwrap(), 1);
        assert_eq!((stdout, stderr), (String::new(), format!("error: {name}: {reason}\n")));
    }
}
