//! The binary under test, started and asked.
#![allow(dead_code, reason = "each suite uses a part of it")]

pub(crate) mod feed;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

pub(crate) fn medley() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    // The variables of whoever runs the tests must not decide them.
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MEDLEY_")) {
        command.env_remove(name);
    }
    command.current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command
}

pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
pub(crate) fn outcome(output: &Output, code: i32) -> (String, String) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    (stdout, stderr)
}

/// A running server, killed at the end of the test.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    addresses: Vec<(String, SocketAddr)>,
}

pub(crate) const ANY_PORT: &str = "public_hosts = [\"127.0.0.1\"]\n[listen]\nhttp = \"127.0.0.1:0\"\nwebrtc = \"127.0.0.1:0\"\n\
     ice = \"127.0.0.1:0\"\nrtmp = \"127.0.0.1:0\"\nrtsp = \"127.0.0.1:0\"\nrtp = \"127.0.0.1:0\"\n\
     rtcp = \"127.0.0.1:0\"\nhls = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n";

impl Running {
    pub(crate) fn start(name: &str, users: &str) -> Self {
        Self::start_from(name, &format!("{ANY_PORT}{users}"), &["http", "rtmp", "rtsp"])
    }

    /// Starts it with the configuration `text` and waits until `listeners` listen and everything is served, which is an
    /// instant after the log says "listening".
    pub(crate) fn start_from(name: &str, text: &str, listeners: &[&str]) -> Self {
        let path = file(name, text);
        let mut child =
            medley().arg("serve").arg("--config").arg(path).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut running = Self { child, log, addresses: Vec::new() };
        while listeners.iter().any(|name| running.address(name).is_none()) {
            let line = running.line().expect("the server ended before it listened");
            if line["message"] == "listening" {
                let word = |key: &str| line[key].as_str().unwrap().to_owned();
                running.addresses.push((word("listener"), word("address").parse().unwrap()));
            }
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while running.address("http").is_some() && running.get("/healthz").contains("\"starting\"") {
            assert!(Instant::now() < deadline, "still starting");
        }
        running
    }

    pub(crate) fn line(&mut self) -> Option<serde_json::Value> {
        let mut line = String::new();
        let length = self.log.read_line(&mut line).unwrap();
        (length > 0).then(|| serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}")))
    }

    pub(crate) fn address(&self, name: &str) -> Option<SocketAddr> {
        self.addresses.iter().find(|(known, _)| known == name).map(|(_, address)| *address)
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.ask("http", &format!("GET {path}"), "")
    }

    /// Sends a request with its header lines to a listener; gives all of the answer.
    pub(crate) fn ask(&self, listener: &str, request: &str, headers: &str) -> String {
        let mut stream = self.connect(listener);
        // A stream that has just begun is waited for.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits for the end; gives its exit code and the lines logged since.
    pub(crate) fn ended(mut self) -> (Option<i32>, Vec<serde_json::Value>) {
        let mut lines = Vec::new();
        while let Some(line) = self.line() {
            lines.push(line);
        }
        (self.child.wait().unwrap().code(), lines)
    }
}

impl Running {
    /// A figure by its whole name; a gauge may be told with a decimal point.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let page = self.get("/metrics");
        let mut values = page.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        values.next().unwrap_or_else(|| panic!("no {name} in {page}")) as u64
    }

    /// Waits for a figure; it is counted an instant after the connection ends.
    pub(crate) fn comes_to(&self, name: &str, value: u64) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.metric(name) != value {
            assert!(Instant::now() < deadline, "{name} is {} instead of {value}", self.metric(name));
        }
    }

    pub(crate) fn connect(&self, listener: &str) -> TcpStream {
        let stream = TcpStream::connect(self.address(listener).unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    /// Ends the server and looks for a line; none of all may hold an address of a client.
    pub(crate) fn logged(self, wanted: &str) {
        self.signal("-TERM");
        let (code, lines) = self.ended();
        assert_eq!(code, Some(0));
        let own = |line: &&serde_json::Value| line["message"] != "listening";
        let lines: Vec<_> = lines.iter().filter(own).map(ToString::to_string).collect();
        assert!(lines.iter().any(|line| line.contains(wanted)), "{wanted}: {lines:#?}");
        assert!(lines.iter().all(|line| !line.contains("127.0.0.1")), "{lines:#?}");
    }
}

/// How long the server keeps a connection that says nothing more, and whether it ends.
pub(crate) fn closed_after(stream: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    let mut answer = Vec::new();
    // A reset ends it as well as a close does.
    let _ = stream.read_to_end(&mut answer);
    assert!(begun.elapsed() < Duration::from_secs(4), "still open");
    begun.elapsed()
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) const EVERYBODY_HERE: &str =
    "[[auth.user]]\nname = \"any\"\nnetworks = [\"127.0.0.0/8\"]\nread = [\"*\"]\napi = true\n";

/// ffmpeg as a publisher.
pub(crate) mod ffmpeg {
    use std::net::SocketAddr;
    use std::process::{Child, Command, Stdio};

    /// An ffmpeg that is killed at the end of the test.
    #[derive(Debug)]
    pub(crate) struct Publisher(Child);

    impl Publisher {
        pub(crate) fn wait(&mut self) -> std::io::Result<std::process::ExitStatus> {
            self.0.wait()
        }
    }

    impl Drop for Publisher {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Publishes a test picture and a tone by RTMP for so many seconds, in real time: 30 pictures a second, a GOP of
    /// 2 s, AAC.
    pub(crate) fn publish(server: SocketAddr, path: &str, seconds: u32) -> Publisher {
        publish_at(server, path, seconds, "1M")
    }

    /// The same with noise of `rate` bits a second.
    pub(crate) fn publish_at(server: SocketAddr, path: &str, seconds: u32, rate: &str) -> Publisher {
        run(seconds, rate, &["-c:a", "aac", "-f", "flv", &format!("rtmp://{server}/{path}")])
    }

    /// Publishes the same picture with the sound and to the place that `output` says.
    pub(crate) fn publish_as(seconds: u32, output: &[&str]) -> Publisher {
        run(seconds, "1M", output)
    }

    fn run(seconds: u32, rate: &str, output: &[&str]) -> Publisher {
        let picture = "testsrc=s=640x480:r=30,noise=alls=40:allf=t";
        let input = ["-re", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=f=440:r=48000"];
        let video =
            ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "60", "-b:v", rate];
        let child = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error"])
            .args(input)
            .args(["-t", &seconds.to_string()])
            .args(video)
            .args(["-pix_fmt", "yuv420p"])
            .args(output)
            .stdin(Stdio::null())
            .spawn();
        Publisher(child.expect("scripts/setup installs ffmpeg"))
    }
}
