//! The import as a whole: what comes out of whole files, word for word, and that nothing bad does.

use std::path::{Path, PathBuf};
use std::{env, fs};

use super::*;
use crate::config::{Config, Identity};
use crate::tls::tests::{folder, made as tls_pair};

/// What every plain password becomes here: argon2 would make another hash each time.
const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$RRMsMw4RO6RBYkiLGHVSzA";

fn made(text: &str) -> Result<Import, Problems> {
    import(text, "mediamtx.yml", [], &|_| Some(HASH.to_owned()))
}

#[track_caller]
fn config(text: &str) -> (Config, Report) {
    let Import { toml, report } = made(text).unwrap();
    let config = Config::parse(&toml, None, []).unwrap_or_else(|problems| panic!("{problems}\n{toml}"));
    (config, report)
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let problems = made(text).unwrap_err().to_string();
    assert_eq!(problems.lines().collect::<Vec<_>>(), expected, "{problems}");
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/mediamtx-1.20")
}

fn vector(name: &str) -> String {
    fs::read_to_string(vectors().join(name)).unwrap()
}

fn told(report: &Report, kind: Kind) -> Vec<String> {
    report.notes(kind).iter().map(ToString::to_string).collect()
}

#[test]
fn whole_files_become_what_the_vectors_say() {
    for name in ["default", "consultation", "ward", "old"] {
        let Import { toml, report } = made(&vector(&format!("{name}.yml"))).unwrap();
        let toml = toml.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        for (ending, text) in [("toml", toml), ("txt", report.to_string())] {
            let path = vectors().join(format!("{name}.{ending}"));
            if env::var_os("UPDATE_VECTORS").is_some() {
                fs::write(&path, &text).unwrap();
            }
            let expected = fs::read_to_string(&path).unwrap();
            assert_eq!(text, expected, "{}", path.display());
        }
    }
}

#[test]
fn no_report_holds_a_secret() {
    for name in ["consultation", "ward", "old"] {
        let told = made(&vector(&format!("{name}.yml"))).unwrap().report.to_string();
        for secret in [
            "stethoscope",
            "secret",
            "plain$word",
            "p@ss",
            "shared",
            "argon2id",
            "rl3rgi",
            "plainword",
            "otherword",
        ] {
            assert!(!told.contains(secret), "{name}: {secret}: {told}");
        }
    }
}

#[test]
fn every_default_is_known_and_closes_the_server() {
    let (config, report) = config(&vector("default.yml"));
    assert_eq!(told(&report, Kind::Unknown), Vec::<String>::new());
    assert_eq!(told(&report, Kind::Old), Vec::<String>::new());
    let ignored = told(&report, Kind::Ignored);
    assert!(ignored.iter().all(|note| note.contains("srt:") || note.contains("moq:")), "{ignored:?}");
    let defaults = Config::default();
    assert_eq!(
        (&config.listen, &config.hls, &config.paths),
        (&defaults.listen, &defaults.hls, &defaults.paths)
    );
    let [here] = config.users.as_slice() else { panic!("only the door of this machine") };
    assert!(here.api && here.covers([127, 0, 0, 1].into()) && !here.covers([192, 0, 2, 1].into()));
    assert!(here.publish.is_empty() && here.read.is_empty());
    assert!(told(&report, Kind::Decide)[0].contains("lets in everybody"));
    // What is written there and what is not mean the same.
    let (nothing, _) = self::config("paths: {all_others: }");
    assert_eq!(nothing, config);
}

#[test]
fn the_old_webrtc_keys_of_the_first_system_are_read() {
    let (config, report) = config(&vector("consultation.yml"));
    assert_eq!(config.general.public_hosts.len(), 1);
    assert_eq!(config.listen.ice, Some("127.0.0.1:0".parse().unwrap()));
    let [stun, turn] = config.webrtc.ice_servers.as_slice() else { panic!("two servers") };
    assert_eq!(
        (stun.url.as_str(), turn.url.as_str()),
        ("stun:stun.clinic.example:3478", "turn:turn.clinic.example:3478")
    );
    assert_eq!(turn.credentials.as_ref().unwrap().1.reveal(), "turn-secret");
    assert_eq!(told(&report, Kind::Old).len(), 9, "{report}");
    assert_eq!(told(&report, Kind::Unknown), Vec::<String>::new());
    let names: Vec<_> = config
        .users
        .iter()
        .map(|user| match &user.identity {
            Identity::Named { name, .. } => name.reveal().clone(),
            Identity::Any => "any".to_owned(),
        })
        .collect();
    assert_eq!(names, ["doctor", "patient"]);
    let paths: Vec<_> = config.users[0].publish.iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["doctorStream", "doctorStream_aac", "patientStream"], "no other path was there");
}

