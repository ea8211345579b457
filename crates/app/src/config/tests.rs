//! The configuration as a whole: what is told about wrong ones, word for word.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::schema::sections;
use super::*;

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(text, Some("m.toml".into()), [])
}

fn parse_with(text: &str, environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Config::parse(text, Some("m.toml".into()), environment.collect::<Vec<_>>())
}

#[track_caller]
fn told(text: &str, expected: &[&str]) {
    let problems = parse(text).unwrap_err().to_string();
    assert_eq!(problems.lines().collect::<Vec<_>>(), expected, "{problems}");
}

const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$RRMsMw4RO6RBYkiLGHVSzA";

#[test]
fn an_empty_file_is_valid_and_closed() {
    let config = parse("").unwrap();
    assert_eq!(config, Config::default());
    assert!(config.users.is_empty() && config.warnings()[0].contains("nobody may publish"));
    assert_eq!(config.listen.http, Some("0.0.0.0:8080".parse().unwrap()));
    assert_eq!(config.listen.rtmps, None);
    assert_eq!(config.hub.queue_ms, Duration::from_secs(2));
    assert_eq!(config.audio.aac_kbps, None);
}

#[test]
fn the_contract_of_keys_is_accepted_as_written() {
    let config = parse(
        r#"
        data_dir = "./data"
        public_hosts = ["127.0.0.1"]
        [listen]
        http = "0.0.0.0:8080"
        webrtc = "0.0.0.0:8889"
        ice = "0.0.0.0:8189"
        rtmp = "0.0.0.0:1935"
        rtmps = ""
        rtsp = "0.0.0.0:8554"
        rtsps = ""
        hls = "0.0.0.0:8888"
        api = "127.0.0.1:9997"
        metrics = "127.0.0.1:9998"
        [[auth.user]]
        name = "any"
        networks = ["127.0.0.0/8"]
        publish = ["*"]
        read = ["*"]
        api = true
        "#,
    )
    .unwrap();
    let user = &config.users[0];
    assert_eq!(user.identity, Identity::Any);
    assert!(user.api && user.covers([127, 0, 0, 1].into()) && !user.covers([10, 0, 0, 1].into()));
    assert!(user.covers("::ffff:127.0.0.1".parse().unwrap()), "IPv4 seen through a socket on [::]");
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
}

#[test]
fn an_api_that_nobody_may_use_is_told() {
    let text = "[listen]\napi = \"127.0.0.1:9997\"\nmetrics = \"127.0.0.1:9998\"\n[[auth.user]]\nname = \"any\"\n\
                networks = [\"127.0.0.0/8\"]\nread = [\"*\"]\n";
    let expected =
        ["listen.api", "listen.metrics"].map(|key| format!("{key} is set and no user has api = true"));
    assert_eq!(parse(text).unwrap().warnings(), expected);
    assert!(parse(&format!("{text}api = true\n")).unwrap().warnings().is_empty());
}

#[test]
fn whoever_speaks_tls_needs_a_certificate_and_its_key() {
    const BOTH: &str = "accepted: tls.certificate and tls.key, both with a file";
    told(
        "[listen]\nrtmps = \"0.0.0.0:1936\"\n[tls]\nlisteners = [\"webrtc\"]\n",
        &[
            &format!("m.toml:2:9: listen.rtmps: needs a certificate; {BOTH}, or \"\" for off"),
            &format!("m.toml:4:13: tls.listeners: need a certificate; {BOTH}, or an empty list"),
        ],
    );
    told("[tls]\nkey = \"k.pem\"\n", &[&format!("m.toml:2:7: tls.key: stands alone; {BOTH}")]);
    told(
        "[tls]\nlisteners = [\"rtmp\"]\n",
        &[
            "m.toml:2:14: tls.listeners: found \"rtmp\"; accepted: \"http\", \"webrtc\", \"hls\", \"api\", \"metrics\"",
        ],
    );
    let problems = parse("[tls]\ncertificate = \"/nowhere/c.pem\"\nkey = \"/nowhere/k.pem\"\n").unwrap_err();
    let told = problems.to_string();
    assert!(told.starts_with("m.toml:2:15: tls.certificate: /nowhere/c.pem: cannot be read: "), "{told}");
}

