//! Making and removing keys and tenants.

use super::setup::new_key_id;
use super::{Broker, ManageError};
use crate::clock;
use crate::log::{Change, Commit};
use crate::model::{Key, KeyId, Scope, Scopes, Tenant, TenantId, Timestamp, Violation};
use crate::secrets::new_api_key;

/// How much of a key is shown in lists.
const HINT_CHARS: usize = 8;

impl Broker {
    /// Makes a key of a tenant; the text is the only sight of it.
    pub async fn create_key(
        &self,
        tenant: TenantId,
        name: String,
        scopes: Scopes,
        expires_at: Option<Timestamp>,
    ) -> Result<(Key, String), ManageError> {
        let _one_at_a_time = self.0.life.managing().await;
        let most = self.config().server.max_keys;
        if self.log().management().keys.values().filter(|key| key.tenant == tenant).count() >= most {
            return Err(ManageError::TooManyKeys(most));
        }
        let (key, token) = self.new_key(tenant, name, scopes, expires_at);
        let changes = vec![Change::PutKey(key.clone())];
        self.log().commit(Commit { changes, ..Commit::default() }).await?;
        Ok((key, token))
    }

    fn new_key(
        &self,
        tenant: TenantId,
        name: String,
        scopes: Scopes,
        expires_at: Option<Timestamp>,
    ) -> (Key, String) {
        let now = clock::now();
        let token = new_api_key();
        let key = Key {
            id: new_key_id(now),
            tenant,
            name,
            scopes,
            hash: self.secrets().hash_key(&token),
            hint: token.chars().take(HINT_CHARS).collect(),
            declared: false,
            created_at: Timestamp::from(now),
            expires_at,
        };
        (key, token)
    }

    /// Removes a key; its streams end within a second.
    pub async fn remove_key(&self, tenant: TenantId, id: KeyId) -> Result<(), ManageError> {
        let _one_at_a_time = self.0.life.managing().await;
        let management = self.log().management();
        let key = management.keys.get(&id).filter(|key| key.tenant == tenant).ok_or(ManageError::NoKey)?;
        if key.declared {
            return Err(ManageError::Declared);
        }
        self.log().commit(Commit { changes: vec![Change::RemoveKey(id)], ..Commit::default() }).await?;
        Ok(())
    }

    /// Makes a tenant and an admin key of it.
    pub async fn create_tenant(&self, name: String) -> Result<(Tenant, String), ManageError> {
        let _one_at_a_time = self.0.life.managing().await;
        let management = self.log().management();
        if management.tenant_named(&name).is_some() {
            let taken = Violation::new("/name", "there is a tenant of this name").with_code("taken");
            return Err(ManageError::Invalid(vec![taken]));
        }
        let number = TenantId(management.tenants.keys().map(|number| number.0).max().unwrap_or(0) + 1);
        let tenant = Tenant { number, name, created_at: Timestamp::from(clock::now()) };
        let (key, token) = self.new_key(number, "admin".to_owned(), Scopes(vec![Scope::Admin]), None);
        let changes = vec![Change::PutTenant(tenant.clone()), Change::PutKey(key)];
        self.log().commit(Commit { changes, ..Commit::default() }).await?;
        Ok((tenant, token))
    }

    /// Makes the first key of a log that has none: everything in the default tenant and every tenant, and
    /// publishing if asked for. `None` when there is a key already.
    pub async fn first_key(&self, may_publish: bool) -> Result<Option<String>, ManageError> {
        if !self.log().management().keys.is_empty() {
            return Ok(None);
        }
        let mut scopes = vec![Scope::Admin, Scope::Operator];
        if may_publish {
            scopes.push(Scope::EventsPublish);
        }
        let made = self.create_key(self.default_tenant(), "first".to_owned(), Scopes(scopes), None).await?;
        Ok(Some(made.1))
    }
}
