//! The structs and enums of a traced type: what is known of them, and which variant to see next.

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap};

use super::shape::{Body, Definition};
use super::trace::Stop;

/// Whether a struct or variant is being read further out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Entered {
    #[default]
    No,
    Once,
    /// Again, inside of itself: now options are `None` and sequences empty, so that it ends.
    Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Todo,
    /// Led into a dead end; worth another try once more than so many bodies are known.
    Deferred(usize),
    Done,
    /// The enum has no variant of this index: the name at its place is an alias.
    Refused,
}

struct Variant {
    state: State,
    body: Option<Body>,
    entered: Entered,
}

enum Kind {
    Struct {
        body: Option<Body>,
        entered: Entered,
    },
    Enum {
        names: &'static [&'static str],
        variants: Vec<Variant>,
    },
}

struct Container {
    name: &'static str,
    kind: Kind,
}

#[derive(Default)]
pub(super) struct Containers {
    list: Vec<Container>,
    /// By the type of its visitor, which is another for each type, whatever its name.
    ids: HashMap<(TypeId, &'static str), usize>,
    /// The variants being seen for the first time, outermost first.
    choices: Vec<(usize, usize)>,
    /// How many bodies are known; grows with each thing that is learned.
    pub(super) known: usize,
    /// For each container, how many others the smallest value of it has within each other; `None`
    /// where no value that ends is known. Made when so many bodies were known.
    ranks: (usize, Vec<Option<u32>>),
    /// The steps taken to find a way to an unfinished enum.
    pub(super) steps: usize,
}

impl Containers {
    pub(super) fn begin_pass(&mut self) {
        self.choices.clear();
        for container in &mut self.list {
            match &mut container.kind {
                Kind::Struct { entered, .. } => *entered = Entered::No,
                Kind::Enum { variants, .. } => {
                    for variant in variants {
                        variant.entered = Entered::No;
                    }
                }
            }
        }
    }

    /// Puts off the innermost choice that led into the dead end.
    pub(super) fn defer(&mut self) -> Result<(), String> {
        let (id, index) = self
            .choices
            .pop()
            .ok_or_else(|| "no value of it is finite".to_owned())?;
        let known = self.known;
        if let Some(variant) = self.variant(id, index) {
            variant.state = State::Deferred(known);
        }
        Ok(())
    }

    /// The struct that this visitor reads.
    pub(super) fn structure(&mut self, visitor: TypeId, name: &'static str) -> usize {
        self.container(visitor, name, || Kind::Struct {
            body: None,
            entered: Entered::No,
        })
    }

    /// The enum that this visitor reads.
    pub(super) fn enumeration(
        &mut self,
        visitor: TypeId,
        name: &'static str,
        names: &'static [&'static str],
    ) -> usize {
        self.container(visitor, name, || Kind::Enum {
            names,
            variants: names
                .iter()
                .map(|_| Variant {
                    state: State::Todo,
                    body: None,
                    entered: Entered::No,
                })
                .collect(),
        })
    }

    fn container(
        &mut self,
        visitor: TypeId,
        name: &'static str,
        kind: impl FnOnce() -> Kind,
    ) -> usize {
        *self.ids.entry((visitor, name)).or_insert_with(|| {
            self.list.push(Container { name, kind: kind() });
            self.list.len() - 1
        })
    }

    /// Enters a struct: returns whether it is to be cut short, and what to hand to
    /// [`leave`](Self::leave).
    pub(super) fn enter(&mut self, id: usize, cut: bool) -> Result<(bool, Entered), Stop> {
        let ends = self.rank(id).is_some();
        let Some(Kind::Struct { entered, .. }) = self.kind(id) else {
            return Err(Stop::GiveUp(
                "it reads a thing both as a struct and as an enum".to_owned(),
            ));
        };
        let before = *entered;
        let cut = match before {
            Entered::No => cut,
            Entered::Once => true,
            Entered::Cut if ends => true,
            Entered::Cut => return Err(Stop::DeadEnd),
        };
        *entered = if cut { Entered::Cut } else { Entered::Once };
        Ok((cut, before))
    }