#[test]
fn all_old_keys_are_accepted_with_a_note_each() {
    let (config, report) = config(&vector("old.yml"));
    assert_eq!(told(&report, Kind::Unknown), Vec::<String>::new());
    let old = told(&report, Kind::Old);
    for key in keys::all(GLOBAL).chain(keys::all(keys::PATH)) {
        let expected = matches!(key.fate, Fate::Old { .. }) && key.name != "externalAuthenticationURL";
        let is_told = old.iter().any(|note| note.contains(&format!("{}: is ", key.name)));
        assert!(!expected || is_told, "{}: {old:#?}", key.name);
    }
    assert_eq!((config.listen.rtsp, config.listen.rtp, config.listen.hls), (None, None, None));
    assert_eq!(config.listen.ice.unwrap().port(), 8199);
    let ward = config.paths.iter().find(|rules| rules.name.as_str() == "ward").unwrap();
    assert!(!ward.override_publisher && ward.on_available.as_ref().unwrap().restart);
    assert_eq!(config.users.len(), 3, "this machine, the nurse, the doctor for both paths");
    assert_eq!(config.users[2].read.len(), 2);
    let (http, report) = self::config("externalAuthenticationURL: http://127.0.0.1/auth\npaths: {all: }\n");
    assert!(http.users.is_empty() && told(&report, Kind::Decide)[0].contains("nobody gets in"), "{report}");
}

#[test]
fn everything_wrong_is_told_at_once_with_its_line_and_what_is_accepted() {
    refused(
        "rtmpAddress: 1935\nhlsVariant: ultra\nlogLevel: loud\nreadTimeout: 10s\nhlsSegmentDuration: 10\nrtmp: maybe\n\
         authInternalUsers:\n- user: any\n  pass: hunter2\n- pass: x\n- user: a\n  pass: 12345\n  ips: [nowhere]\n  permissions: [{action: dance}]\n\
         paths:\n  '~(': \n  a b:\n  cam: {source: 'gopher://hunter2'}\n",
        &[
            "mediamtx.yml:1:14: rtmpAddress: found 1935; accepted: \":PORT\" or \"ADDRESS:PORT\" such as \":8554\" or \"[::1]:8554\"",
            "mediamtx.yml:2:13: hlsVariant: found \"ultra\"; accepted: \"lowLatency\", \"fmp4\", \"mpegts\"",
            "mediamtx.yml:3:11: logLevel: found \"loud\"; accepted: \"error\", \"warn\", \"info\", \"debug\"",
            "mediamtx.yml:5:21: hlsSegmentDuration: found 10; accepted: a span of time such as \"10s\", \"1h30m\", \"200ms\" or \"1d\"",
            "mediamtx.yml:6:7: rtmp: found \"maybe\"; accepted: true or false",
            "mediamtx.yml:9:9: authInternalUsers[0].pass: \"any\" asks for no password; name the user or leave the password out",
            "mediamtx.yml:10:3: authInternalUsers[1].user: missing or empty; accepted: a name, or \"any\" for everybody",
            "mediamtx.yml:12:9: authInternalUsers[2].pass: found something that is no text; accepted: a text; one that looks like a number stands in quotes",
            "mediamtx.yml:13:9: authInternalUsers[2].ips: found \"nowhere\"; accepted: an address or a network such as \"192.168.1.0/24\" or \"fd00::/8\"",
            "mediamtx.yml:14:26: authInternalUsers[2].permissions[0].action: found \"dance\"; accepted: \"publish\", \"read\", \"playback\", \"api\", \"metrics\", \"pprof\"",
            "mediamtx.yml:16:3: paths.~(: found a name that is none; accepted: letters, digits and _ - . ~ /, or ~ and a regular expression",
            "mediamtx.yml:17:3: paths.a b: found a name that is none; accepted: letters, digits and _ - . ~ /, or ~ and a regular expression",
            "mediamtx.yml:18:17: paths.cam.source: found no source of MediaMTX; accepted: \"publisher\" or a URL such as \"rtsp://HOST/PATH\"",
        ],
    );
    refused(
        "rtmp: [\n",
        &["mediamtx.yml:2:1: not YAML: while parsing a node, did not find expected node content"],
    );
}

