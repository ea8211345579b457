//! The credentials of old, which stood beside each path: `publishUser`, `readPass` and their like.

use super::{Door, localhost};
use crate::import::Context;
use crate::import::paths::PathEntry;
use crate::import::report::{Kind, Origin};
use crate::import::value::{Words, networks};

/// The doors of `publishUser`, `readUser` and their like, as `Conf.Validate` makes them; `None` if no path has any.
pub(super) fn doors(paths: &[PathEntry], context: &mut Context<'_>) -> Option<Vec<Door>> {
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
    let networks = path.keys.read_or(ips, &networks(), Vec::new(), context);
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