    /// Leaves a struct, and notes what it read unless it was cut short.
    pub(super) fn leave(
        &mut self,
        id: usize,
        before: Entered,
        body: Option<Body>,
    ) -> Result<(), Stop> {
        let Some(Kind::Struct {
            body: known,
            entered,
        }) = self.kind(id)
        else {
            return Ok(());
        };
        *entered = before;
        match (body, &mut *known) {
            (None, _) => Ok(()),
            (Some(body), None) => {
                *known = Some(body);
                self.known += 1;
                Ok(())
            }
            (Some(body), Some(known)) if body == *known => Ok(()),
            (Some(_), Some(_)) => Err(self.moody(id)),
        }
    }

    /// Enters a variant: returns its index, whether it is to be cut short, and what to hand to
    /// [`leave_variant`](Self::leave_variant).
    pub(super) fn choose(&mut self, id: usize, cut: bool) -> Result<(usize, bool, Entered), Stop> {
        let Some((index, cut)) = self.choice(id, cut) else {
            return Err(Stop::DeadEnd);
        };
        let known = self.known;
        let mut first = false;
        let mut before = Entered::No;
        if let Some(variant) = self.variant(id, index) {
            before = variant.entered;
            variant.entered = if cut { Entered::Cut } else { Entered::Once };
            first = !cut && variant.worth_a_try(known);
        }
        if first {
            self.choices.push((id, index));
        }
        Ok((index, cut, before))
    }

    fn choice(&mut self, id: usize, cut: bool) -> Option<(usize, bool)> {
        let steered = if cut {
            None
        } else {
            self.toward_unfinished(id)
        };
        let smallest = self.smallest(id);
        let Some(Kind::Enum { variants, .. }) = self.list.get(id).map(|c| &c.kind) else {
            return None;
        };
        let todo = variants
            .iter()
            .position(|v| v.entered == Entered::No && v.worth_a_try(self.known));
        let again = variants.iter().position(|v| v.entered == Entered::Once);
        let seen = todo.or(steered).map(|index| (index, false));
        let ended = smallest.map(|index| (index, true));
        let first = if cut { ended.or(seen) } else { seen.or(ended) };
        first.or(again.map(|index| (index, true)))
    }

    /// The variant with the smallest value that ends, once options in it are `None` and sequences
    /// empty.
    fn smallest(&mut self, id: usize) -> Option<usize> {
        self.rank(id)?;
        let Some(Kind::Enum { variants, .. }) = self.list.get(id).map(|c| &c.kind) else {
            return None;
        };
        let rank = |variant: &Variant| rank_of(variant.body.as_ref(), &self.ranks.1);
        let ranked = (0..)
            .zip(variants)
            .filter_map(|(index, v)| Some((rank(v)?, index)));
        ranked.min().map(|(_, index)| index)
    }

    fn rank(&mut self, id: usize) -> Option<u32> {
        if self.ranks.0 != self.known {
            self.ranks = (self.known, vec![None; self.list.len()]);
            // Each round finds all of one rank more.
            let mut rank = 0;
            let mut found = true;
            while found {
                found = false;
                let before = self.ranks.1.clone();
                for (container, slot) in self.list.iter().zip(&mut self.ranks.1) {
                    if slot.is_none() {
                        *slot = container
                            .bodies()
                            .filter_map(|b| rank_of(Some(b), &before))
                            .min();
                        found |= slot.is_some();
                    }
                }
                rank += 1;
            }
            self.steps += rank;
        }
        *self.ranks.1.get(id)?
    }

    /// A finished variant through which an unfinished enum can be reached.
    fn toward_unfinished(&mut self, id: usize) -> Option<usize> {
        if self.finished() {
            return None;
        }
        let Some(Kind::Enum { variants, .. }) = self.list.get(id).map(|c| &c.kind) else {
            return None;
        };
        let mut steps = 0;
        let found = variants.iter().position(|variant| {
            let free = variant.state == State::Done && variant.entered == Entered::No;
            free && variant.body.as_ref().is_some_and(|body| {
                let mut seen = vec![false; self.list.len()];
                let mut open = Vec::new();
                body.containers(&mut |id| open.push(id));
                while let Some(id) = open.pop() {
                    let Some(seen) = seen.get_mut(id).filter(|seen| !**seen) else {
                        continue;
                    };
                    *seen = true;
                    steps += 1;
                    let Some(container) = self.list.get(id) else {
                        continue;
                    };
                    if !container.finished() {
                        return true;
                    }
                    container
                        .bodies()
                        .for_each(|body| body.containers(&mut |id| open.push(id)));
                }
                false
            })
        });
        self.steps += steps;
        found
    }

