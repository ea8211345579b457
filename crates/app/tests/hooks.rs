//! Commands of `[[path]]` and `[hooks]`, and streams on demand, in the real binary.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gateway::rtmp::{Client, ClientError};
use support::Running;
use support::feed::Feed;

const EVERYBODY: &str = "[[auth.user]]\nname = \"any\"\nnetworks = [\"127.0.0.0/8\"]\npublish = [\"*\"]\nread = [\"*\"]\napi = true\n";

/// What the commands of a test write to.
struct Notes(PathBuf);

impl Notes {
    fn new(name: &str) -> Self {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_file(&file);
        Self(file)
    }

    /// A command that writes `words`, for a configuration.
    fn writes(&self, words: &str) -> String {
        format!("'''sh -c 'echo \"{words}\" >> {}' '''", self.0.display())
    }

    /// A command that writes `words`, goes on, and writes again when it is told to end.
    fn lasts(&self, words: &str) -> String {
        let file = self.0.display();
        format!(
            "'''sh -c 'trap \"echo {words} told to end >> {file}; exit 0\" INT; echo {words} >> {file}; \
             while :; do sleep 0.02; done' '''"
        )
    }

    fn read(&self) -> Vec<String> {
        fs::read_to_string(&self.0).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Waits until these lines are there, in any order, and no others.
    #[track_caller]
    fn come_to(&self, expected: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        loop {
            let mut lines = self.read();
            lines.sort_unstable();
            if lines == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{lines:#?} instead of {expected:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

async fn read(server: &Running, path: &str) -> Result<Client, ClientError> {
    Client::play(server.address("rtmp").unwrap(), path).await
}

/// The text with each UUID as `ID`.
fn without_ids(line: &str) -> String {
    let is_id = |word: &&str| word.len() == 36 && word.matches('-').count() == 4;
    line.split(' ').map(|word| if is_id(&word) { "ID" } else { word }).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_run_for_what_happens_to_a_stream_and_are_told_the_facts() {
    let notes = Notes::new("facts.notes");
    let config = format!(
        "{EVERYBODY}[hub]\ngrace_ms = 0\n[[path]]\nname = \"~^ward/(.+)$\"\n\
         run_on_available = {}\nrun_on_unavailable = {}\nrun_on_read = {}\nrun_on_unread = {}\n",
        notes.writes("available $MTX_PATH $G1 [$MTX_QUERY] $MTX_SOURCE_TYPE ${MTX_SOURCE_ID} [$RTSP_PORT]"),
        notes.writes("unavailable $MTX_PATH $MTX_SOURCE_TYPE $MTX_SOURCE_ID"),
        notes.writes("read $MTX_PATH [$MTX_QUERY] $MTX_READER_TYPE $MTX_READER_ID"),
        notes.writes("unread $MTX_PATH $MTX_READER_TYPE $MTX_READER_ID"),
    );
    let server = Running::start("facts.toml", &config);
    let feed = Feed::start(&server, "ward/3?room=a%20b;reboot&pass=hunter2").await;
    let lines = |expected: &[&str]| {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let lines: Vec<_> = notes.read().iter().map(|line| without_ids(line)).collect();
            if lines == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{lines:#?} instead of {expected:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let port = server.address("rtsp").unwrap().port();
    let available = &format!("available ward/3 3 [room%3Da%2520b%3Breboot] rtmpConn ID [{port}]");
    lines(&[available]);
    let reader = read(&server, "ward/3?x=1").await.unwrap();
    let reads = "read ward/3 [x%3D1] rtmpConn ID";
    lines(&[available, reads]);
    drop(reader);
    lines(&[available, reads, "unread ward/3 rtmpConn ID"]);
    drop(feed);
    lines(&[available, reads, "unread ward/3 rtmpConn ID", "unavailable ward/3 rtmpConn ID"]);
    let all = notes.read();
    let id = |line: usize| all[line].split(' ').find(|word| word.len() == 36).unwrap().to_owned();
    assert_eq!((id(0), id(1)), (id(3), id(2)), "both commands of a pair are told the same");
    let _other = Feed::start(&server, "other").await;
    assert_eq!(notes.read().len(), 4, "no rules, no command");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_ends_with_its_cause_and_at_the_end_of_the_server() {
    let notes = Notes::new("lasting.notes");
    let config = format!(
        "{EVERYBODY}[hub]\ngrace_ms = 0\n[[path]]\nname = \"a\"\nrun_on_init = {}\nrun_on_available = {}\n\
         run_on_read = {}\nrun_on_unread = {}\n[hooks]\nrun_on_connect = {}\nrun_on_disconnect = {}\n",
        notes.lasts("init"),
        notes.lasts("available"),
        notes.lasts("read"),
        notes.writes("unread"),
        notes.lasts("connected"),
        notes.writes("disconnected $MTX_CONN_TYPE"),
    );
    let server = Running::start("lasting.toml", &config);
    notes.come_to(&["init"]);
    let feed = Feed::start(&server, "a").await;
    notes.come_to(&["init", "connected", "available"]);
    let reader = read(&server, "a").await.unwrap();
    let with_reader = ["init", "connected", "available", "connected", "read"];
    notes.come_to(&with_reader);
    drop(reader);
    let mut all = with_reader.to_vec();
    all.extend(["read told to end", "unread", "connected told to end", "disconnected rtmpConn"]);
    notes.come_to(&all);
    drop(feed);
    all.extend(["available told to end", "connected told to end", "disconnected rtmpConn"]);
    notes.come_to(&all);
    server.signal("-TERM");
    let (code, _) = server.ended();
    assert_eq!(code, Some(0));
    all.push("init told to end");
    notes.come_to(&all);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_server_is_told_and_not_held_up() {
    let notes = Notes::new("end.notes");
    let config = format!(
        "{EVERYBODY}[[path]]\nname = \"a\"\nrun_on_available = \"sh -c 'trap : INT; while :; do sleep 1; done'\"\n\
         run_on_unavailable = {}\nrun_on_unread = {}\n[hooks]\nrun_on_disconnect = {}\n",
        notes.writes("unavailable"),
        notes.writes("unread"),
        notes.writes("disconnected"),
    );
    let server = Running::start("end.toml", &config);
    let _feed = Feed::start(&server, "a").await;
    let _reader = read(&server, "a").await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !server.get("/metrics").contains("medley_hook_processes 1") {
        assert!(Instant::now() < deadline, "{}", server.get("/metrics"));
    }
    let begun = Instant::now();
    server.signal("-TERM");
    let (code, _) = server.ended();
    assert_eq!(code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    notes.come_to(&["unavailable", "unread", "disconnected", "disconnected"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_waits_for_the_command_that_brings_the_stream() {
    let notes = Notes::new("demand.notes");
    let config = format!(
        "{EVERYBODY}[hub]\ngrace_ms = 0\n[[path]]\nname = \"far/*\"\nrun_on_demand = {}\nrun_on_undemand = {}\n\
         run_on_demand_start_timeout_ms = 3000\nrun_on_demand_close_after_ms = 200\n",
        notes.lasts("demand $MTX_PATH $G1"),
        notes.writes("undemand $MTX_PATH"),
    );
    let server = Running::start("demand.toml", &config);
    let begun = Instant::now();
    let reader = read(&server, "far/3");
    let feed = async {
        while notes.read().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Feed::start(&server, "far/3").await
    };
    let (reader, feed) = tokio::join!(reader, feed);
    let mut reader = reader.unwrap();
    reader.next().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    notes.come_to(&["demand far/3 3"]);
    // Within the time that the command goes on without readers.
    drop(reader);
    let mut reader = read(&server, "far/3").await.unwrap();
    reader.next().await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    notes.come_to(&["demand far/3 3"]);
    drop(reader);
    notes.come_to(&["demand far/3 3", "demand far/3 3 told to end", "undemand far/3"]);
    drop(feed);

    let nobody = read(&server, "far/4").await.unwrap_err();
    assert!(
        matches!(&nobody, ClientError::Refused(code) if code == "NetStream.Play.StreamNotFound"),
        "{nobody}"
    );
    assert!(begun.elapsed() > Duration::from_secs(3));
    assert!(read(&server, "near").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_another_server_come_always_or_on_demand() {
    let there = Running::start("there.toml", EVERYBODY);
    let url = format!("rtmp://{}", there.address("rtmp").unwrap());
    let notes = Notes::new("source.notes");
    let config = format!(
        "{EVERYBODY}[hub]\ngrace_ms = 0\n[[path]]\nname = \"always\"\nsource = \"{url}/a?pass=hunter2\"\n\
         run_on_available = {}\n\
         [[path]]\nname = \"~^wanted/(.+)$\"\nsource = \"{url}/$G1\"\nsource_on_demand = true\n\
         source_on_demand_close_after_ms = 100\n",
        notes.writes("available $MTX_PATH $MTX_SOURCE_TYPE [$MTX_SOURCE_ID]"),
    );
    let here = Running::start("here.toml", &config);
    let feed = Feed::start(&there, "a").await;
    notes.come_to(&["available always rtmpSource []"]);
    let mut reader = read(&here, "always").await.unwrap();
    reader.next().await.unwrap();
    let refused = Client::publish(here.address("rtmp").unwrap(), "always").await.unwrap_err();
    assert!(
        matches!(&refused, ClientError::Refused(code) if code == "NetStream.Publish.BadName"),
        "{refused}"
    );

    let mut wanted = read(&here, "wanted/a").await.unwrap();
    wanted.next().await.unwrap();
    let readers_there = || {
        let page = there.get("/metrics");
        let line = page.lines().find_map(|line| line.strip_prefix("medley_subscribers ")).unwrap().to_owned();
        line.parse::<f64>().unwrap() as u32
    };
    assert_eq!(readers_there(), 2);
    drop(wanted);
    let deadline = Instant::now() + Duration::from_secs(10);
    while readers_there() != 1 {
        assert!(Instant::now() < deadline, "the source on demand goes on");
    }
    drop(feed);
    here.signal("-TERM");
    let (code, lines) = here.ended();
    assert_eq!(code, Some(0));
    let log = lines.iter().map(ToString::to_string).collect::<String>();
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_may_refuse_a_second_publisher_and_more_readers() {
    let config = format!(
        "{EVERYBODY}[[path]]\nname = \"a\"\noverride_publisher = false\nmax_readers = 1\n[[path]]\nname = \"b\"\n"
    );
    let server = Running::start("rules.toml", &config);
    let _feed = Feed::start(&server, "a").await;
    let rtmp = server.address("rtmp").unwrap();
    let second = Client::publish(rtmp, "a").await.unwrap_err();
    assert!(matches!(&second, ClientError::Refused(code) if code == "NetStream.Publish.BadName"), "{second}");
    let _one = read(&server, "a").await.unwrap();
    assert!(read(&server, "a").await.is_err(), "one reader, no more");
    let _first = Feed::start(&server, "b").await;
    let _second = Feed::start(&server, "b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_is_told_without_its_words() {
    let config = format!(
        "{EVERYBODY}[[path]]\nname = \"a\"\nrun_on_init = \"/no/such/hunter2 --token=hunter2\"\n\
         run_on_available = \"sh -c 'exit 3' hunter2\"\n"
    );
    let server = Running::start("fails.toml", &config);
    let _feed = Feed::start(&server, "a").await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !server.get("/metrics").contains("medley_hooks_failed_total 2") {
        assert!(Instant::now() < deadline, "{}", server.get("/metrics"));
    }
    server.signal("-TERM");
    let (_, lines) = server.ended();
    let told = |hook: &str, message: &str| {
        lines.iter().any(|line| line["hook"] == hook && line["message"] == message && line["path"] == "a")
    };
    assert!(told("run_on_init", "command cannot be started"), "{lines:#?}");
    assert!(told("run_on_available", "command failed"), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.to_string().contains("hunter2")), "{lines:#?}");
}
