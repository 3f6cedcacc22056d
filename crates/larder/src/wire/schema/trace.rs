//! Traces a type: deserializes it from nothing, over and over, and notes what it asks for. Each
//! pass offers made-up values, and at each enum goes into a variant that was not seen yet, until
//! all were.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;

use super::containers::Containers;
use super::position::{Position, Within};
use super::shape::{Shape, render};

/// Enough for enums of thousands of variants in all.
const MAX_PASSES: usize = 10_000;
/// Places visited in all passes. A type of ordinary size takes hundreds.
const MAX_VISITS: usize = 500_000;
/// Places within each other.
const MAX_DEPTH: u16 = 128;

/// Traces `V` and returns the text that stands for it, or why there is none.
pub(super) fn trace<V: DeserializeOwned>() -> Result<String, String> {
    // A `Deserialize` that panics on a made-up value must not take the program down.
    catch_unwind(AssertUnwindSafe(|| Tracer::default().run::<V>()))
        .unwrap_or_else(|_| Err("its Deserialize panicked on a made-up value".to_owned()))
}

/// Why a pass ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// Something was learned from it: go again.
    Again,
    /// No choice is left with which this value ends: take another turn earlier.
    DeadEnd,
    /// The type cannot be traced.
    GiveUp(String),
}

/// The error of the tracing deserializer. What stopped a pass is kept in the tracer, because the
/// code of a type may replace an error or swallow it.
#[derive(Debug)]
pub(super) struct TraceError(pub(super) String);

impl fmt::Display for TraceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for TraceError {}

impl serde::de::Error for TraceError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

#[derive(Default)]
pub(super) struct Tracer {
    pub(super) containers: Containers,
    /// How many made-up values a visitor has refused.
    pub(super) refusals: HashMap<TypeId, usize>,
    /// The place that took the last made-up value.
    pub(super) last_leaf: Option<(TypeId, usize)>,
    visits: usize,
    pub(super) stop: Option<Stop>,
}

impl Tracer {
    fn run<V: DeserializeOwned>(mut self) -> Result<String, String> {
        for _ in 0..MAX_PASSES {
            let known = self.containers.known;
            self.containers.begin_pass();
            self.last_leaf = None;
            let mut root = Shape::Unread;
            let result = V::deserialize(Position {
                tracer: &mut self,
                shape: &mut root,
                within: Within::default(),
            });
            match (self.stop.take(), result) {
                (Some(Stop::GiveUp(why)), _) => return Err(why),
                (Some(Stop::DeadEnd), _) => self.containers.defer()?,
                (None, Err(error)) => self.blame_last_leaf(&error)?,
                (None, Ok(_)) if self.containers.finished() => {
                    return render(&root, |id| self.containers.definition(id))
                        .ok_or_else(|| "a part of it is only read inside of itself".to_owned());
                }
                (None, Ok(_)) if self.containers.known == known => {
                    return Err("some variants of an enum in it could not be reached".to_owned());
                }
                (Some(Stop::Again), _) | (None, Ok(_)) => {}
            }
        }
        Err("it has too many variants to trace".to_owned())
    }

    /// A `Deserialize` refused what it had read: most likely the value it read last.
    fn blame_last_leaf(&mut self, error: &TraceError) -> Result<(), String> {
        let refused = || format!("its Deserialize refuses made-up values ({error})");
        let (visitor, candidates) = self.last_leaf.ok_or_else(refused)?;
        let refusals = self.refusals.entry(visitor).or_default();
        *refusals += 1;
        if *refusals < candidates {
            Ok(())
        } else {
            Err(refused())
        }
    }

    /// Ends the pass.
    pub(super) fn stop(&mut self, stop: Stop) -> TraceError {
        let error = TraceError(format!("{stop:?}"));
        // The first is the cause.
        self.stop.get_or_insert(stop);
        error
    }

    pub(super) fn give_up(&mut self, why: impl Into<String>) -> TraceError {
        self.stop(Stop::GiveUp(why.into()))
    }

    /// Counts a place, so that tracing ends.
    pub(super) fn visit(&mut self, within: Within) -> Result<(), TraceError> {
        self.visits += 1;
        if within.depth > MAX_DEPTH {
            return Err(self.give_up("it nests too deep, or in itself with no struct between"));
        }
        if self.visits + self.containers.steps > MAX_VISITS {
            return Err(self.give_up("it is too large to trace"));
        }
        Ok(())
    }
}
