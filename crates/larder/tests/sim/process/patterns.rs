//! Removals by pattern.

use super::open::{About, Open};
use super::script::Patience;
use super::{Process, TENANT};
use crate::check::End;
use crate::groups::tenant_of;
use crate::rng::Rng;

impl Process {
    /// Of one key, or of all that there are: each is one digit.
    pub(super) async fn remove_matching(&self, rng: &mut Rng, patience: Patience) {
        let (of_tenant, one) = (rng.percent(30), rng.percent(50));
        let one = Some(rng.index(self.plan.keys)).filter(|_| one);
        let pattern = one.map_or("?".to_owned(), |key| format!("{key}*"));
        let mut keys: Vec<usize> = (0..self.plan.keys).collect();
        keys.retain(|key| one.is_none_or(|one| one == *key));
        keys.retain(|key| !of_tenant || tenant_of(*key).is_some());
        let cache = if of_tenant {
            self.cache.tenant(TENANT)
        } else {
            self.cache.clone()
        };
        let open = self.open_pattern(&keys, &pattern);
        if let Some(done) = patience.grant(cache.remove_matching(&pattern)).await {
            open.end(&done.map_or(End::Refused, |_| End::Wrote));
        }
    }

    fn open_pattern(&self, keys: &[usize], pattern: &str) -> Open<'_> {
        let mut state = self.world.state();
        let call = state.check.begin_pattern(self.number, keys);
        state.note(Some(self.number), None, || {
            format!("pattern call {call}: {pattern} which is {keys:?}")
        });
        Open {
            process: self,
            call,
            about: About::Pattern,
            ended: false,
        }
    }
}
