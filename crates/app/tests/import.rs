//! `medley import` as an operator meets it: files, exit codes, words, and a server that runs with what came out.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gateway::rtmp::Client;
use support::{Running, file, medley, outcome};

fn vector(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/mediamtx-1.20").join(name);
    fs::read_to_string(path).unwrap()
}

/// A place for a file that is not there yet.
fn nothing_at(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

#[tokio::test]
async fn the_first_systems_file_becomes_a_server_that_its_users_can_enter() {
    file("consultation.yml", &vector("consultation.yml"));
    let written = nothing_at("consultation.toml");
    let mut command = medley();
    let output =
        command.args(["import", "consultation.yml", "--output", "consultation.toml"]).output().unwrap();
    let (stdout, stderr) = outcome(&output, 0);
    assert_eq!(stdout, "");
    assert!(
        stderr.contains("line 25, webrtcICEUDPMuxAddress: is called `webrtcLocalUDPAddress` now"),
        "{stderr}"
    );
    assert!(
        stderr.ends_with("consultation.toml is written and valid. Next: medley check consultation.toml.\n"),
        "{stderr}"
    );
    assert_eq!(fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o600);
    let toml = fs::read_to_string(&written).unwrap();
    for secret in ["stethoscope", "thermometer"] {
        assert!(!toml.contains(secret) && !stderr.contains(secret), "{toml}{stderr}");
    }
    outcome(&medley().args(["check", "consultation.toml"]).output().unwrap(), 0);

    // A port that MediaMTX does not have, and the log as the test reads it.
    let text =
        toml.replace("[listen]\n", "[listen]\nhttp = \"127.0.0.1:0\"\n") + "\n[log]\nformat = \"json\"\n";
    let server =
        Running::start_from("consultation-here.toml", &text, &["http", "rtmp", "rtsp", "hls", "webrtc"]);
    let rtmp = server.address("rtmp").unwrap();
    Client::publish(rtmp, "doctorStream?user=doctor&pass=stethoscope").await.unwrap();
    Client::publish(rtmp, "patientStream?user=patient&pass=thermometer").await.unwrap();
    for refused in
        ["doctorStream?user=doctor&pass=thermometer", "doctorStream", "other?user=doctor&pass=stethoscope"]
    {
        Client::publish(rtmp, refused).await.unwrap_err();
    }
}

#[test]
fn a_broken_file_writes_nothing_and_tells_every_error() {
    file("broken.yml", "rtmpAddress: 1935\nhlsVariant: ultra\npaths: {all_others: }\n");
    let written = nothing_at("broken.toml");
    let mut command = medley();
    let output = command.args(["import", "broken.yml", "--output", "broken.toml"]).output().unwrap();
    let (stdout, stderr) = outcome(&output, 1);
    assert_eq!(stdout, "");
    assert_eq!(
        stderr,
        "error: 2 problems in the configuration\n\
         broken.yml:1:14: rtmpAddress: found 1935; accepted: \":PORT\" or \"ADDRESS:PORT\" such as \":8554\" or \
         \"[::1]:8554\"\n\
         broken.yml:2:13: hlsVariant: found \"ultra\"; accepted: \"lowLatency\", \"fmp4\", \"mpegts\"\n"
    );
    assert!(!written.exists());
    let (_, stderr) =
        outcome(&medley().args(["import", "no-such.yml", "-o", "broken.toml"]).output().unwrap(), 1);
    assert_eq!(
        stderr,
        "error: cannot read the configuration no-such.yml: No such file or directory (os error 2)\n"
    );
    assert!(!written.exists());
}

#[test]
fn a_file_that_exists_is_kept_unless_it_is_said() {
    file("kept.yml", "hlsSegmentCount: 9\npaths: {all_others: }\n");
    let kept = file("kept.toml", "# by hand\n");
    let arguments = ["import", "kept.yml", "--output", "kept.toml"];
    let (_, stderr) = outcome(&medley().args(arguments).output().unwrap(), 1);
    assert_eq!(stderr, "error: kept.toml exists; accepted: --force, or another --output\n");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "# by hand\n");
    outcome(&medley().args(arguments).arg("--force").output().unwrap(), 0);
    assert!(fs::read_to_string(&kept).unwrap().contains("segments = 9"));
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn standard_output_takes_the_file_and_standard_error_the_report() {
    file("default.yml", &vector("default.yml"));
    let mut command = medley();
    command.args(["import", "default.yml", "--output", "-"]).env("MTX_RTMPADDRESS", "127.0.0.9:1");
    let (stdout, stderr) = outcome(&command.output().unwrap(), 0);
    assert!(
        stdout.starts_with("# Made from default.yml") && stdout.contains("\n#name = \"any\"\n"),
        "{stdout}"
    );
    assert!(
        stderr.starts_with("Taken over: ") && stderr.contains("the environment sets MTX_RTMPADDRESS"),
        "{stderr}"
    );
    assert!(
        stderr.contains("lets in everybody from everywhere") && !stderr.contains("is written"),
        "{stderr}"
    );
    file("default.toml", &stdout);
    let (checked, _) = outcome(&medley().args(["check", "default.toml"]).output().unwrap(), 0);
    assert!(!checked.contains("everybody may"), "closed: {checked}");
}
