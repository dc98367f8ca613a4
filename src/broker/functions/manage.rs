//! Apps and functions as a tenant manages them.

use super::super::Broker;
use super::draft::{AppDraft, FunctionDraft, slug_of};
use super::{FunctionError, sealed};
use crate::broker::destinations::new_signing_secret;
use crate::clock;
use crate::log::{Change, Commit};
use crate::model::{
    App, Function, FunctionBook, FunctionChange, RetryPolicy, Target, TenantId, Timestamp, Violation,
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The app of functions that name none.
const DEFAULT_APP: &str = "default";

/// A function that was just created, with the only sight of its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedFunction {
    /// The function.
    pub function: Arc<Function>,
    /// Its secret, given or made; `None` when unsigned.
    pub secret: Option<String>,
}

impl Broker {
    /// Apps, functions and subscriptions of every tenant, as they stand.
    pub fn function_book(&self) -> Arc<FunctionBook> {
        Arc::clone(&self.log().management().functions)
    }

    pub(super) async fn change_functions(&self, changes: Vec<FunctionChange>) -> Result<(), FunctionError> {
        let changes = changes.into_iter().map(|change| Change::Functions(Box::new(change))).collect();
        self.log().commit(Commit { changes, ..Commit::default() }).await?;
        Ok(())
    }

    /// A tenant's app.
    pub fn app(&self, tenant: TenantId, slug: &str) -> Result<Arc<App>, FunctionError> {
        self.function_book().app_of_slug(tenant, slug).cloned().ok_or(FunctionError::NoApp)
    }

    /// Makes an app from a request body.
    pub async fn create_app(
        &self,
        tenant: TenantId,
        body: Map<String, Value>,
    ) -> Result<Arc<App>, FunctionError> {
        let draft = AppDraft::read(body).map_err(FunctionError::Invalid)?;
        let Some(name) = draft.name else { return Err(invalid("/name", "is required")) };
        let slug = draft.slug.unwrap_or_else(|| slug_of(&name));
        let _one_at_a_time = self.0.life.managing().await;
        let book = self.function_book();
        self.check_app(&book, tenant, &slug, None)?;
        let app = new_app(&book, tenant, slug, name);
        self.change_functions(vec![FunctionChange::PutApp(app.clone())]).await?;
        Ok(Arc::new(app))
    }

    fn check_app(
        &self,
        book: &FunctionBook,
        tenant: TenantId,
        slug: &str,
        own: Option<u64>,
    ) -> Result<(), FunctionError> {
        if slug.is_empty() {
            return Err(invalid("/slug", "the name has no letters to make a slug of: give one"));
        }
        if book.app_of_slug(tenant, slug).is_some_and(|known| Some(known.id) != own) {
            let taken = Violation::new("/slug", "there is an app of this slug").with_code("taken");
            return Err(FunctionError::Invalid(vec![taken]));
        }
        let most = self.config().functions.max_functions;
        if own.is_none() && book.apps_of(tenant).count() >= most {
            return Err(FunctionError::TooMany { what: "apps", most });
        }
        Ok(())
    }

    /// Changes the members of an app that a request body gives.
    pub async fn change_app(
        &self,
        tenant: TenantId,
        slug: &str,
        body: Map<String, Value>,
    ) -> Result<Arc<App>, FunctionError> {
        let draft = AppDraft::read(body);
        let _one_at_a_time = self.0.life.managing().await;
        let found = self.app(tenant, slug)?;
        let draft = draft.map_err(FunctionError::Invalid)?;
        let mut app = (*found).clone();
        if let Some(slug) = draft.slug {
            self.check_app(&self.function_book(), tenant, &slug, Some(app.id))?;
            app.slug = slug;
        }
        app.name = draft.name.unwrap_or(app.name);
        if app == *found {
            return Ok(found);
        }
        app.updated_at = Timestamp::from(clock::now());
        self.change_functions(vec![FunctionChange::PutApp(app.clone())]).await?;
        Ok(Arc::new(app))
    }