#[test]
fn every_error_is_told_at_once_with_its_place() {
    told(
        concat!(
            "data_dir = 5\n",
            "public_host = [\"a\"]\n",
            "[listen]\n",
            "http = \"8080\"\n",
            "  rtpm = \"0.0.0.0:1935\"\n",
            "[hub]\n",
            "queue_ms = \"2 s\"\n",
            "[lisen]\n",
            "x = 1\n",
        ),
        &[
            "m.toml:1:12: data_dir: found 5; accepted: a path in the file system",
            "m.toml:2:1: public_host: unknown key; did you mean `public_hosts`?",
            "m.toml:4:8: listen.http: found \"8080\"; accepted: \"ADDRESS:PORT\" such as \"0.0.0.0:8080\" or \
             \"[::]:8080\", or \"\" for off; did you mean \"0.0.0.0:8080\"?",
            "m.toml:5:3: listen.rtpm: unknown key; did you mean `rtmp`?",
            "m.toml:7:12: hub.queue_ms: found \"2 s\"; accepted: 100 to 60000 (milliseconds)",
            "m.toml:8:2: lisen: unknown key; did you mean `listen`?",
        ],
    );
}

#[test]
fn syntax_errors_and_wrong_values_are_told_together() {
    told(
        "[listen]\nrtmp = \"a\"\nrtmp = \"b\"\nhttp = \n[log]\nformat = \"xml\"\n",
        &[
            "m.toml:2:8: listen.rtmp: found \"a\"; accepted: \"ADDRESS:PORT\" such as \"0.0.0.0:8080\" or \
             \"[::]:8080\", or \"\" for off",
            "m.toml:3:1: rtmp: duplicate key",
            "m.toml:4:8: a value is missing",
            "m.toml:6:10: log.format: found \"xml\"; accepted: \"pretty\", \"json\"",
        ],
    );
}

#[test]
fn keys_in_the_wrong_section_and_sections_of_the_wrong_kind_are_explained() {
    told(
        "rtmp = \"0.0.0.0:1935\"\nlisten = 5\nauth.user = 3\nauth.users = []\ncolour = 1\nlog.colour = 1\n",
        &[
            "m.toml:1:1: rtmp: unknown key here; did you mean `listen.rtmp`?",
            "m.toml:2:10: listen: found 5; accepted: a section, [listen]",
            "m.toml:3:13: auth.user: found 3; accepted: sections, each headed [[auth.user]]",
            "m.toml:4:6: auth.users: unknown key; did you mean `user`?",
            "m.toml:5:1: colour: unknown key; accepted: data_dir, public_hosts, listen, tls, auth, path, hooks, log, hub, \
             audio, webrtc, flv, hls, limits",
            "m.toml:6:5: log.colour: unknown key; accepted in [log]: level, format",
        ],
    );
}

#[test]
fn listeners_do_not_share_a_port() {
    const SUFFIX: &str = "accepted: a port of its own for each listener, or \"\" for off";
    told(
        "[listen]\nhttp = \"127.0.0.1:9000\"\nrtmp = \"0.0.0.0:9000\"\nrtsp = \"0.0.0.0:8189\"\n",
        &[
            &format!("m.toml:3:8: listen.rtmp: port 9000 is taken by listen.http; {SUFFIX}"),
            &format!("m.toml:4:8: listen.rtsp: port 8189 is taken by listen.ice; {SUFFIX}"),
        ],
    );
    told(
        "[listen]\nhttp = \"127.0.0.1:1935\"\n",
        &[&format!("m.toml:2:8: listen.http: port 1935 is taken by listen.rtmp; {SUFFIX}")],
    );
    parse("[listen]\nhttp = \"127.0.0.1:8000\"\n").expect("TCP beside UDP");
    parse("[listen]\nhttp = \"127.0.0.1:0\"\nrtmp = \"127.0.0.1:0\"\n").expect("port 0 is any free port");
    parse("[listen]\nhttp = \"127.0.0.1:9000\"\nrtmp = \"127.0.0.2:9000\"\n").expect("two addresses");
}

