//! Who may do what: `authInternalUsers` and the credentials of old become `[[auth.user]]`.
//!
//! MediaMTX lets everybody in until it is closed, and Medley nobody until it is opened. So an entry that opens the
//! server to everybody from everywhere is written as a comment, and so is every user whose password cannot be verified
//! here.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::config::rule::{Choice, List};
use crate::config::{CREDENTIAL_BYTES, PasswordHash, PathPattern};
use media::StreamPath;

use super::Context;
use super::draft::{Block, list, quoted};
use super::keys::{PERMISSION, USER};
use super::mapping::Mapping;
use super::paths::PathEntry;
use super::report::{Kind, Origin};
use super::value::{Words, networks};

/// The most users: each costs one run of argon2.
const USERS: usize = 1_000;

/// One entry of `[[auth.user]]` in the making.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Door {
    origin: Origin,
    name: String,
    /// As MediaMTX has it: plain, `sha256:` or `argon2:`; empty for none.
    password: String,
    /// Empty: from everywhere.
    networks: Vec<IpNet>,
    publish: Vec<String>,
    read: Vec<String>,
    api: bool,
}

impl Door {
    fn new(origin: Origin, name: String, password: String, networks: Vec<IpNet>) -> Self {
        Self { origin, name, password, networks, publish: Vec::new(), read: Vec::new(), api: false }
    }

    fn is_everywhere(&self) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.prefix_len() == 0)
    }

    fn opens_something(&self) -> bool {
        !self.publish.is_empty() || !self.read.is_empty() || self.api
    }
}

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
    let doors = match doors_of_old(paths, context) {
        Some(_) if root.has("authInternalUsers") => {
            let origin = root.origin_of("authInternalUsers");
            let message = "stands beside publishUser, readUser and their like; accepted: one of the two";
            context.problems.add(origin.place, origin.key, message);
            return;
        }
        Some(doors) => doors,
        None if root.has("authInternalUsers") => doors(root, paths, context),
        None => default_doors(paths),
    };
    if doors.len() > USERS {
        let origin = root.origin_of("authInternalUsers");
        let message = format!("found {} users; accepted: {USERS} at most", doors.len());
        context.problems.add(origin.place, origin.key, message);
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
    everybody.publish = everything(paths, true);
    everybody.read = everything(paths, false);
    vec![everybody, localhost(origin)]
}

fn localhost(origin: Origin) -> Door {
    let networks = ["127.0.0.1/32", "::1/128"].iter().filter_map(|text| text.parse().ok()).collect();
    Door { api: true, ..Door::new(origin, "any".into(), String::new(), networks) }
}

fn doors(root: &Mapping, paths: &[PathEntry], context: &mut Context<'_>) -> Vec<Door> {
    let users = root.sections("authInternalUsers", context).unwrap_or_default();
    users
        .into_iter()
        .filter_map(|user| {
            let user = Mapping::open(user.value, USER, user.origin, context);
            door(&user, paths, context)
        })
        .collect()
}

fn door(user: &Mapping, paths: &[PathEntry], context: &mut Context<'_>) -> Option<Door> {
    let name = user.read_or("user", &Words, String::new(), context);
    let password = user.read_or("pass", &Words, String::new(), context);
    let networks = user.read_or("ips", &networks(), Vec::new(), context);
    let permissions = user.sections("permissions", context).unwrap_or_default();
    let wrong = match (name.as_str(), password.as_str()) {
        ("", _) => Some(("user", "missing or empty; accepted: a name, or \"any\" for everybody")),
        ("any", password) if !password.is_empty() => {
            Some(("pass", "\"any\" asks for no password; name the user or leave the password out"))
        }
        _ => None,
    };
    if let Some((key, message)) = wrong {
        let place = if user.has(key) { user.origin_of(key).place } else { user.origin.place.clone() };
        context.problems.add(place, format!("{}.{key}", user.origin.key), message);
        return None;
    }
    let mut door = Door::new(user.origin.clone(), name, password, networks);
    let mut actions = Vec::new();
    for permission in permissions {
        let permission = Mapping::open(permission.value, PERMISSION, permission.origin, context);
        actions.extend(permit(&mut door, &permission, paths, context));
    }
    if actions.contains(&"metrics") && !actions.contains(&"api") {
        let text = "may read the metrics; api = true also permits the API, which `metrics` does not";
        context.report.note(Kind::Different, &user.origin, text);
    }
    Some(door)
}

