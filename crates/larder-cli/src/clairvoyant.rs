//! What a cache could reach that knows the future (Belady): it evicts what is needed last, and does not
//! store what would be that.

use std::collections::BinaryHeap;

use crate::trace::Trace;

/// Stands for "never".
const NEVER: usize = usize::MAX;

#[derive(Clone, Copy)]
struct Held {
    next: usize,
    weight: u64,
    expires: u64,
}

/// Which requests of the trace are hits. `weight` says what a request's entry weighs, and `ttl` how long
/// it lives, in milliseconds.
pub(crate) fn hits(
    trace: &Trace,
    capacity: u64,
    weight: impl Fn(usize) -> u64,
    ttl: Option<u64>,
    mut hit: impl FnMut(usize),
) {
    let next = next_uses(trace);
    let mut held: Vec<Option<Held>> = vec![None; trace.distinct];
    // By when they are needed. Places of entries that left, or were used since, do not count.
    let mut order: BinaryHeap<(usize, u32)> = BinaryHeap::new();
    let mut total = 0;
    for (at, key) in trace.keys.iter().enumerate() {
        let now = trace.time(at);
        let mut entry = held[*key as usize].take();
        if let Some(Held { weight, .. }) = entry.take_if(|held| held.expires <= now) {
            total -= weight;
        }
        let is_held = entry.is_some();
        let mut entry = entry.unwrap_or_else(|| Held {
            next: NEVER,
            weight: weight(at),
            expires: ttl.map_or(u64::MAX, |ttl| now.saturating_add(ttl)),
        });
        let is_in_time = |next: &usize| *next != NEVER && trace.time(*next) < entry.expires;
        entry.next = Some(next[at]).filter(is_in_time).unwrap_or(NEVER);
        if is_held {
            hit(at);
        } else if entry.next == NEVER || entry.weight > capacity {
            continue;
        } else {
            while total + entry.weight > capacity {
                // Who is needed last: this may be the newcomer, which then does not come in.
                let Some(last) = order.peek().copied().filter(|last| last.0 > entry.next) else {
                    break;
                };
                order.pop();
                let victim: &mut Option<Held> = &mut held[last.1 as usize];
                if let Some(victim) = victim.take_if(|held| held.next == last.0) {
                    total -= victim.weight;
                }
            }
            if total + entry.weight > capacity {
                continue;
            }
            total += entry.weight;
        }
        order.push((entry.next, *key));
        held[*key as usize] = Some(entry);
    }
}

/// When each request's key is asked for again.
fn next_uses(trace: &Trace) -> Vec<usize> {
    let mut next = vec![NEVER; trace.len()];
    let mut seen = vec![NEVER; trace.distinct];
    for (at, key) in trace.keys.iter().enumerate().rev() {
        next[at] = std::mem::replace(&mut seen[*key as usize], at);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(keys: &[u32]) -> Trace {
        Trace {
            keys: keys.to_vec(),
            distinct: keys.iter().max().map_or(0, |key| *key as usize + 1),
            ..Trace::default()
        }
    }

    fn count(trace: &Trace, capacity: u64, ttl: Option<u64>) -> usize {
        let mut count = 0;
        hits(
            trace,
            capacity,
            |at| trace.size(at).into(),
            ttl,
            |_| count += 1,
        );
        count
    }

    /// The most hits that any choice of victims brings, by trying all.
    fn best(keys: &[u32], capacity: usize, held: &[u32]) -> usize {
        let Some((key, rest)) = keys.split_first() else {
            return 0;
        };
        if held.contains(key) {
            return 1 + best(rest, capacity, held);
        }
        let with = |held: &[u32]| [held, &[*key]].concat();
        if held.len() < capacity {
            return best(rest, capacity, &with(held));
        }
        let unstored = best(rest, capacity, held);
        let without = |victim: &u32| -> Vec<u32> {
            let others = held.iter().filter(|other| *other != victim);
            others.copied().collect()
        };
        let choices = held
            .iter()
            .map(|victim| best(rest, capacity, &with(&without(victim))));
        choices.max().unwrap_or(0).max(unstored)
    }

    #[test]
    fn no_choice_of_victims_has_more_hits() {
        let mut state = 1_u32;
        for _ in 0..50 {
            let keys: Vec<u32> = (0..12)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 16) % 5
                })
                .collect();
            for capacity in 1..4 {
                let found = count(&trace(&keys), capacity as u64, None);
                assert_eq!(found, best(&keys, capacity, &[]), "{keys:?} in {capacity}");
            }
        }
    }

    #[test]
    fn what_expires_is_no_hit_and_needs_no_room() {
        let mut trace = trace(&[0, 1, 0, 1, 0]);
        trace.times = Some(vec![0, 1, 2, 20, 21]);
        assert_eq!(count(&trace, 2, None), 3);
        // 0 at 2; not 1 at 20 nor 0 at 21.
        assert_eq!(count(&trace, 2, Some(10)), 1);
    }

    #[test]
    fn what_is_too_large_is_not_stored() {
        let mut trace = trace(&[0, 0, 1, 1]);
        trace.sizes = Some(vec![5, 5, 2, 2]);
        assert_eq!(count(&trace, 4, None), 1);
        assert_eq!(count(&trace, 5, None), 2);
    }
}