    /// Removes an app without functions.
    pub async fn remove_app(&self, tenant: TenantId, slug: &str) -> Result<(), FunctionError> {
        let _one_at_a_time = self.0.life.managing().await;
        let app = self.app(tenant, slug)?;
        let functions = self.function_book().functions_of(tenant).filter(|one| one.app == app.id).count();
        if functions > 0 {
            return Err(FunctionError::AppInUse(functions));
        }
        self.change_functions(vec![FunctionChange::RemoveApp(tenant, app.id)]).await
    }

    /// A tenant's function.
    pub fn function_of(&self, tenant: TenantId, id: u64) -> Result<Arc<Function>, FunctionError> {
        self.function_book().functions.get(&(tenant, id)).cloned().ok_or(FunctionError::NoFunction)
    }

    /// Makes a function from a request body; without an app it belongs to `default`, which is made.
    pub async fn create_function(
        &self,
        tenant: TenantId,
        body: Map<String, Value>,
    ) -> Result<CreatedFunction, FunctionError> {
        let draft =
            FunctionDraft::read(body, true, &self.config().delivery).map_err(FunctionError::Invalid)?;
        let name = draft.name.clone().unwrap_or_default();
        let slug = draft.slug.clone().unwrap_or_else(|| slug_of(&name));
        let _one_at_a_time = self.0.life.managing().await;
        let book = self.function_book();
        self.check_function(&book, tenant, &slug, None)?;
        let secret = draft.secret.clone().unwrap_or_else(|| Some(new_signing_secret()));
        let (app, mut changes) = app_for(&book, tenant, draft.app.as_deref())?;
        let target = Target::Http { url: draft.url.clone().unwrap_or_default() };
        let mut function = self.blank_function(&book, tenant, (name, slug), app, target);
        let owner = Function::secret_owner(tenant, function.id);
        function.secrets = secret.iter().map(|text| sealed(self.secrets(), &owner, text)).collect();
        update(&mut function, draft);
        changes.push(FunctionChange::PutFunction(function.clone()));
        self.change_functions(changes).await?;
        Ok(CreatedFunction { function: Arc::new(function), secret })
    }

    fn check_function(
        &self,
        book: &FunctionBook,
        tenant: TenantId,
        slug: &str,
        own: Option<u64>,
    ) -> Result<(), FunctionError> {
        if slug.is_empty() {
            return Err(invalid("/slug", "the name has no letters to make a slug of: give one"));
        }
        if book.functions_of(tenant).any(|known| known.slug == slug && Some(known.id) != own) {
            let taken = Violation::new("/slug", "there is a function of this slug").with_code("taken");
            return Err(FunctionError::Invalid(vec![taken]));
        }
        let most = self.config().functions.max_functions;
        if own.is_none() && book.functions_of(tenant).count() >= most {
            return Err(FunctionError::TooMany { what: "functions", most });
        }
        Ok(())
    }

    fn blank_function(
        &self,
        book: &FunctionBook,
        tenant: TenantId,
        (name, slug): (String, String),
        app: u64,
        target: Target,
    ) -> Function {
        let now = Timestamp::from(clock::now());
        let schedule_s = self.config().delivery.schedule.iter().map(std::time::Duration::as_secs).collect();
        Function {
            tenant,
            id: book.next_numbers(tenant).function,
            name,
            slug,
            app,
            target,
            secrets: Vec::new(),
            timeout_ms: self.config().functions.timeout.as_millis() as u64,
            retry: RetryPolicy { enabled: true, schedule_s },
            created_at: now,
            updated_at: now,
        }
    }

    /// The in-process function of this slug, made when it is not there.
    pub(super) async fn in_process_function(
        &self,
        tenant: TenantId,
        slug: &str,
    ) -> Result<Arc<Function>, FunctionError> {
        if !super::draft::is_slug(slug) {
            return Err(invalid("/slug", "1 to 64 of a-z, 0-9 and -"));
        }
        let _one_at_a_time = self.0.life.managing().await;
        let book = self.function_book();
        if let Some(known) = book.functions_of(tenant).find(|known| known.slug == slug) {
            return match known.target {
                Target::InProcess => Ok(Arc::clone(known)),
                Target::Http { .. } => Err(invalid("/slug", "a function over HTTP has this slug")),
            };
        }
        self.check_function(&book, tenant, slug, None)?;
        let (app, mut changes) = app_for(&book, tenant, None)?;
        let names = (slug.to_owned(), slug.to_owned());
        let function = self.blank_function(&book, tenant, names, app, Target::InProcess);
        changes.push(FunctionChange::PutFunction(function.clone()));
        self.change_functions(changes).await?;
        Ok(Arc::new(function))
    }

