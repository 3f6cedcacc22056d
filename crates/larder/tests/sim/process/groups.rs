//! Invalidations of groups.

use larder::{Error, Strength};

use super::open::{About, Open};
use super::script::Patience;
use super::{Process, TENANT};
use crate::check::End;
use crate::groups::{Group, Tag};
use crate::rng::Rng;

impl Process {
    /// Of tags mostly: whatever is coarser leaves little that could be wrong afterwards.
    pub(super) async fn invalidate(&self, rng: &mut Rng, patience: Patience) {
        let tags = Tag::of_key(rng.index(self.plan.keys));
        let strength = rng.pick(&[Strength::Remove, Strength::Remove, Strength::Expire]);
        let groups = match rng.index(12) {
            _ if rng.percent(self.plan.focus) => vec![Group::Tag(Tag::of_key(0)[0])],
            0..=4 => vec![Group::Tag(tags[0])],
            5 => tags.map(Group::Tag).to_vec(),
            6 => vec![Group::TagOfTenant(tags[0])],
            7 => vec![Group::Cache],
            8 => vec![Group::CacheOfTenant],
            9 => vec![Group::Tenant],
            10 => vec![Group::Untenanted],
            _ => vec![Group::All],
        };
        // There is no weaker form of clearing what has no tenant.
        let strength = match groups[..] {
            [Group::Untenanted] => Strength::Remove,
            _ => strength,
        };
        let open = self.open_groups(&groups, strength);
        if let Some(done) = patience.grant(self.call_of(&groups, strength)).await {
            open.end(&done.map_or(End::Refused, |()| End::Wrote));
        }
    }

    /// A group that is cleared when nothing is in the way, for the end of a history.
    pub(crate) async fn clear(&self, group: Group) {
        let open = self.open_groups(&[group], Strength::Remove);
        let done = self.call_of(&[group], Strength::Remove).await;
        open.end(match &done {
            Ok(()) => &End::Wrote,
            Err(_) => &End::Refused,
        });
        if let Err(error) = done {
            let text = format!("clearing {group:?} fails when all is well: {error}");
            self.world.state().check.fail(None, text);
        }
    }

    fn open_groups(&self, groups: &[Group], strength: Strength) -> Open<'_> {
        let mut state = self.world.state();
        let call = state.check.begin_group(self.number, groups, strength);
        state.note(Some(self.number), None, || {
            format!("group call {call}: {strength:?} {groups:?}")
        });
        Open {
            process: self,
            call,
            about: About::Groups,
            ended: false,
        }
    }

    async fn call_of(&self, groups: &[Group], strength: Strength) -> Result<(), Error> {
        let (larder, cache) = (&self.larder, &self.cache);
        match (groups, strength) {
            ([Group::Untenanted], _) => larder.clear_untenanted().await.map(drop),
            ([Group::All], Strength::Remove) => larder.clear().await.map(drop),
            ([Group::All], _) => larder.invalidate(strength).await,
            ([Group::Tenant], _) => larder.tenant(TENANT).invalidate(strength).await,
            ([Group::Cache], Strength::Remove) => cache.clear().await.map(drop),
            ([Group::Cache], _) => cache.invalidate(strength).await,
            ([Group::CacheOfTenant], _) => cache.tenant(TENANT).invalidate(strength).await,
            ([Group::Tag(tag)], Strength::Remove) => larder.invalidate_tag(tag).await,
            ([Group::TagOfTenant(tag)], _) => {
                let larder = larder.tenant(TENANT);
                larder.invalidate_tags([tag], strength).await
            }
            (tags, _) => {
                let tags = tags.iter().filter_map(|group| match group {
                    Group::Tag(tag) => Some(*tag),
                    _ => None,
                });
                larder.invalidate_tags(tags, strength).await
            }
        }
    }
}
