//! `authInternalUsers`: who, with what, from where, and what they may do.

use crate::config::rule::Choice;

use super::{Door, patterns};
use crate::import::Context;
use crate::import::keys::{PERMISSION, USER};
use crate::import::mapping::Mapping;
use crate::import::paths::PathEntry;
use crate::import::report::{Kind, Origin};
use crate::import::value::{Words, networks};

/// The doors of all users.
pub(super) fn doors(root: &Mapping, paths: &[PathEntry], context: &mut Context<'_>) -> Vec<Door> {
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
        context.refuse(&Origin { key: format!("{}.{key}", user.origin.key), place }, message);
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
            context.missing(permission, "action");
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
    for pattern in patterns::permitted(&path, action.value == "publish", permission, paths, context) {
        if !list.contains(&pattern) {
            list.push(pattern);
        }
    }
    Some(action.value)
}
