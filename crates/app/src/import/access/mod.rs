//! Who may do what: `authInternalUsers` and the credentials of old become `[[auth.user]]`.
//!
//! MediaMTX lets everybody in until it is closed, and Medley nobody until it is opened. So an entry that opens the
//! server to everybody from everywhere is written as a comment, and so is every user whose password cannot be verified
//! here.

mod old;
mod password;
mod patterns;
mod users;

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::config::rule::Choice;

use super::Context;
use super::draft::{Block, list, quoted};
use super::mapping::Mapping;
use super::paths::PathEntry;
use super::report::{Kind, Origin};

/// The most users: each costs one run of argon2.
const USERS: usize = 1_000;

/// Writes `[[auth.user]]`.
pub(super) fn write(root: &Mapping, paths: &[PathEntry], context: &mut Context<'_>) {
    const METHODS: &[(&str, &str)] = &[("internal", "internal"), ("http", "http"), ("jwt", "jwt")];
    let method = root.read("authMethod", &Choice(METHODS), context);
    if let Some(method) = method.filter(|method| method.value != "internal") {
        let text = "another server decides there who may do what, which is not here: nobody gets in until \
                    [[auth.user]] says who";
        context.report.note(Kind::Decide, &method.origin, text);
        return;
    }
    let doors = match old::doors(paths, context) {
        Some(_) if root.has("authInternalUsers") => {
            let origin = root.origin_of("authInternalUsers");
            let message = "stands beside publishUser, readUser and their like; accepted: one of the two";
            context.refuse(&origin, message);
            return;
        }
        Some(doors) => doors,
        None if root.has("authInternalUsers") => users::doors(root, paths, context),
        None => default_doors(paths),
    };
    if doors.len() > USERS {
        let origin = root.origin_of("authInternalUsers");
        let message = format!("found {} users; accepted: {USERS} at most", doors.len());
        context.refuse(&origin, message);
    }
    // Hashing takes its time, and nothing is written anyway.
    if !context.problems.is_empty() {
        return;
    }
    if paths.is_empty() {
        let text = "there is no entry: MediaMTX has no stream then, and nobody may publish or read here";
        context.report.note(Kind::Decide, &root.origin_of("paths"), text);
    }
    let mut hashes = BTreeMap::new();
    for door in doors {
        write_door(door, &mut hashes, context);
    }
}

/// What MediaMTX has when nothing is written.
fn default_doors(paths: &[PathEntry]) -> Vec<Door> {
    let origin = Origin::default_of("authInternalUsers");
    let mut everybody = Door::new(origin.clone(), "any".into(), String::new(), Vec::new());
    everybody.publish = patterns::everything(paths, true);
    everybody.read = patterns::everything(paths, false);
    vec![everybody, localhost(origin)]
}

fn localhost(origin: Origin) -> Door {
    let networks = ["127.0.0.1/32", "::1/128"].iter().filter_map(|text| text.parse().ok()).collect();
    Door { api: true, ..Door::new(origin, "any".into(), String::new(), networks) }
}

/// Writes a door, or what would be one as a comment.
fn write_door(door: Door, hashes: &mut BTreeMap<String, String>, context: &mut Context<'_>) {
    if !door.opens_something() {
        let text = if door.name == "any" { "permits nothing here" } else { "the user may do nothing here" };
        context.report.note(Kind::Ignored, &door.origin, text);
        return;
    }
    let origin = door.origin.clone();
    let mut block = Block::entry("auth.user");
    let mut put = |key, value| context.draft.set_in(&mut block, key, value, &origin, &mut context.report);
    put("name", quoted(&door.name));
    let mut off = None;
    if door.name == "any" {
        off = door.is_everywhere().then_some(OPEN);
    } else {
        match password::hash(&door, hashes, context.hash) {
            Ok(hash) => put("password", quoted(&hash)),
            Err(why) => {
                // What stands there shows the form, and is refused until it is replaced.
                put("password", quoted("$argon2id$..."));
                off = Some(why);
            }
        }
    }
    if !door.networks.is_empty() {
        let networks: Vec<_> = door.networks.iter().map(ToString::to_string).collect();
        put("networks", list(&networks));
    }
    put("publish", list(&door.publish));
    put("read", list(&door.read));
    put("api", door.api.to_string());
    if let Some(why) = off {
        context.report.note(Kind::Decide, &origin, why);
        block.turn_off(why);
    }
    context.draft.add(block);
}

const OPEN: &str = "lets in everybody from everywhere, which stands as a comment: name users with passwords, or take \
                    the # away if that is what you want";

/// One entry of `[[auth.user]]` in the making.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Door {
    pub(super) origin: Origin,
    pub(super) name: String,
    /// As MediaMTX has it: plain, `sha256:` or `argon2:`; empty for none.
    pub(super) password: String,
    /// Empty: from everywhere.
    pub(super) networks: Vec<IpNet>,
    pub(super) publish: Vec<String>,
    pub(super) read: Vec<String>,
    pub(super) api: bool,
}

impl Door {
    pub(super) fn new(origin: Origin, name: String, password: String, networks: Vec<IpNet>) -> Self {
        Self { origin, name, password, networks, publish: Vec::new(), read: Vec::new(), api: false }
    }

    fn is_everywhere(&self) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.prefix_len() == 0)
    }

    fn opens_something(&self) -> bool {
        !self.publish.is_empty() || !self.read.is_empty() || self.api
    }
}
