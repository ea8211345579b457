//! What hostile peers cost in memory; alone in its process, whose size is what is measured.
#![cfg(target_os = "linux")]

mod support;

use bytes::BytesMut;
use rtmp::chunk::{Header, put_message};
use rtmp::message::kind;
use support::Raw;

#[test]
fn promises_cost_what_was_sent() {
    let virtual_memory = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmSize:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
    };
    let before = virtual_memory();
    // 200 connections with 60 promises of 5 MiB each: 60 GB if they were believed.
    let promises: Vec<u8> = (3..63)
        .flat_map(|chunk_stream| {
            let mut out = BytesMut::new();
            let header = Header { chunk_stream, kind: kind::VIDEO, stream: 1, timestamp: 0 };
            put_message(&mut out, 128, &header, &[0; 1000][..]);
            out.truncate(12 + 128);
            out[4..7].copy_from_slice(&[0x50, 0, 0]);
            out
        })
        .collect();
    let mut connections: Vec<Raw> = (0..200).map(|_| Raw::publisher()).collect();
    connections.iter_mut().for_each(|raw| raw.input(&promises).unwrap());
    let grown = virtual_memory().saturating_sub(before);
    assert!(grown < 1024, "{grown} MiB for {} connections", connections.len());
}