/// Adds one permission; gives its action.
fn permit(
    door: &mut Door,
    permission: &Mapping,
    paths: &[PathEntry],
    context: &mut Context<'_>,
) -> Option<&'static str> {
    const ACTIONS: &[(&str, &str)] = &[
        ("publish", "publish"),
        ("read", "read"),
        ("playback", "playback"),
        ("api", "api"),
        ("metrics", "metrics"),
        ("pprof", "pprof"),
    ];
    let action = permission.read("action", &Choice(ACTIONS), context);
    let path = permission.read_or("path", &Words, String::new(), context);
    let Some(action) = action else {
        if !permission.has("action") {
            let place = permission.origin.place.clone();
            context.problems.add(place, format!("{}.action", permission.origin.key), "missing");
        }
        return None;
    };
    let list = match action.value {
        "publish" => &mut door.publish,
        "read" => &mut door.read,
        "api" | "metrics" => {
            door.api = true;
            return Some(action.value);
        }
        _ => return Some(action.value),
    };
    for pattern in permitted(&path, action.value == "publish", permission, paths, context) {
        if !list.contains(&pattern) {
            list.push(pattern);
        }
    }
    Some(action.value)
}

/// The patterns that a permission's path stands for. MediaMTX has only the paths of its file; here any path may be
/// published that a user's pattern fits, so patterns are narrowed to those paths.
fn permitted(
    path: &str,
    publish: bool,
    permission: &Mapping,
    paths: &[PathEntry],
    context: &mut Context<'_>,
) -> Vec<String> {
    if path.is_empty() {
        return everything(paths, publish);
    }
    let origin = permission.origin_of("path");
    let expression = path.starts_with('~');
    // A star is no character of MediaMTX's paths.
    let pattern = PathPattern::parse(path).filter(|_| expression || StreamPath::new(path).is_ok());
    let Some(pattern) = pattern else {
        let message = "found no path; accepted: letters, digits and _ - . ~ /, or ~ and a regular expression";
        context.problems.add(origin.place, origin.key, message);
        return Vec::new();
    };
    if paths.iter().any(PathEntry::is_rest) {
        return vec![path.to_owned()];
    }
    let (single, several): (Vec<_>, Vec<_>) = paths
        .iter()
        .filter(|entry| entry.published || !publish)
        .partition(|entry| entry.pattern.literal().is_some());
    let literal = |entry: &&&PathEntry| entry.pattern.literal().is_some_and(|name| pattern.matches(&name));
    if let Some(name) = pattern.literal() {
        if single.iter().chain(&several).any(|entry| entry.pattern.matches(&name)) {
            return vec![path.to_owned()];
        }
        context.report.note(Kind::Ignored, &origin, "no entry of `paths` fits it, so it permits nothing");
        return Vec::new();
    }
    let mut patterns: Vec<_> = single.iter().filter(literal).map(|entry| entry.pattern.to_string()).collect();
    if several.iter().any(|entry| entry.pattern == pattern) {
        patterns.push(path.to_owned());
    } else if !several.is_empty() {
        patterns.push(path.to_owned());
        let text = "permits every path that fits; MediaMTX has only those that fit an entry of `paths` too";
        context.report.note(Kind::Different, &origin, text);
    } else if patterns.is_empty() {
        context.report.note(Kind::Ignored, &origin, "no entry of `paths` fits it, so it permits nothing");
    }
    patterns
}

/// All paths of the file.
fn everything(paths: &[PathEntry], publish: bool) -> Vec<String> {
    if paths.iter().any(PathEntry::is_rest) {
        return vec!["*".to_owned()];
    }
    let usable = paths.iter().filter(|entry| entry.published || !publish);
    usable.map(|entry| entry.pattern.to_string()).collect()
}

