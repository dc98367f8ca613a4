//! Which destinations a batch of events concerns: an index over their filters, asked once a batch.

use crate::model::{DestinationId, TenantId, TypePattern};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The wanted types of every destination.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Router {
    exact: HashMap<(TenantId, Box<str>), BTreeSet<DestinationId>>,
    prefixes: HashMap<TenantId, BTreeSet<(Box<str>, DestinationId)>>,
    everything: HashMap<TenantId, BTreeSet<DestinationId>>,
    known: HashMap<DestinationId, (TenantId, Vec<TypePattern>)>,
}

impl Router {
    /// Adds a destination or replaces what it wants; no pattern wants every type.
    pub fn put(&mut self, id: DestinationId, tenant: TenantId, types: &[TypePattern]) {
        self.remove(id);
        self.known.insert(id, (tenant, types.to_vec()));
        if types.is_empty() {
            self.everything.entry(tenant).or_default().insert(id);
        }
        for pattern in types {
            match pattern {
                TypePattern::Any => {
                    self.everything.entry(tenant).or_default().insert(id);
                }
                TypePattern::Prefix(prefix) => {
                    self.prefixes.entry(tenant).or_default().insert((prefix.clone(), id));
                }
                TypePattern::Exact(name) => {
                    self.exact.entry((tenant, name.clone())).or_default().insert(id);
                }
            }
        }
    }

    /// Forgets a destination.
    pub fn remove(&mut self, id: DestinationId) {
        let Some((tenant, types)) = self.known.remove(&id) else { return };
        if let Some(all) = self.everything.get_mut(&tenant) {
            all.remove(&id);
        }
        for pattern in types {
            match pattern {
                TypePattern::Any => {}
                TypePattern::Prefix(prefix) => {
                    if let Some(prefixes) = self.prefixes.get_mut(&tenant) {
                        prefixes.remove(&(prefix, id));
                    }
                }
                TypePattern::Exact(name) => {
                    let key = (tenant, name);
                    if let Some(ids) = self.exact.get_mut(&key) {
                        ids.remove(&id);
                        if ids.is_empty() {
                            self.exact.remove(&key);
                        }
                    }
                }
            }
        }
    }

    /// The destinations that want any of these events; each type is looked up once.
    pub fn concerned<'a>(
        &self,
        events: impl Iterator<Item = (TenantId, &'a str)>,
    ) -> BTreeSet<DestinationId> {
        let mut seen = HashSet::new();
        let mut concerned = BTreeSet::new();
        for (tenant, event_type) in events {
            if !seen.insert((tenant, event_type)) {
                continue;
            }
            let exact = self.exact.get(&(tenant, event_type.into()));
            concerned.extend(exact.into_iter().flatten());
            concerned.extend(self.everything.get(&tenant).into_iter().flatten());
            let prefixes = self.prefixes.get(&tenant).into_iter().flatten();
            concerned
                .extend(prefixes.filter(|(prefix, _)| event_type.starts_with(&**prefix)).map(|(_, id)| *id));
        }
        concerned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_concerns_whoever_wants_one_of_its_types_in_its_tenant() {
        let mut router = Router::default();
        let pattern = |text: &str| TypePattern::parse(text).unwrap();
        let (one, two, three, other) =
            (DestinationId(1), DestinationId(2), DestinationId(3), DestinationId(4));
        router.put(one, TenantId(1), &[pattern("a.b")]);
        router.put(two, TenantId(1), &[pattern("a.*"), pattern("c")]);
        router.put(three, TenantId(1), &[]);
        router.put(other, TenantId(2), &[pattern("*")]);
        let concerned = |router: &Router, events: &[(u32, &'static str)]| -> Vec<DestinationId> {
            router
                .concerned(events.iter().map(|(tenant, name)| (TenantId(*tenant), *name)))
                .into_iter()
                .collect()
        };
        assert_eq!(concerned(&router, &[(1, "a.b")]), [one, two, three]);
        assert_eq!(concerned(&router, &[(1, "c"), (1, "c")]), [two, three]);
        assert_eq!(concerned(&router, &[(2, "a.b")]), [other]);
        router.put(two, TenantId(1), &[pattern("x")]);
        router.remove(three);
        assert_eq!(concerned(&router, &[(1, "a.b"), (1, "c")]), [one]);
        router.remove(one);
        router.remove(two);
        assert_eq!(concerned(&router, &[(1, "a.b"), (1, "x")]), []);
    }
}
