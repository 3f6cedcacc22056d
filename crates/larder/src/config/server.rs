//! The server's part of the validation: how a URL goes together with what stands beside it.

use super::secret::Secret;
use super::server_url::{Place, ServerUrl};
use super::validate::Validation;
use super::variables::{self as var, Setting};
use super::{Address, ServerConfig, defaults, parse};

/// A URL that counts, and where it was given.
struct NamedUrl {
    source: &'static str,
    in_code: bool,
    /// `None` where it was wrong.
    url: Option<ServerUrl>,
}

/// Where the server is and as whom to log in, as far as it was given.
#[derive(Default)]
struct Parts {
    host: Option<String>,
    port: Option<u16>,
    database: Option<u32>,
    username: Option<String>,
}

struct Target {
    address: Address,
    database: Option<u32>,
    username: Option<String>,
}

impl Validation<'_> {
    pub(super) fn server(&mut self) -> ServerConfig {
        let url = self.url();
        let target = match &url {
            Some(named) => self.target_of_url(named),
            None => self.parts(false).into_target(),
        };
        ServerConfig {
            address: target.address,
            database: target.database.unwrap_or(defaults::DATABASE),
            username: target.username,
            password: self.password(url),
            connections: self
                .read(&var::CONNECTIONS, parse::connections)
                .unwrap_or(defaults::CONNECTIONS),
            retry_on_timeout: self
                .read(&var::RETRY_ON_TIMEOUT, parse::boolean)
                .unwrap_or(defaults::RETRY_ON_TIMEOUT),
            timeout: self
                .read(&var::TIMEOUT, parse::timeout)
                .unwrap_or(defaults::TIMEOUT),
        }
    }

    fn url(&mut self) -> Option<NamedUrl> {
        let given = self.first(&var::URL)?;
        // A host in code names another server than the environment's URL, whose password then is
        // not for it either.
        if !given.in_code && self.settings.has(var::HOST.method) {
            return None;
        }
        let not_unicode = || Err(var::URL.allowed.to_owned());
        let url = match given.text.map_or_else(not_unicode, ServerUrl::parse) {
            Ok(url) => Some(url),
            Err(expected) => {
                self.problem(&var::URL, given, expected);
                None
            }
        };
        Some(NamedUrl {
            source: given.source,
            in_code: given.in_code,
            url,
        })
    }

    /// A URL is taken whole: beside it, variables of its parts do not count, and what code sets
    /// does.
    fn target_of_url(&mut self, named: &NamedUrl) -> Target {
        let code = self.parts(true);
        let Some(url) = &named.url else {
            return Parts::default().into_target();
        };
        let address = match &url.place {
            Place::Tcp { host, port, tls } => {
                self.agree(&var::HOST, code.host.as_ref(), Some(host), named.source);
                let port = self.beside(&var::PORT, code.port, *port, named);
                let port = port.unwrap_or(defaults::PORT);
                Address::Tcp {
                    host: host.clone(),
                    port,
                    tls: *tls,
                }
            }
            Place::Unix { path } => {
                self.absent(&var::HOST, code.host.is_some(), named.source);
                self.absent(&var::PORT, code.port.is_some(), named.source);
                Address::Unix { path: path.clone() }
            }
        };
        Target {
            address,
            database: self.beside(&var::DATABASE, code.database, url.database, named),
            username: self.beside(&var::USERNAME, code.username, url.username.clone(), named),
        }
    }

    fn parts(&mut self, only_code: bool) -> Parts {
        Parts {
            host: self.read_part(&var::HOST, only_code, parse::host),
            port: self.read_part(&var::PORT, only_code, parse::port),
            database: self.read_part(&var::DATABASE, only_code, parse::database),
            username: self.read_part(&var::USERNAME, only_code, parse::text),
        }
    }

    /// Code replaces a part of the environment's URL, and fills what a URL in code leaves out.
    fn beside<T: PartialEq>(
        &mut self,
        setting: &'static Setting,
        code: Option<T>,
        in_url: Option<T>,
        named: &NamedUrl,
    ) -> Option<T> {
        if named.in_code {
            self.agree(setting, code.as_ref(), in_url.as_ref(), named.source);
        }
        code.or(in_url)
    }

    fn agree<T: PartialEq>(
        &mut self,
        setting: &'static Setting,
        code: Option<&T>,
        in_url: Option<&T>,
        source: &str,
    ) {
        let differ = code.zip(in_url).is_some_and(|(code, url)| code != url);
        self.absent(setting, differ, source);
    }

    fn absent(&mut self, setting: &'static Setting, is_wrong: bool, source: &str) {
        if let Some(given) = self.first(setting).filter(|_| is_wrong) {
            self.problem(setting, given, format!("what {source} says, or nothing"));
        }
    }

    /// One password from up to three places, which have to agree. One from code makes the
    /// environment's not count.
    fn password(&mut self, url: Option<NamedUrl>) -> Option<Secret> {
        let in_url = url.and_then(|named| {
            let password = named.url?.password?;
            Some((named.source, named.in_code, password))
        });
        let only_code = self.settings.has(var::PASSWORD.method)
            || in_url.as_ref().is_some_and(|(_, in_code, _)| *in_code);
        let mut chosen = in_url
            .filter(|(_, in_code, _)| *in_code || !only_code)
            .map(|(source, _, password)| (source, password));
        for setting in [&var::PASSWORD, &var::API_KEY] {
            let given = self
                .first(setting)
                .filter(|given| given.in_code || !only_code);
            let Some(given) = given else { continue };
            let password = self.check(setting, given, parse::text).map(Secret::new);
            match (&chosen, password) {
                (None, Some(password)) => chosen = Some((given.source, password)),
                (Some((source, same)), Some(password)) if *same != password => {
                    let expected = format!("the same password as {source} has, or nothing");
                    self.problem(setting, given, expected);
                }
                _ => {}
            }
        }
        chosen.map(|(_, password)| password)
    }
}

impl Parts {
    fn into_target(self) -> Target {
        let host = self.host.unwrap_or_else(|| defaults::HOST.to_owned());
        let port = self.port.unwrap_or(defaults::PORT);
        Target {
            address: Address::Tcp {
                host,
                port,
                tls: false,
            },
            database: self.database,
            username: self.username,
        }
    }
}
