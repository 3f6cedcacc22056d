//! Groups against a naive model, over random calls, in the process that makes them and in another.

use std::collections::{BTreeMap, HashSet};

use larder::{Cache, Larder, Loaded, Strength};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::common::{Place, eventually, everywhere, secs};

const TENANTS: [Option<&str>; 3] = [None, Some("acme"), Some("other")];
const CACHES: [&str; 2] = ["users", "teams"];
const KEYS: u32 = 4;
const TAGS: [&str; 3] = ["a", "b", "c"];

/// Whose it is, in which cache, and its key.
type Address = (Option<&'static str>, &'static str, u32);

/// One call.
#[derive(Clone, Debug)]
enum Step {
    Set(Address, Vec<&'static str>),
    Load(Address, Vec<&'static str>),
    Remove(Address),
    /// Of all keys but one, of a tenant and a cache.
    SetMany(Address, Vec<&'static str>),
    LoadMany(Address),
    RemoveMany(Address),
    Tags(Option<&'static str>, Vec<&'static str>, Strength),
    ClearCache(Option<&'static str>, &'static str, Strength),
    Clear(Option<&'static str>, Strength),
    ClearUntenanted,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tenant = || prop::sample::select(&TENANTS[..]);
    let cache = || prop::sample::select(&CACHES[..]);
    let tags = || prop::sample::subsequence(TAGS.to_vec(), 0..=2);
    let strength = || prop::sample::select(vec![Strength::Expire, Strength::Remove]);
    let address = || (tenant(), cache(), 0..KEYS);
    let step = prop_oneof![
        4 => (address(), tags()).prop_map(|(at, tags)| Step::Set(at, tags)),
        4 => (address(), tags()).prop_map(|(at, tags)| Step::Load(at, tags)),
        1 => address().prop_map(Step::Remove),
        2 => (address(), tags()).prop_map(|(at, tags)| Step::SetMany(at, tags)),
        2 => address().prop_map(Step::LoadMany),
        1 => address().prop_map(Step::RemoveMany),
        3 => (tenant(), tags(), strength()).prop_map(|(of, tags, how)| Step::Tags(of, tags, how)),
        1 => (tenant(), cache(), strength())
            .prop_map(|(of, cache, how)| Step::ClearCache(of, cache, how)),
        1 => (tenant(), strength()).prop_map(|(of, how)| Step::Clear(of, how)),
        1 => Just(Step::ClearUntenanted),
    ];
    prop::collection::vec(step, 1..24)
}

#[derive(Clone, Debug)]
struct Value {
    text: String,
    tags: Vec<&'static str>,
    is_fresh: bool,
}

/// What is there, as anybody would write it down.
#[derive(Default)]
struct Model {
    values: BTreeMap<Address, Value>,
    writes: usize,
}

impl Model {
    /// What the next write of a key writes.
    fn text(&mut self) -> String {
        self.writes += 1;
        format!("value {}", self.writes)
    }

    fn put(&mut self, at: Address, text: String, tags: &[&'static str]) {
        let value = Value {
            text,
            tags: tags.to_vec(),
            is_fresh: true,
        };
        self.values.insert(at, value);
    }

    fn is_fresh(&self, at: Address) -> bool {
        self.values.get(&at).is_some_and(|value| value.is_fresh)
    }

    fn invalidate(&mut self, how: Strength, of: impl Fn(&Address, &Value) -> bool) {
        match how {
            Strength::Remove => self.values.retain(|at, value| !of(at, value)),
            _ => {
                for (at, value) in &mut self.values {
                    value.is_fresh &= !of(at, value);
                }
            }
        }
    }

    /// The text under each key that has one, and whether it is fresh.
    fn all(&self) -> BTreeMap<Address, (String, bool)> {
        let seen = |(at, value): (&Address, &Value)| (*at, (value.text.clone(), value.is_fresh));
        self.values.iter().map(seen).collect()
    }
}

/// A larder as the model sees it.
struct Process<'a>(&'a Larder);

impl Process<'_> {
    fn larder(&self, tenant: Option<&str>) -> Larder {
        match tenant {
            Some(tenant) => self.0.tenant(tenant),
            None => self.0.clone(),
        }
    }

    fn cache(&self, (tenant, cache, _): Address) -> Cache<u32, String> {
        let larder = self.larder(tenant);
        larder.cache(cache).stale(secs(3_600)).build().unwrap()
    }

    async fn all(&self) -> BTreeMap<Address, (String, bool)> {
        let mut all = BTreeMap::new();
        for tenant in TENANTS {
            for name in CACHES {
                let cache = self.cache((tenant, name, 0));
                let found = cache.lookup_many(&(0..KEYS).collect::<Vec<_>>()).await;
                for (key, found) in found {
                    let is_fresh = found.outcome.freshness.is_fresh();
                    all.insert((tenant, name, key), (found.to_string(), is_fresh));
                }
            }
        }
        all
    }

    /// Makes a call here and in the model.
    async fn step(&self, model: &mut Model, step: &Step) {
        let others = |(tenant, cache, but): Address| {
            (0..KEYS)
                .filter(move |key| *key != but)
                .map(move |key| (tenant, cache, key))
        };
        match step {
            Step::Set(at, tags) => {
                let text = model.text();
                let cache = self.cache(*at);
                let entry = cache.entry(&at.2).tags(tags);
                entry.set(text.clone()).await.unwrap();
                model.put(*at, text, tags);
            }
            Step::Load(at, tags) => {
                let text = model.text();
                let cache = self.cache(*at);
                let entry = cache.entry(&at.2).tags(tags);
                let load = async || Ok::<_, std::convert::Infallible>(text.clone());
                let loaded = entry.get_or_load(load).await.unwrap();
                if !model.is_fresh(*at) {
                    model.put(*at, text, tags);
                }
                assert_eq!(*loaded, model.values[at].text);
            }
            Step::Remove(at) => {
                self.cache(*at).remove(&at.2).await.unwrap();
                model.values.remove(at);
            }
            Step::SetMany(at, tags) => {
                let entries: Vec<_> = others(*at).map(|at| (at, model.text())).collect();
                let stored = entries.iter().map(|(at, text)| {
                    let value = Loaded::new(text.clone()).tags(tags);
                    (at.2, value)
                });
                self.cache(*at).set_many(stored).await.unwrap();
                for (at, text) in entries {
                    model.put(at, text, tags);
                }
            }
            Step::LoadMany(at) => {
                let keys: Vec<u32> = others(*at).map(|at| at.2).collect();
                let text = model.text();
                let load = async |missing: Vec<u32>| {
                    let value = |key| (key, text.clone());
                    Ok::<Vec<_>, std::convert::Infallible>(missing.into_iter().map(value).collect())
                };
                let loaded = self.cache(*at).get_or_load_many(&keys, load).await.unwrap();
                for at in others(*at) {
                    if !model.is_fresh(at) {
                        model.put(at, text.clone(), &[]);
                    }
                    assert_eq!(*loaded[&at.2], model.values[&at].text);
                }
            }
            Step::RemoveMany(at) => {
                let keys: Vec<u32> = others(*at).map(|at| at.2).collect();
                self.cache(*at).remove_many(&keys).await.unwrap();
                for at in others(*at) {
                    model.values.remove(&at);
                }
            }
            Step::Tags(of, tags, how) => {
                let larder = self.larder(*of);
                larder.invalidate_tags(tags, *how).await.unwrap();
                let tags: HashSet<_> = tags.iter().collect();
                model.invalidate(*how, |(tenant, ..), value| {
                    (of.is_none() || tenant == of)
                        && value.tags.iter().any(|tag| tags.contains(tag))
                });
            }
            Step::ClearCache(of, name, how) => {
                let cache = self.cache((*of, name, 0));
                cache.invalidate(*how).await.unwrap();
                model.invalidate(*how, |(tenant, cache, _), _| {
                    (of.is_none() || tenant == of) && cache == name
                });
            }
            Step::Clear(of, how) => {
                self.larder(*of).invalidate(*how).await.unwrap();
                model.invalidate(*how, |(tenant, ..), _| of.is_none() || tenant == of);
            }
            Step::ClearUntenanted => {
                self.0.clear_untenanted().await.unwrap();
                model.invalidate(Strength::Remove, |(tenant, ..), _| tenant.is_none());
            }
        }
    }
}

everywhere!(groups_are_what_a_naive_model_says);

async fn groups_are_what_a_naive_model_says(place: Place) {
    let mut runner = TestRunner::new(Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    });
    let handle = tokio::runtime::Handle::current();
    let (here, there) = (place.here.clone(), place.there.clone());
    let run = move || {
        runner.run(&steps(), |steps| {
            handle.block_on(async {
                here.clear().await.unwrap();
                let mut model = Model::default();
                for (n, step) in steps.iter().enumerate() {
                    // In turns, so that each hears of the other's.
                    let (by, other) = if n % 2 == 0 {
                        (&here, &there)
                    } else {
                        (&there, &here)
                    };
                    Process(by).step(&mut model, step).await;
                    assert_eq!(Process(by).all().await, model.all(), "after {step:?}");
                    eventually("the other process sees the same", async || {
                        Process(other).all().await == model.all()
                    })
                    .await;
                }
            });
            Ok(())
        })
    };
    tokio::task::spawn_blocking(run).await.unwrap().unwrap();
}
