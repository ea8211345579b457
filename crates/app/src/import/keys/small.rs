//! The keys of users, permissions and ICE servers.

use super::{Group, Key, ignored, shapes};

pub(crate) const USER: &[Group] = &[Group { title: "Each of `authInternalUsers`", keys: USERS }];

const USERS: &[Key] = &[
    shapes("user", "`auth.user.name`; `any` is the same; a name that is a hash stands as a comment"),
    shapes(
        "pass",
        "`auth.user.password`: a plain one is hashed, `argon2:` is taken as it is; `sha256:` cannot be, and the user stands as a comment",
    ),
    shapes("ips", "`auth.user.networks`"),
    shapes("permissions", "`auth.user.publish`, `read` and `api`"),
];

pub(crate) const PERMISSION: &[Group] = &[Group { title: "Each of `permissions`", keys: PERMISSIONS }];

const PERMISSIONS: &[Key] = &[
    shapes(
        "action",
        "`publish`, `read`; `api` and `metrics` are both `api = true`; `playback` and `pprof` have nothing to permit",
    ),
    shapes("path", "the pattern in `publish` or `read`; an empty one stands for what `paths` has"),
];

pub(crate) const ICE_SERVER: &[Group] = &[Group { title: "Each of `webrtcICEServers2`", keys: ICE_SERVERS }];

const ICE_SERVERS: &[Key] = &[
    shapes("url", "`stun:HOST:PORT`, `turn:HOST:PORT`"),
    shapes("username", "a part of the URL; `AUTH_SECRET` has no counterpart, and the server is left out"),
    shapes("password", "a part of the URL"),
    ignored("clientOnly", "false", "servers are for browsers only"),
];
