//! The servers that are measured.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::http;
use crate::process::Process;

/// Time for a server to start.
const START: Duration = Duration::from_secs(10);

/// A folder that is removed when this is dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("medley-testkit-{}-{number}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn file(&self, name: &str) -> Result<String> {
        Ok(self.0.join(name).to_str().context("the temporary folder's name is not UTF-8")?.to_owned())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's cleaning of its temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Ports of loopback that are free for TCP and UDP now. All are held until the last is found: the operating system may
/// give one that was let go again.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::new();
    for _ in 0..50 + N {
        let tcp = TcpListener::bind(("127.0.0.1", 0))?;
        let port = tcp.local_addr()?.port();
        if let Ok(udp) = UdpSocket::bind(("127.0.0.1", port)) {
            held.push((port, tcp, udp));
        }
        if held.len() == N {
            return Ok(std::array::from_fn(|index| held[index].0));
        }
    }
    bail!("no free port")
}

/// A running `medley serve`.
#[derive(Debug)]
pub struct Medley {
    /// The process.
    pub process: Process,
    /// Pages, WHIP and WHEP.
    pub http: SocketAddr,
    /// RTMP.
    pub rtmp: SocketAddr,
    /// RTSP.
    pub rtsp: SocketAddr,
    /// From the start of the process to the first 200 of `/healthz`.
    pub started_in: Duration,
    _folder: Folder,
}

impl Medley {
    /// Starts `binary` on free ports of loopback, open to everybody there, on core `core`.
    ///
    /// # Errors
    /// If it does not serve within ten seconds; with what it logged.
    pub async fn start(binary: &Path, core: Option<usize>) -> Result<Self> {
        Self::start_with(binary, core, "").await
    }

    /// The same with the tables `more` in its configuration.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(binary: &Path, core: Option<usize>, more: &str) -> Result<Self> {
        let folder = Folder::new()?;
        let ports = free_ports::<7>()?;
        let (file, log) = (folder.file("medley.toml")?, folder.file("log")?);
        fs::write(&file, config(&folder.file("data")?, ports) + more)?;
        let begun = Instant::now();
        let process = Process::start(binary, &["serve", "--config", &file], core, File::create(&log)?)?;
        let [http, _, _, rtmp, rtsp, _, _] = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut medley = Self { process, http, rtmp, rtsp, started_in: Duration::ZERO, _folder: folder };
        loop {
            if http::get(medley.http, "/healthz").await.is_ok_and(|answer| answer.status == 200) {
                medley.started_in = begun.elapsed();
                return Ok(medley);
            }
            if begun.elapsed() > START || !medley.process.is_running() {
                bail!("medley does not serve:\n{}", fs::read_to_string(log)?);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn config(data: &str, [http, webrtc, ice, rtmp, rtsp, rtp, rtcp]: [u16; 7]) -> String {
    format!(
        r#"
data_dir = "{data}"
public_hosts = ["127.0.0.1"]
[listen]
http = "127.0.0.1:{http}"
webrtc = "127.0.0.1:{webrtc}"
ice = "127.0.0.1:{ice}"
rtmp = "127.0.0.1:{rtmp}"
rtsp = "127.0.0.1:{rtsp}"
rtp = "127.0.0.1:{rtp}"
rtcp = "127.0.0.1:{rtcp}"
hls = ""
[[auth.user]]
name = "any"
networks = ["127.0.0.0/8"]
publish = ["*"]
read = ["*"]
api = true
[log]
level = "warn"
"#
    )
}

/// Where Debian's libnginx-mod-rtmp puts the module.
const NGINX_MODULE: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";

/// A running nginx with its RTMP module, one worker.
#[derive(Debug)]
pub struct Nginx {
    /// The process.
    pub process: Process,
    /// RTMP; streams are in the application `live`.
    pub rtmp: SocketAddr,
    _folder: Folder,
}

impl Nginx {
    /// Whether it is installed.
    pub fn is_installed() -> bool {
        Path::new(NGINX_MODULE).exists()
    }

    /// Starts it on core `core`.
    ///
    /// # Errors
    /// If it does not listen within ten seconds; with what it logged.
    pub async fn start(core: Option<usize>) -> Result<Self> {
        let folder = Folder::new()?;
        let [port] = free_ports()?;
        let rtmp = SocketAddr::from(([127, 0, 0, 1], port));
        let (file, log) = (folder.file("nginx.conf")?, folder.file("log")?);
        let (pid, errors) = (folder.file("pid")?, folder.file("errors")?);
        let text = format!(
            "load_module {NGINX_MODULE};\ndaemon off;\nmaster_process off;\npid {pid};\nerror_log {errors} warn;\n\
             worker_rlimit_nofile 8192;\nevents {{ worker_connections 4096; }}\n\
             rtmp {{ access_log off; server {{ listen {rtmp}; application live {{ live on; }} }} }}\n"
        );
        fs::write(&file, text)?;
        let prefix = folder.file("")?;
        let arguments = ["-p", &prefix, "-e", &errors, "-c", &file];
        let mut process =
            Process::start(Path::new("/usr/sbin/nginx"), &arguments, core, File::create(&log)?)?;
        let begun = Instant::now();
        while tokio::net::TcpStream::connect(rtmp).await.is_err() {
            if begun.elapsed() > START || !process.is_running() {
                bail!("nginx does not serve:\n{}", fs::read_to_string(log)?);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Self { process, rtmp, _folder: folder })
    }
}