/// The doors of `publishUser`, `readUser` and their like, as `Conf.Validate` makes them; `None` if no path has any.
fn doors_of_old(paths: &[PathEntry], context: &mut Context<'_>) -> Option<Vec<Door>> {
    const PUBLISH: [&str; 3] = ["publishUser", "publishPass", "publishIPs"];
    const READ: [&str; 3] = ["readUser", "readPass", "readIPs"];
    let old = |path: &PathEntry| PUBLISH.iter().chain(&READ).any(|key| path.keys.has(key));
    if !paths.iter().any(old) {
        return None;
    }
    let mut doors: Vec<Door> = vec![localhost(Origin::default_of("authInternalUsers"))];
    for path in paths {
        for key in PUBLISH.iter().chain(&READ).filter(|key| path.keys.has(key)) {
            context.report.note(Kind::Old, &path.keys.origin_of(key), "is a user of `authInternalUsers` now");
        }
        for (keys, publish) in [(PUBLISH, true), (READ, false)] {
            if publish && !path.published {
                continue;
            }
            let mut door = door_of_old(path, keys, context);
            let list = if publish { &mut door.publish } else { &mut door.read };
            list.push(path.pattern.to_string());
            merge(&mut doors, door);
        }
    }
    Some(doors)
}

fn door_of_old(path: &PathEntry, [user, pass, ips]: [&str; 3], context: &mut Context<'_>) -> Door {
    let name = path.keys.read_or(user, &Words, String::new(), context);
    let password = path.keys.read_or(pass, &Words, String::new(), context);
    let networks = path.keys.read_or(ips, &List(crate::config::value::network()), Vec::new(), context);
    let name = if name.is_empty() { "any".to_owned() } else { name };
    let origin = if path.keys.has(user) { path.keys.origin_of(user) } else { path.keys.origin.clone() };
    Door::new(origin, name, password, networks)
}

/// Adds a door to one for the same person from the same places, or behind the others.
fn merge(doors: &mut Vec<Door>, door: Door) {
    let same = doors.iter_mut().find(|known| {
        (&known.name, &known.password, &known.networks) == (&door.name, &door.password, &door.networks)
    });
    match same {
        Some(known) => {
            known.publish.extend(door.publish);
            known.read.extend(door.read);
        }
        None => doors.push(door),
    }
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
        match hash(&door, hashes, context.hash) {
            Ok(hash) => put("password", quoted(&hash)),
            Err(why) => {
                // What stands there shows the form, and is refused until it is replaced.
                put("password", quoted("$argon2id$..."));
                off = Some(why);
            }
        }
    }
    if !door.is_everywhere() {
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

/// The argon2 hash of a door's password.
///
/// # Errors
/// Why there is none, without repeating anything.
fn hash(
    door: &Door,
    hashes: &mut BTreeMap<String, String>,
    hash: super::Hash<'_>,
) -> Result<String, &'static str> {
    let hashed = |text: &str| text.starts_with("sha256:") || text.starts_with("argon2:");
    if hashed(&door.name) {
        return Err(
            "the name is a hash, from which it cannot be found out: this [[auth.user]] stands as a comment",
        );
    }
    if let Some(phc) = door.password.strip_prefix("argon2:") {
        let valid = PasswordHash::parse(phc).is_some();
        return valid
            .then(|| phc.to_owned())
            .ok_or("the argon2 hash is damaged: this [[auth.user]] stands as a comment");
    }
    if hashed(&door.password) {
        return Err(
            "the password is a SHA-256, which is not verified here: this [[auth.user]] stands as a comment until \
                    `medley hash-password` has made a hash of the password",
        );
    }
    if door.password.is_empty() {
        return Err("there is no password, so MediaMTX takes any: this [[auth.user]] stands as a comment");
    }
    if door.password.len() > CREDENTIAL_BYTES {
        return Err("the password has more than 256 bytes: this [[auth.user]] stands as a comment");
    }
    if let Some(known) = hashes.get(&door.password) {
        return Ok(known.clone());
    }
    let made = hash(&door.password)
        .ok_or("the password cannot be hashed: this [[auth.user]] stands as a comment")?;
    hashes.insert(door.password.clone(), made.clone());
    Ok(made)
}