    /// Changes the members of a function that a request body gives; the next call uses them.
    pub async fn change_function(
        &self,
        tenant: TenantId,
        id: u64,
        body: Map<String, Value>,
    ) -> Result<Arc<Function>, FunctionError> {
        let draft = FunctionDraft::read(body, false, &self.config().delivery);
        let _one_at_a_time = self.0.life.managing().await;
        let found = self.function_of(tenant, id)?;
        let draft = draft.map_err(FunctionError::Invalid)?;
        let book = self.function_book();
        let mut function = (*found).clone();
        if let Some(slug) = &draft.slug {
            self.check_function(&book, tenant, slug, Some(id))?;
        }
        if draft.app.is_some() {
            function.app = app_for(&book, tenant, draft.app.as_deref())?.0;
        }
        let in_process = function.target == Target::InProcess;
        if in_process && (draft.url.is_some() || draft.slug.is_some()) {
            return Err(invalid("/url", "the function runs in the program, which knows it by its slug"));
        }
        update(&mut function, draft);
        if function == *found {
            return Ok(found);
        }
        function.updated_at = Timestamp::from(clock::now());
        self.change_functions(vec![FunctionChange::PutFunction(function.clone())]).await?;
        Ok(Arc::new(function))
    }

    /// Removes a function with its subscriptions; what waits for it no longer runs.
    pub async fn remove_function(&self, tenant: TenantId, id: u64) -> Result<(), FunctionError> {
        let _one_at_a_time = self.0.life.managing().await;
        self.function_of(tenant, id)?;
        let book = self.function_book();
        let own = book.subscriptions_of(tenant).filter(|one| one.function == id);
        let mut changes: Vec<FunctionChange> =
            own.map(|one| FunctionChange::RemoveSubscription(tenant, one.id, one.consumer)).collect();
        changes.push(FunctionChange::RemoveFunction(tenant, id));
        self.change_functions(changes).await
    }
}

pub(super) fn invalid(pointer: &str, detail: &str) -> FunctionError {
    FunctionError::Invalid(vec![Violation::new(pointer, detail)])
}

fn new_app(book: &FunctionBook, tenant: TenantId, slug: String, name: String) -> App {
    let now = Timestamp::from(clock::now());
    App { tenant, id: book.next_numbers(tenant).app, slug, name, created_at: now, updated_at: now }
}

/// The number of the app of this slug; the default one is made when it is not there.
fn app_for(
    book: &FunctionBook,
    tenant: TenantId,
    slug: Option<&str>,
) -> Result<(u64, Vec<FunctionChange>), FunctionError> {
    if let Some(app) = book.app_of_slug(tenant, slug.unwrap_or(DEFAULT_APP)) {
        return Ok((app.id, Vec::new()));
    }
    if slug.is_some_and(|slug| slug != DEFAULT_APP) {
        return Err(invalid("/app", "there is no app of this slug"));
    }
    let app = new_app(book, tenant, DEFAULT_APP.to_owned(), "Default".to_owned());
    Ok((app.id, vec![FunctionChange::PutApp(app)]))
}

/// Takes over every member the draft has.
fn update(function: &mut Function, draft: FunctionDraft) {
    fn set<T>(member: &mut T, given: Option<T>) {
        if let Some(given) = given {
            *member = given;
        }
    }
    set(&mut function.name, draft.name);
    set(&mut function.slug, draft.slug);
    set(&mut function.timeout_ms, draft.timeout_ms);
    set(&mut function.retry.enabled, draft.retry_enabled);
    set(&mut function.retry.schedule_s, draft.schedule_s);
    if let Some(url) = draft.url {
        function.target = Target::Http { url };
    }
}