#[test]
fn users_need_a_name_a_proof_and_known_keys() {
    let both = format!("[[auth.user]]\nname = \"n\"\npassword = \"{HASH}\"\npassword_file = \"x\"\n");
    told(&both, &["m.toml:4:17: auth.user.password_file: stands beside `password`; accepted: one of them"]);
    told(
        "[[auth.user]]\nnetworks = [\"10.0.0.0/8\", \"10.0.0.0/40\"]\npublish = [\"/x\"]\nraed = [\"*\"]\n\
         [[auth.user]]\nname = \"a:b\"\napi = 1\n",
        &[
            "m.toml:1:1: auth.user.name: missing; accepted: 1 to 256 bytes without ':' and control characters",
            "m.toml:2:27: auth.user.networks: found \"10.0.0.0/40\"; accepted: an address or a network such as \
             \"192.168.1.0/24\" or \"fd00::/8\"",
            "m.toml:3:12: auth.user.publish: found \"/x\"; accepted: a stream path of A-Z a-z 0-9 _ - . ~ / with * \
             for any run of characters, or ~ and a regular expression such as \"~^ward/(.+)$\"",
            "m.toml:4:1: auth.user.raed: unknown key; did you mean `read`?",
            "m.toml:6:8: auth.user.name: found \"a:b\"; accepted: 1 to 256 bytes without ':' and control characters",
            "m.toml:7:7: auth.user.api: found 1; accepted: true or false",
        ],
    );
    told(
        "[[auth.user]]\nname = \"nurse\"\n[[auth.user]]\nname = \"any\"\nnetworks = []\n",
        &[
            "m.toml:1:1: auth.user.password: missing; accepted: an argon2 hash as `medley hash-password` prints it, \
             or `password_file`",
            "m.toml:5:12: auth.user.networks: found an empty list, which is nowhere; leave the key out for everywhere",
        ],
    );
    told(
        &format!("[[auth.user]]\nname = \"any\"\npassword = \"{HASH}\"\n"),
        &[
            "m.toml:3:12: auth.user.password: \"any\" asks for no password; name the user or leave the password out",
        ],
    );
}

#[test]
fn a_plain_password_is_refused_without_being_repeated() {
    for (text, environment) in [
        ("[[auth.user]]\nname = \"n\"\npassword = \"hunter2\"\n", None),
        ("[[auth.user]]\nname = \"n\"\npassword = [\"hunter2\"]\n", None),
        ("", Some(("MEDLEY_AUTH_USER_PASSWORD", "hunter2"))),
        ("[webrtc]\nice_servers = [\"turn:a:hunter2@b@\"]\n", None),
        ("", Some(("MEDLEY_WEBRTC_ICE_SERVERS", "turn:nurse:hunter2@"))),
    ] {
        let problems = parse_with(text, environment.as_slice()).unwrap_err();
        assert!(!problems.to_string().contains("hunter2"), "{problems}");
        assert!(!format!("{problems:?}").contains("hunter2"));
    }
}

