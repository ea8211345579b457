//! The `medley` binary's parts: configuration, access, pages, HTTP, and the commands that put them together.
//!
//! [`cmd`] reads the command line, [`config`] what to run, [`server`] assembles it out of `hub`, `gateway` and
//! `transcode`, runs it and stops it.
#![forbid(unsafe_code)]

pub mod auth;
pub mod cmd;
pub mod config;
pub mod demo;
pub mod figures;
pub mod hooks;
pub mod http;
pub mod import;
pub mod logging;
pub mod pages;
pub mod paths;
pub mod reachable;
pub mod renditions;
pub mod server;
pub mod shutdown;
pub mod tls;
