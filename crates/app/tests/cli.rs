//! The binary as its users meet it: commands, exit codes, the words of its errors, and its end.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

fn medley() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    // The variables of whoever runs the tests must not decide them.
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MEDLEY_")) {
        command.env_remove(name);
    }
    command.current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn outcome(output: &Output, code: i32) -> (String, String) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    (stdout, stderr)
}

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
           off: rtmp, rtmps, rtsp, rtsps, hls, api, metrics\n\
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

/// A running server, killed at the end of the test.
struct Running {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    addresses: Vec<(String, SocketAddr)>,
}

const ANY_PORT: &str = "public_hosts = [\"127.0.0.1\"]\n[listen]\nhttp = \"127.0.0.1:0\"\nwebrtc = \"127.0.0.1:0\"\n\
     ice = \"127.0.0.1:0\"\nrtmp = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n";

impl Running {
    fn start(name: &str, users: &str) -> Self {
        let path = file(name, &format!("{ANY_PORT}{users}"));
        let mut child =
            medley().arg("serve").arg("--config").arg(path).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut running = Self { child, log, addresses: Vec::new() };
        while running.address("http").is_none() || running.address("rtmp").is_none() {
            let line = running.line().expect("the server ended before it listened");
            if line["message"] == "listening" {
                let word = |key: &str| line[key].as_str().unwrap().to_owned();
                running.addresses.push((word("listener"), word("address").parse().unwrap()));
            }
        }
        running
    }

    fn line(&mut self) -> Option<serde_json::Value> {
        let mut line = String::new();
        let length = self.log.read_line(&mut line).unwrap();
        (length > 0).then(|| serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}")))
    }

    fn address(&self, name: &str) -> Option<SocketAddr> {
        self.addresses.iter().find(|(known, _)| known == name).map(|(_, address)| *address)
    }

    fn get(&self, path: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let mut stream = TcpStream::connect(self.address("http").unwrap()).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            // The log says "listening" an instant before everything is served.
            if !answer.contains("\"starting\"") {
                return answer;
            }
            assert!(Instant::now() < deadline, "still starting");
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits for the end; gives its exit code and the lines logged since.
    fn ended(mut self) -> (Option<i32>, Vec<serde_json::Value>) {
        let mut lines = Vec::new();
        while let Some(line) = self.line() {
            lines.push(line);
        }
        (self.child.wait().unwrap().code(), lines)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const EVERYBODY_HERE: &str =
    "[[auth.user]]\nname = \"any\"\nnetworks = [\"127.0.0.0/8\"]\nread = [\"*\"]\napi = true\n";

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