#[test]
fn password_files_hold_a_password_or_a_hash() {
    let directory = std::env::temp_dir().join(format!("medley-config-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("secret");
    let text = format!("[[auth.user]]\nname = \"nurse\"\npassword_file = {:?}\n", file.to_str().unwrap());
    let secret = |content: &str| {
        fs::write(&file, content).unwrap();
        let config = parse(&text).map_err(|problems| problems.to_string())?;
        match &config.users[0].identity {
            Identity::Named { secret, .. } => Ok(secret.clone()),
            Identity::Any => panic!("nurse is not everybody"),
        }
    };
    let place = "m.toml:3:17: auth.user.password_file: the file";
    assert_eq!(secret("pass word \r\nsecond line\n"), Ok(Secret::Password(media::Pii("pass word ".into()))));
    assert_eq!(secret(HASH), Ok(Secret::Hash(Box::new(PasswordHash::parse(HASH).unwrap()))));
    assert_eq!(secret("\n"), Err(format!("{place}'s first line is empty")));
    assert_eq!(secret(&"x".repeat(300)), Err(format!("{place}'s first line has more than 256 bytes")));
    assert_eq!(secret("$argon2id$oops"), Err(format!("{place}'s first line is a damaged argon2 hash")));
    fs::remove_dir_all(&directory).unwrap();
    let missing = parse(&text).unwrap_err().to_string();
    assert!(missing.starts_with(&format!("{place} cannot be read: No such file")), "{missing}");
}

#[test]
fn a_path_has_a_source_and_commands() {
    let config = parse(
        r#"
        [[path]]
        name = "ward/*"
        source = "rtmp://10.0.0.9/live/$G1?user=a&pass=hunter2"
        source_on_demand = true
        source_on_demand_close_after_ms = 0
        max_readers = 3
        [[path]]
        name = "patientStream"
        override_publisher = false
        run_on_demand = "ffmpeg -i 'a b' rtmp://127.0.0.1/$MTX_PATH"
        run_on_demand_restart = true
        run_on_undemand = "true"
        [hooks]
        run_on_connect = "logger connected"
        "#,
    )
    .unwrap();
    let [ward, patient] = config.paths.as_slice() else { panic!("two entries") };
    assert!(matches!(&ward.source, Source::Pull(pull) if pull.scheme == Scheme::Rtmp));
    let wait = |close_after| OnDemand { start_timeout: Duration::from_secs(10), close_after };
    assert_eq!(ward.source_on_demand, Some(wait(Duration::ZERO)));
    assert_eq!((ward.max_readers, patient.max_readers), (Some(3), None));
    assert!(ward.override_publisher && !patient.override_publisher);
    let (task, timing) = patient.on_demand.as_ref().unwrap();
    assert_eq!(task.command.words(), ["ffmpeg", "-i", "a b", "rtmp://127.0.0.1/$MTX_PATH"]);
    assert_eq!((task.restart, *timing), (true, wait(Duration::from_secs(10))));
    assert_eq!(config.hooks.run_on_connect.as_ref().unwrap().words(), ["logger", "connected"]);
    assert!(!format!("{config:?}").contains("hunter2"));
    let summary = config.summary();
    for line in [
        "  ward/*: from rtmp, on demand; at most 3 readers",
        "  patientStream: one publisher at a time; runs a command on_demand, on_undemand",
        "Commands for connections: on_connect",
    ] {
        assert!(summary.lines().any(|told| told == line), "{line:?} is not in\n{summary}");
    }
}

#[test]
fn keys_of_a_path_that_contradict_each_other_are_told() {
    told(
        concat!(
            "[[path]]\nname = \"a\"\nsource_on_demand = true\nrun_on_undemand = \"true\"\n",
            "[[path]]\nname = \"b/*\"\nsource = \"rtmp://h/a\"\nrun_on_init = \"true\"\nrun_on_demand = \"true\"\n",
            "[[path]]\nname = \"a\"\n",
            "[[path]]\nname = \"a/../b\"\n",
        ),
        &[
            "m.toml:3:20: path.source_on_demand: is for sources that are URLs; a publisher comes when it comes \
             (run_on_demand may call one)",
            "m.toml:4:19: path.run_on_undemand: runs when run_on_demand has ended, which is not set",
            "m.toml:7:10: path.source: a URL cannot run for every path that fits a pattern; accepted: \
             source_on_demand = true, or one path as the name",
            "m.toml:8:15: path.run_on_init: cannot run for every path that fits a pattern; accepted: with one path \
             as the name",
            "m.toml:9:17: path.run_on_demand: is for paths that somebody publishes; a source that is a URL has \
             source_on_demand",
            "m.toml:11:8: path.name: stands in line 2 already; accepted: one [[path]] for each name",
            "m.toml:13:8: path.name: found a path with an empty, '.' or '..' segment; accepted: a path without one",
        ],
    );
    told(
        "[[path]]\nsource = \"udp://hunter2\"\nrun_on_read = \"curl 'hunter2\"\nmax_reader = 1\n",
        &[
            "m.toml:1:1: path.name: missing; accepted: a stream path of A-Z a-z 0-9 _ - . ~ / with * for any run of \
             characters, or ~ and a regular expression such as \"~^ward/(.+)$\"",
            "m.toml:2:10: path.source: found a URL of another kind; accepted: \"publisher\" or a URL such as \
             \"rtmp://HOST/PATH\" or \"rtsp://USER:PASSWORD@HOST/PATH\" (rtmps, rtsps in TLS)",
            "m.toml:3:15: path.run_on_read: found a command with a quotation mark that is not closed; accepted: a \
             program and its arguments, split at spaces and quoted as in a shell",
            "m.toml:4:1: path.max_reader: unknown key; did you mean `max_readers`?",
        ],
    );
}

#[test]
fn a_source_in_tls_may_have_a_fingerprint_and_no_other_source() {
    let print = "0123456789abcdef".repeat(4);
    let path = |source: &str, print: &str| {
        format!("[[path]]\nname = \"a\"\nsource = \"{source}\"\nsource_fingerprint = \"{print}\"\n")
    };
    let config = parse(&path("rtsps://camera/x", &print)).unwrap();
    let Source::Pull(pull) = &config.paths[0].source else { panic!("a URL") };
    assert_eq!((pull.scheme, pull.fingerprint.unwrap().to_string()), (Scheme::Rtsps, print.clone()));
    for source in ["rtsp://camera/x", "publisher"] {
        told(
            &path(source, &print),
            &[
                "m.toml:4:22: path.source_fingerprint: is for sources in TLS; accepted: with a URL that begins with \
               rtsps:// or rtmps://",
            ],
        );
    }
    told(
        &path("rtmps://h/a", "33:94"),
        &[
            "m.toml:4:22: path.source_fingerprint: found \"33:94\"; accepted: a SHA-256 as 64 hexadecimal digits, with or \
           without colons",
        ],
    );
}

#[test]
fn the_environment_goes_over_the_file() {
    let text = "[listen]\nrtmp = \"not used\"\n";
    let environment = [
        ("MEDLEY_LISTEN_RTMP", "127.0.0.1:19350"),
        ("MEDLEY_LISTEN_ICE", ""),
        ("MEDLEY_PUBLIC_HOSTS", "203.0.113.7, clinic.example"),
        ("MEDLEY_HUB_QUEUE_MS", "300"),
        ("MEDLEY_LOG_LEVEL", "debug"),
        ("PATH", "/bin"),
    ];
    let config = parse_with(text, &environment).unwrap();
    assert_eq!(config.listen.rtmp, Some("127.0.0.1:19350".parse().unwrap()));
    assert_eq!(config.listen.ice, None);
    assert_eq!(config.general.public_hosts.len(), 2);
    assert_eq!(config.hub.queue_ms, Duration::from_millis(300));
    assert!(config.overrides().any(|pair| pair == ("log.level", "MEDLEY_LOG_LEVEL")));
    assert_eq!(config.overrides().count(), 5);
}

#[test]
fn wrong_variables_are_told_by_their_name() {
    let environment = [
        ("MEDLEY_LISTEN_RTPM", "x"),
        ("MEDLEY_LISTEN_HTTP", "8080"),
        ("MEDLEY_AUTH_USER_NAME", "x"),
        ("MEDLEY_HUB_SIZE", ""),
    ];
    let problems = parse_with("", &environment).unwrap_err().to_string();
    assert_eq!(
        problems.lines().collect::<Vec<_>>(),
        [
            "environment MEDLEY_AUTH_USER_NAME: auth.user.name: [[auth.user]] may stand several times, so only the \
             file can set it",
            "environment MEDLEY_HUB_SIZE: sets no known key; accepted in [hub]: gop_cache_ms, queue_ms, stream_bytes, \
             grace_ms, keyframe_interval_ms, keyframe_throttle_ms",
            "environment MEDLEY_LISTEN_HTTP: listen.http: found \"8080\"; accepted: \"ADDRESS:PORT\" such as \
             \"0.0.0.0:8080\" or \"[::]:8080\", or \"\" for off; did you mean \"0.0.0.0:8080\"?",
            "environment MEDLEY_LISTEN_RTPM: sets no known key; did you mean MEDLEY_LISTEN_RTMP?",
        ]
    );
}

#[test]
fn variables_that_only_share_the_prefix_are_ignored_and_said_so() {
    let environment = [("MEDLEY_SERVICE_HOST", "10.0.0.1"), ("MEDLEY_PORT_8080_TCP_ADDR", "10.0.0.1")];
    let config = parse_with("", &environment).unwrap();
    assert_eq!(config.ignored_variables(), ["MEDLEY_PORT_8080_TCP_ADDR", "MEDLEY_SERVICE_HOST"]);
    assert!(config.warnings().iter().any(|line| line.contains("MEDLEY_SERVICE_HOST sets no known key")));
}

#[test]
fn a_missing_or_enormous_file_is_an_error_that_names_it() {
    let missing = Config::load(Some(Path::new("/no/such.toml")), []).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read the configuration /no/such.toml: No such file"), "{missing}");
    let file = std::env::temp_dir().join(format!("medley-large-{}.toml", std::process::id()));
    fs::write(&file, "#".repeat(1_100_000)).unwrap();
    let large = Config::load(Some(&file), []).unwrap_err().to_string();
    fs::remove_file(&file).unwrap();
    assert!(large.ends_with("has more than 1048576 bytes"), "{large}");
}

const EXAMPLE: &str = include_str!("../../../../deploy/medley.example.toml");

#[test]
fn the_example_file_says_the_defaults_and_leaves_no_key_out() {
    assert_eq!(parse(EXAMPLE).unwrap(), Config::default());
    for section in sections() {
        for key in section.keys {
            let line = |line: &str| line.trim_start_matches('#').starts_with(&format!("{} = ", key.name));
            assert!(EXAMPLE.lines().any(line), "{}.{} is not in the example", section.table, key.name);
        }
    }
}

#[test]
fn what_the_example_comments_out_is_valid_too() {
    let live =
        |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned();
    let uncommented: Vec<_> = EXAMPLE.lines().map(live).collect();
    let text = uncommented.join("\n").replace("password_file = ", "# password_file = ");
    let config = parse(&text).unwrap();
    assert_eq!((config.users.len(), config.paths.len()), (2, 2), "{text}");
}

#[test]
fn the_summary_names_what_listens_and_who_may_enter() {
    let text = format!(
        "[listen]\nwebrtc = \"\"\nrtsp = \"0.0.0.0:8554\"\n[[auth.user]]\nname = \"any\"\nread = [\"lobby\"]\n\
         [[auth.user]]\nname = \"nurse\"\npassword = \"{HASH}\"\nnetworks = [\"10.0.0.0/8\"]\npublish = [\"ward/*\"]\n"
    );
    let summary = parse_with(&text, &[("MEDLEY_LOG_LEVEL", "warn")]).unwrap().summary();
    for line in [
        "  http     0.0.0.0:8080          TCP",
        "  ice      0.0.0.0:8189          UDP and TCP",
        "  rtp      0.0.0.0:8000          UDP",
        "  off: https, webrtc, rtmps, rtsps, api, metrics",
        "  any (no password) from 0.0.0.0/0, ::/0: publish nothing; read lobby",
        "  nurse from 10.0.0.0/8: publish ward/*; read nothing",
        "Set by the environment: log.level (MEDLEY_LOG_LEVEL)",
        "Note: everybody may read without a password, from everywhere: lobby",
    ] {
        assert!(summary.lines().any(|told| told == line), "{line:?} is not in\n{summary}");
    }
}
