//! Puts a larder together: configuration, remote, clock.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::{Inner, Larder};
use crate::config::{Backend, Config};
use crate::error::Error;
use crate::load::{Recovery, Watch};
use crate::remote::{NoRemote, Observer, Pushes, Remote, RemoteState};
use crate::scope::Scopes;
use crate::space::Shared;
use crate::telemetry::{self, Invalidations};
use crate::tenant::{Accounts, TenantOptions};
use crate::time::Clock;

/// What a call grants to its remote work where no server is configured (a remote given in code).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(4);

/// How long what is known of changes counts after the server's last answer.
const TRUST: Duration = Duration::from_secs(1);

/// Builds a [`Larder`] of given parts.
#[derive(Debug, Default)]
#[must_use = "a larder is built by `build()`"]
pub struct LarderBuilder {
    config: Option<Config>,
    remote: Option<Arc<dyn Remote>>,
    clock: Clock,
    tenants: TenantOptions,
}

impl LarderBuilder {
    /// The configuration. The default is [`Config::builder`]'s: in memory.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// The remote tier, in place of the configuration's backend.
    pub fn remote(mut self, remote: impl Remote) -> Self {
        self.remote = Some(Arc::new(remote));
        self
    }

    /// The clock, for tests that move time by hand.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// What each tenant has for which [`Larder::configure_tenant`] says nothing else. Beyond a thousand
    /// tenants, those that come later have the times alone: no share and no limit of their own.
    pub fn tenants(mut self, each: TenantOptions) -> Self {
        self.tenants = each;
        self
    }

    /// Builds the larder, and waits for the end of the first attempt to connect.
    ///
    /// # Errors
    /// As [`Larder::from_env`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn build(self) -> Result<Larder, Error> {
        self.tenants.check(None)?;
        let config = match self.config {
            Some(config) => config,
            None => Config::builder().build()?,
        };
        let enabled = config.enabled && (config.backend != Backend::None || self.remote.is_some());
        #[cfg(feature = "valkey")]
        let mut valkey = None;
        let remote: Arc<dyn Remote> = match (self.remote, &config.server) {
            (Some(remote), _) => remote,
            (None, None) => Arc::new(NoRemote),
            #[cfg(feature = "valkey")]
            (None, Some(server)) => {
                use crate::remote::valkey::Valkey;
                let connected = Arc::new(Valkey::connect(server, self.clock.clone()).await?);
                valkey = Some(Arc::clone(&connected));
                connected
            }
            #[cfg(not(feature = "valkey"))]
            (None, Some(_)) => {
                return Err(Error::FeatureMissing {
                    feature: "valkey",
                    what: format!("backend {:?}", config.backend),
                });
            }
        };
        let timeout = config
            .server
            .as_ref()
            .map_or(DEFAULT_TIMEOUT, |s| s.timeout);
        let remote = telemetry::timed(remote);
        let watch = Arc::new(Watch::new(self.clock.clone(), TRUST));
        let scopes = Scopes::new(config.prefix.clone(), Arc::clone(&watch));
        watch.tells(&scopes);
        let recovery = if enabled && remote.stores() {
            let observer: Weak<dyn Observer> = Arc::<Watch>::downgrade(&watch);
            watch.told(remote.watch(&config.prefix, observer));
            // So that the first values that are read may be kept. Past the timeout they are not.
            let _ = tokio::time::timeout(timeout, watch.settled()).await;
            Some(Recovery::new(
                Arc::clone(&remote),
                Handle::current(),
                timeout,
            ))
        } else {
            // Nobody else writes.
            watch.told(Pushes::AtOnce);
            None
        };
        let shared = Arc::new(Shared {
            recovery,
            enabled,
            accounts: Arc::new(Accounts::new(self.tenants)),
            prefix: config.prefix.clone(),
            clock: self.clock,
            watch,
            scopes,
            local: Mutex::default(),
            remote,
            timeout,
            gate: Arc::default(),
            runtime: Handle::current(),
            sweeper: Arc::default(),
            invalidations: Invalidations::default(),
        });
        let larder = Larder {
            inner: Arc::new(Inner {
                config,
                shared,
                open: Mutex::default(),
                #[cfg(feature = "macros")]
                remembered: parking_lot::RwLock::default(),
                #[cfg(feature = "valkey")]
                valkey,
            }),
            tenant: Ok(None),
        };
        if larder.inner.config.require_remote {
            larder.require_remote().await?;
        }
        #[cfg(feature = "metrics")]
        larder.export();
        Ok(larder)
    }
}

impl Larder {
    async fn require_remote(&self) -> Result<(), Error> {
        let remote = self.health().await.remote;
        if remote.state == RemoteState::Up {
            return Ok(());
        }
        self.close().await;
        Err(Error::RemoteRequired {
            reason: remote
                .last_error
                .unwrap_or_else(|| format!("{} is {:?}", remote.address, remote.state)),
        })
    }
}