#[test]
fn a_listener_in_tls_without_a_certificate_is_off_and_never_in_the_open() {
    let (config, report) =
        config("webrtcEncryption: yes\nrtmpEncryption: strict\nrtspEncryption: optional\nhls: no\n");
    let listen = config.listen;
    assert_eq!(
        (listen.webrtc, listen.rtmp, listen.rtmps, listen.rtsps, listen.hls),
        (None, None, None, None, None)
    );
    assert!(listen.rtsp.is_some());
    assert_eq!(listen.http, None, "it would have the same in the open");
    let off = told(&report, Kind::Decide).into_iter().filter(|note| note.contains("stays off")).count();
    assert_eq!(off, 3, "{report}");
}

#[test]
fn a_certificate_that_can_be_read_is_taken_for_all() {
    let (directory, pair) = (folder("import"), tls_pair());
    let (certificate, key) = (directory.join("c.crt"), directory.join("c.key"));
    fs::write(&certificate, pair.0).unwrap();
    fs::write(&key, pair.1).unwrap();
    let (certificate, key) = (certificate.display(), key.display());
    let text = format!(
        "webrtcEncryption: yes\nwebrtcServerCert: {certificate}\nwebrtcServerKey: {key}\n\
         rtmpEncryption: strict\nrtmpsAddress: :1940\nrtmpServerCert: {certificate}\nrtmpServerKey: {key}\n\
         rtspEncryption: optional\n"
    );
    let (config, report) = config(&text);
    fs::remove_dir_all(directory).unwrap();
    assert_eq!(config.listen.rtmps, Some("0.0.0.0:1940".parse().unwrap()));
    assert_eq!((config.listen.rtmp, config.listen.rtsps.is_some()), (None, true));
    assert_eq!(config.tls.listeners, ["webrtc"]);
    let differs: Vec<_> = told(&report, Kind::Decide)
        .into_iter()
        .filter(|note| note.contains("certificate of its own"))
        .collect();
    assert_eq!(differs.len(), 1, "RTSP's is server.crt: {report}");
}

