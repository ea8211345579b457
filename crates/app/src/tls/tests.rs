use std::fs;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD as STANDARD, Engine as _};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::files::Doubt;
use super::*;

/// A folder of its own for each test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("medley-tls-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A certificate and its key as PEM.
pub(crate) fn made() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    as_pem(&params, &key)
}

fn as_pem(params: &CertificateParams, key: &KeyPair) -> (String, String) {
    let certificate = params.clone().self_signed(key).unwrap();
    (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", &key.serialize_der()))
}

/// DER as PEM (RFC 7468 §3).
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn files_in(folder: &std::path::Path, certificate: &str, key: &str) -> Files {
    let files = Files { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
    fs::write(&files.certificate, certificate).unwrap();
    fs::write(&files.key, key).unwrap();
    files
}

fn served(tls: &Tls) -> Vec<u8> {
    tls.current.0.read().key.cert[0].to_vec()
}

#[test]
fn what_is_wrong_is_told_with_the_file_and_what_is_accepted() {
    let folder = folder("wrong");
    let ((certificate, key), (_, other_key)) = (made(), made());
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_locked = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let truncated = &certificate[..certificate.len() / 2];
    for (certificate, key, blamed, said) in [
        ("", &*key, "cert.pem", "holds no certificate; accepted: a PEM file"),
        (&*key, &*key, "cert.pem", "holds no certificate"),
        (damaged, &*key, "cert.pem", "its certificate is damaged"),
        (truncated, &*key, "cert.pem", "its certificate is damaged"),
        (&*certificate, "", "key.pem", "holds no private key; accepted: a PEM file"),
        (&*certificate, &*certificate, "key.pem", "holds no private key"),
        (&*certificate, &*other_key, "key.pem", "does not belong to the first certificate in"),
        (&*certificate, locked, "key.pem", "protected by a password"),
        (&*certificate, old_locked, "key.pem", "protected by a password"),
        (&*certificate, &"x".repeat(2 << 20), "key.pem", "has more than 1048576 bytes"),
    ] {
        let error = files_in(&folder, certificate, key).load().unwrap_err();
        let text = error.to_string();
        assert!(text.contains(said) && text.contains(blamed), "{text}");
        assert_eq!(format!("{}.pem", if error.part.key() == "key" { "key" } else { "cert" }), blamed);
    }
    let files = files_in(&folder, &certificate, &key);
    assert!(files.load().is_ok());
    fs::remove_file(&files.key).unwrap();
    assert!(files.load().unwrap_err().to_string().contains("cannot be read"));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_expired_certificate_is_served_with_a_doubt() {
    let folder = folder("expired");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let (certificate, key) = as_pem(&params, &key);
    let loaded = files_in(&folder, &certificate, &key).load().unwrap();
    let days = |days: u64| Duration::from_hours(24 * days);
    let end = loaded.not_after;
    assert_eq!(loaded.doubt(end + days(3)), Some(Doubt::Expired(3)));
    assert_eq!(loaded.doubt(end - days(3)), Some(Doubt::ExpiresSoon(3)));
    assert_eq!(loaded.doubt(end - days(30)), None);
    assert_eq!(loaded.doubt(loaded.not_before - days(2)), Some(Doubt::NotYet(2)));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let folder = folder("renewed");
    let ((first, first_key), (second, second_key)) = (made(), made());
    let tls = Tls::load(files_in(&folder, &first, &first_key)).unwrap();
    let mut watcher = Watcher::new(tls.clone());
    let before = served(&tls);
    let now = SystemTime::now();
    watcher.look(now);
    assert_eq!(served(&tls), before);

    // Only the certificate has come so far.
    fs::write(&tls.files.certificate, &second).unwrap();
    watcher.look(now);
    assert_eq!((served(&tls), watcher.refused.is_some()), (before.clone(), true));
    fs::write(&tls.files.key, &second_key).unwrap();
    watcher.look(now);
    assert_ne!(served(&tls), before);
    assert_eq!((&watcher.refused, &watcher.seen), (&None, &tls.files.stamp()));

    let second = served(&tls);
    fs::write(&tls.files.certificate, "broken").unwrap();
    for _ in 0..3 {
        watcher.look(now);
        assert_eq!(served(&tls), second);
    }
    assert_eq!(watcher.seen, tls.files.stamp(), "told once, then left alone");
    fs::remove_file(&tls.files.certificate).unwrap();
    watcher.look(now);
    assert_eq!(served(&tls), second);
    files_in(&folder, &first, &first_key);
    watcher.look(now);
    assert_eq!(served(&tls), before);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_certificate_behind_the_links_of_a_kubernetes_volume_is_seen_to_change() {
    use std::os::unix::fs::symlink;
    let folder = folder("kubernetes");
    for version in ["1", "2"] {
        let (certificate, key) = made();
        fs::create_dir(folder.join(version)).unwrap();
        files_in(&folder.join(version), &certificate, &key);
    }
    symlink("1", folder.join("..data")).unwrap();
    for name in ["cert.pem", "key.pem"] {
        symlink(format!("..data/{name}"), folder.join(name)).unwrap();
    }
    let files = Files { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
    let tls = Tls::load(files).unwrap();
    let (mut watcher, before) = (Watcher::new(tls.clone()), served(&tls));
    symlink("2", folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    watcher.look(SystemTime::now());
    assert_ne!(served(&tls), before);
    fs::remove_dir_all(folder).unwrap();
}
