//! A configuration in words, for `medley check` and for the log at start.

use std::fmt::{self, Write as _};

use super::checked::Config;
use super::schema::{Listener, Transport};
use super::user::{Identity, User};

impl Config {
    /// What the operator should know about a configuration that is valid all the same. Names no user.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.users.is_empty() {
            warnings.push("there is no [[auth.user]]: nobody may publish, read or use the API".to_owned());
        }
        let open = |user: &&User| {
            user.identity == Identity::Any && user.networks.iter().any(|network| network.prefix_len() == 0)
        };
        for user in self.users.iter().filter(open) {
            for (doors, may) in [(&user.publish, "publish"), (&user.read, "read")] {
                if !doors.is_empty() {
                    warnings.push(format!(
                        "everybody may {may} without a password, from everywhere: {}",
                        words(doors)
                    ));
                }
            }
            if user.api {
                warnings.push("everybody may use the API without a password, from everywhere".to_owned());
            }
        }
        for (name, address) in [("api", self.listen.api), ("metrics", self.listen.metrics)] {
            if address.is_some() && !self.users.iter().any(|user| user.api) {
                warnings.push(format!("listen.{name} is set and no user has api = true"));
            }
        }
        let in_tls = |listener: &Listener| listener.address.is_some() && self.tls.covers(listener.name);
        if self.tls.certificate.is_some() && !self.listen.listeners().iter().any(in_tls) {
            warnings.push("tls.certificate is set and no listener speaks TLS".to_owned());
        }
        let ignored = self.ignored_variables().iter();
        warnings
            .extend(ignored.map(|name| format!("the environment's {name} sets no known key and is ignored")));
        warnings
    }

    /// What would listen and who may do what, in lines. Names users: for the operator's terminal, not for a log.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        self.write_summary(&mut text).expect("a String takes all that is written");
        text
    }

    fn write_summary(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "Listens:")?;
        let listeners = self.listen.listeners();
        let open = |listener: &&Listener| listener.address.is_some();
        for Listener { name, address, transport, .. } in listeners.iter().filter(open) {
            let transport = match transport {
                Transport::Tcp if self.tls.covers(name) => "TCP, TLS",
                Transport::Tcp => "TCP",
                Transport::Udp => "UDP",
                Transport::UdpAndTcp => "UDP and TCP",
            };
            let address = address.map(|address| address.to_string()).unwrap_or_default();
            writeln!(text, "  {name:<8} {address:<21} {transport}")?;
        }
        let off: Vec<_> = listeners.iter().filter(|one| one.address.is_none()).map(|one| one.name).collect();
        if !off.is_empty() {
            writeln!(text, "  off: {}", off.join(", "))?;
        }
        if !self.users.is_empty() {
            writeln!(text, "Access:")?;
        }
        for user in &self.users {
            let name = match &user.identity {
                Identity::Any => "any (no password)",
                Identity::Named { name, .. } => name.reveal(),
            };
            let api = if user.api { "; API" } else { "" };
            let (publish, read) = (words(&user.publish), words(&user.read));
            writeln!(text, "  {name} from {}: publish {publish}; read {read}{api}", words(&user.networks))?;
        }
        if !self.paths.is_empty() {
            writeln!(text, "Paths:")?;
        }
        for rules in &self.paths {
            writeln!(text, "  {rules}")?;
        }
        let commands = [
            (self.hooks.run_on_connect.is_some(), "on_connect"),
            (self.hooks.run_on_disconnect.is_some(), "on_disconnect"),
        ];
        let commands: Vec<_> = commands.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        if !commands.is_empty() {
            writeln!(text, "Commands for connections: {}", commands.join(", "))?;
        }
        for (key, variable) in self.overrides() {
            writeln!(text, "Set by the environment: {key} ({variable})")?;
        }
        for warning in self.warnings() {
            writeln!(text, "Note: {warning}")?;
        }
        Ok(())
    }
}

fn words<T: fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "nothing".to_owned();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
