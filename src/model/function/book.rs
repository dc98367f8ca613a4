//! Everything a log keeps of functions, and how a change changes it.

use super::{App, Function, Guard, Subscription};
use crate::model::{DestinationId, TenantId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The highest numbers that a tenant has given, so that none is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Numbers {
    /// Of apps.
    pub app: u64,
    /// Of functions.
    pub function: u64,
    /// Of subscriptions.
    pub subscription: u64,
}

/// One change of apps, functions, subscriptions or guards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionChange {
    /// Adds or replaces an app.
    PutApp(App),
    /// Removes an app.
    RemoveApp(TenantId, u64),
    /// Adds or replaces a function.
    PutFunction(Function),
    /// Removes a function.
    RemoveFunction(TenantId, u64),
    /// Adds or replaces a subscription; a new one starts at its `start_after`.
    PutSubscription(Subscription),
    /// Removes a subscription with its progress.
    RemoveSubscription(TenantId, u64, DestinationId),
    /// Opens a guard, or says how far it is.
    PutGuard(Guard),
    /// Ends a guard.
    RemoveGuard(TenantId, String),
    /// Numbers that were given, also to what is gone.
    Numbered(TenantId, Numbers),
}

/// Apps, functions, subscriptions and guards by tenant and number.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FunctionBook {
    /// Apps.
    pub apps: BTreeMap<(TenantId, u64), Arc<App>>,
    /// Functions.
    pub functions: BTreeMap<(TenantId, u64), Arc<Function>>,
    /// Subscriptions.
    pub subscriptions: BTreeMap<(TenantId, u64), Arc<Subscription>>,
    /// Operations under way, by id.
    pub guards: BTreeMap<(TenantId, String), Arc<Guard>>,
    /// The highest numbers given.
    pub numbers: BTreeMap<TenantId, Numbers>,
}

impl FunctionBook {
    /// Takes a change in.
    pub fn apply(&mut self, change: &FunctionChange) {
        match change {
            FunctionChange::PutApp(app) => {
                self.apps.insert((app.tenant, app.id), Arc::new(app.clone()));
                let numbers = self.numbers.entry(app.tenant).or_default();
                numbers.app = numbers.app.max(app.id);
            }
            FunctionChange::RemoveApp(tenant, id) => drop(self.apps.remove(&(*tenant, *id))),
            FunctionChange::PutFunction(function) => {
                let (tenant, id) = (function.tenant, function.id);
                self.functions.insert((tenant, id), Arc::new(function.clone()));
                let numbers = self.numbers.entry(tenant).or_default();
                numbers.function = numbers.function.max(id);
            }
            FunctionChange::RemoveFunction(tenant, id) => drop(self.functions.remove(&(*tenant, *id))),
            FunctionChange::PutSubscription(one) => {
                self.subscriptions.insert((one.tenant, one.id), Arc::new(one.clone()));
                let numbers = self.numbers.entry(one.tenant).or_default();
                numbers.subscription = numbers.subscription.max(one.id);
            }
            FunctionChange::RemoveSubscription(tenant, id, _) => {
                self.subscriptions.remove(&(*tenant, *id));
            }
            FunctionChange::PutGuard(guard) => {
                self.guards.insert((guard.tenant, guard.id.clone()), Arc::new(guard.clone()));
            }
            FunctionChange::RemoveGuard(tenant, id) => drop(self.guards.remove(&(*tenant, id.clone()))),
            FunctionChange::Numbered(tenant, given) => {
                let numbers = self.numbers.entry(*tenant).or_default();
                numbers.app = numbers.app.max(given.app);
                numbers.function = numbers.function.max(given.function);
                numbers.subscription = numbers.subscription.max(given.subscription);
            }
        }
    }

    /// The changes that make it.
    pub fn snapshot(&self) -> Vec<FunctionChange> {
        let numbers = self.numbers.iter().map(|(tenant, given)| FunctionChange::Numbered(*tenant, *given));
        let apps = self.apps.values().map(|one| FunctionChange::PutApp((**one).clone()));
        let functions = self.functions.values().map(|one| FunctionChange::PutFunction((**one).clone()));
        let subscriptions =
            self.subscriptions.values().map(|one| FunctionChange::PutSubscription((**one).clone()));
        let guards = self.guards.values().map(|one| FunctionChange::PutGuard((**one).clone()));
        numbers.chain(apps).chain(functions).chain(subscriptions).chain(guards).collect()
    }

    /// A tenant's app of this slug.
    pub fn app_of_slug(&self, tenant: TenantId, slug: &str) -> Option<&Arc<App>> {
        self.apps_of(tenant).find(|app| app.slug == slug)
    }

    /// A tenant's apps by number.
    pub fn apps_of(&self, tenant: TenantId) -> impl Iterator<Item = &Arc<App>> {
        self.apps.range((tenant, 0)..=(tenant, u64::MAX)).map(|(_, app)| app)
    }

    /// A tenant's functions by number.
    pub fn functions_of(&self, tenant: TenantId) -> impl Iterator<Item = &Arc<Function>> {
        self.functions.range((tenant, 0)..=(tenant, u64::MAX)).map(|(_, function)| function)
    }

    /// A tenant's subscriptions by number.
    pub fn subscriptions_of(&self, tenant: TenantId) -> impl Iterator<Item = &Arc<Subscription>> {
        self.subscriptions.range((tenant, 0)..=(tenant, u64::MAX)).map(|(_, one)| one)
    }

    /// The numbers that come next.
    pub fn next_numbers(&self, tenant: TenantId) -> Numbers {
        let given = self.numbers.get(&tenant).copied().unwrap_or_default();
        Numbers { app: given.app + 1, function: given.function + 1, subscription: given.subscription + 1 }
    }

    /// The lowest slot that no subscription of a tenant has; `None` when all are taken.
    pub fn free_slot(&self, tenant: TenantId) -> Option<u16> {
        let taken: std::collections::BTreeSet<u16> =
            self.subscriptions_of(tenant).map(|one| one.slot).collect();
        (0..super::SLOTS).find(|slot| !taken.contains(slot))
    }
}