    /// Leaves a variant, and notes what it read unless it was cut short.
    pub(super) fn leave_variant(
        &mut self,
        id: usize,
        index: usize,
        before: Entered,
        body: Option<Body>,
    ) -> Result<(), Stop> {
        let Some(variant) = self.variant(id, index) else {
            return Ok(());
        };
        variant.entered = before;
        let Some(body) = body else { return Ok(()) };
        if let Some(known) = &variant.body {
            return if *known == body {
                Ok(())
            } else {
                Err(self.moody(id))
            };
        }
        variant.body = Some(body);
        variant.state = State::Done;
        self.known += 1;
        self.choices.pop();
        Ok(())
    }

    /// The enum has no such variant.
    pub(super) fn refuse(&mut self, id: usize, index: usize) -> Stop {
        if let Some(variant) = self.variant(id, index) {
            variant.state = State::Refused;
        }
        self.known += 1;
        Stop::Again
    }

    fn moody(&self, id: usize) -> Stop {
        let name = self.list.get(id).map_or("", |container| container.name);
        Stop::GiveUp(format!(
            "what `{name}` reads depends on the values that it reads"
        ))
    }

    fn kind(&mut self, id: usize) -> Option<&mut Kind> {
        self.list.get_mut(id).map(|container| &mut container.kind)
    }

    fn variant(&mut self, id: usize, index: usize) -> Option<&mut Variant> {
        match self.kind(id) {
            Some(Kind::Enum { variants, .. }) => variants.get_mut(index),
            _ => None,
        }
    }

    pub(super) fn finished(&self) -> bool {
        self.list.iter().all(Container::finished)
    }

    pub(super) fn definition(&self, id: usize) -> Option<(&'static str, Definition<'_>)> {
        let container = self.list.get(id)?;
        let definition = match &container.kind {
            Kind::Struct { body, .. } => Definition::Struct(body.as_ref()?),
            Kind::Enum {
                names, variants, ..
            } => {
                let bodies = (0..)
                    .zip(variants)
                    .filter_map(|(n, v)| Some((n, v.body.as_ref()?)));
                let variants: BTreeMap<u32, &Body> = bodies.collect();
                Definition::Enum { names, variants }
            }
        };
        Some((container.name, definition))
    }
}

/// One more than the greatest rank of the containers without which there is no such body.
fn rank_of(body: Option<&Body>, ranks: &[Option<u32>]) -> Option<u32> {
    let mut rank = Some(0);
    body?.required(&mut |id| {
        let inner = ranks.get(id).copied().flatten();
        rank = rank
            .zip(inner)
            .map(|(rank, inner): (u32, u32)| rank.max(inner + 1));
    });
    rank
}

impl Variant {
    fn worth_a_try(&self, known: usize) -> bool {
        match self.state {
            State::Todo => true,
            State::Deferred(at) => known > at,
            State::Done | State::Refused => false,
        }
    }
}

impl Container {
    fn finished(&self) -> bool {
        match &self.kind {
            Kind::Struct { body, .. } => body.is_some(),
            Kind::Enum { variants, .. } => {
                let open = |v: &Variant| matches!(v.state, State::Todo | State::Deferred(_));
                variants.iter().any(|v| v.state == State::Done) && !variants.iter().any(open)
            }
        }
    }

    fn bodies(&self) -> impl Iterator<Item = &Body> {
        let (body, variants) = match &self.kind {
            Kind::Struct { body, .. } => (body.as_ref(), &[][..]),
            Kind::Enum { variants, .. } => (None, &variants[..]),
        };
        body.into_iter()
            .chain(variants.iter().filter_map(|variant| variant.body.as_ref()))
    }
}