#[test]
fn nobody_may_publish_or_read_more_than_before() {
    let users = "authInternalUsers:\n- {user: u, pass: p, permissions: [{action: publish}, {action: read}, {action: read, path: '~^ward'}]}\n";
    let of = |paths: &str| {
        let (config, _) = config(&format!("{users}{paths}"));
        let words = |patterns: &[crate::config::PathPattern]| {
            patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        config.users.first().map(|user| (words(&user.publish), words(&user.read)))
    };
    let of = |paths| of(paths).unwrap_or_default();
    assert_eq!(of(""), (String::new(), String::new()), "without a path nobody may do anything");
    assert_eq!(of("paths: {a: , all_others: }"), ("*".into(), "* ~^ward".into()));
    assert_eq!(of("paths: {a: , ward/1: }"), ("a ward/1".into(), "a ward/1".into()));
    assert_eq!(of("paths: {a: , '~^w': }"), ("a ~^w".into(), "a ~^w ~^ward".into()));
    assert_eq!(of("paths: {a: , cam: {source: 'rtsp://192.0.2.1/1'}}"), ("a".into(), "a cam".into()));
}

#[test]
fn expressions_are_asked_in_mediamtxs_order_and_the_rest_last() {
    let (config, _) = config(
        "pathDefaults: {maxReaders: 5}\npaths:\n  all_others:\n  '~^b': {maxReaders: 0}\n  '~^c':\n  '~^a':\n  z:\n",
    );
    let names: Vec<_> = config.paths.iter().map(|rules| rules.name.as_str()).collect();
    assert_eq!(names, ["z", "~^a", "~^b", "~^c", "*"]);
    assert_eq!(config.paths[2].max_readers, None, "or the rest's 5 would hold for it");
    let (config, _) = self::config("paths:\n  all_others:\n  '~^b': {maxReaders: 5}\n  a:\n  b:\n");
    let names: Vec<_> = config.paths.iter().map(|rules| rules.name.as_str()).collect();
    assert_eq!(names, ["b", "~^b"], "an entry that changes nothing is left out");
}

#[test]
fn what_is_wrong_in_path_defaults_is_told_once() {
    refused(
        "pathDefaults: {maxReaders: many, runOnRead: 1}\npaths: {a: , b: , c: }\nwebrtcAdditionalHosts: [1, 2]\n",
        &[
            "mediamtx.yml:1:28: pathDefaults.maxReaders: found \"many\"; accepted: 0 to 4294967295",
            "mediamtx.yml:1:45: pathDefaults.runOnRead: found something that is no text; accepted: a text; one that looks like a number stands in quotes",
            "mediamtx.yml:3:25: webrtcAdditionalHosts: found something that is no text; accepted: a text; one that looks like a number stands in quotes",
            "mediamtx.yml:3:28: webrtcAdditionalHosts: found something that is no text; accepted: a text; one that looks like a number stands in quotes",
        ],
    );
}

#[test]
fn a_network_of_one_family_stays_one() {
    let (config, _) = config(
        "paths: {a: }\nauthInternalUsers: [{user: u, pass: p, ips: ['0.0.0.0/0'], permissions: [{action: read}]}]\n",
    );
    assert_eq!(config.users[0].networks, ["0.0.0.0/0".parse().unwrap()]);
}

#[test]
fn variables_that_mediamtx_would_read_are_named_without_their_value() {
    let environment = [("MTX_RTMPADDRESS".into(), "127.0.0.9:1".into()), ("HOME".into(), "/".into())];
    let made = import("", "m.yml", environment, &|_| None).unwrap();
    let told = made.report.to_string();
    assert!(
        told.contains("MTX_RTMPADDRESS") && !told.contains("127.0.0.9") && !told.contains("HOME"),
        "{told}"
    );
}

#[test]
fn a_file_that_would_become_too_large_is_refused_before_it_is_checked() {
    let paths: String = (0..1_900).map(|number| format!("  path{number}:\n")).collect();
    let users: String = (0..60)
        .map(|number| {
            format!("- {{user: u{number}, pass: p, permissions: [{{action: publish}}, {{action: read}}]}}\n")
        })
        .collect();
    let text = format!("paths:\n{paths}authInternalUsers:\n{users}");
    refused(
        &text,
        &["mediamtx.yml: what comes out has more than 1048576 bytes; accepted: fewer users and paths"],
    );
}

#[test]
fn notes_without_number_are_counted() {
    let text: String = (0..5_000).map(|number| format!("key{number}: 1\n")).collect();
    let told = config(&text).1.to_string();
    assert!(told.contains("And more:\n  4000 further notes\n"), "{}", &told[told.len() - 200..]);
    assert!(told.contains("paths: there is no entry"), "what matters is never among them");
}

/// Whatever is done to a good file, the import ends, and what it makes is valid.
#[test]
fn damaged_files_are_refused_or_become_something_valid() {
    let files = ["default.yml", "consultation.yml", "ward.yml", "old.yml"].map(vector);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: usize| {
        // xorshift64: the same damage in every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap()
    };
    const PIECES: &[&str] = &[
        "\n", ":", "- ", "[", "]", "{", "}", "*a", "&a ", "'", "\"", "#", "~", "yes", "0", "\u{7f}", "中",
        "  ", "<<: ", "|",
    ];
    for round in 0..600 {
        let mut text: Vec<char> = files[round % files.len()].chars().collect();
        for _ in 0..=below(3) {
            let at = below(text.len());
            match below(3) {
                0 => drop(text.drain(at..(at + below(40)).min(text.len()))),
                1 => drop(text.splice(at..at, PIECES[below(PIECES.len())].chars())),
                _ => {
                    let from = below(text.len());
                    let piece: Vec<_> = text[from..(from + 60).min(text.len())].to_vec();
                    drop(text.splice(at..at, piece));
                }
            }
        }
        let text: String = text.into_iter().collect();
        if let Ok(Import { toml, .. }) = made(&text) {
            Config::parse(&toml, None, []).unwrap_or_else(|problems| panic!("{problems}\n{toml}\n{text}"));
        }
    }
}
