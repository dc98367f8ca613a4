//! Switching destinations on and off, and verifying them again.

use super::{ManageError, open_secrets};
use crate::actors::{Keeper, Question};
use crate::broker::Broker;
use crate::clock;
use crate::delivery::lifecycle::{Request, change};
use crate::model::{Destination, DestinationId, DestinationStatus, Sequence, TenantId, Timestamp};
use crate::webhook::Answer;
use std::sync::Arc;

/// What becomes of the events that a destination has not been sent when it is switched on again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backlog {
    /// They are sent.
    #[default]
    Send,
    /// They are given up, retries that wait as well: it goes on with the next event.
    Skip,
}

/// What came of asking an endpoint for its consent.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// The destination as it is now.
    pub destination: Arc<Destination>,
    /// Whether the endpoint consented.
    pub consented: bool,
    /// What it answered.
    pub answer: Answer,
}

impl Broker {
    /// Switches a destination on. One that is on already stays as it is; one whose endpoint has not consented yet is
    /// verified first, or refused when it waits for that already.
    pub async fn activate_destination(
        &self,
        tenant: TenantId,
        id: DestinationId,
        backlog: Backlog,
    ) -> Result<Arc<Destination>, ManageError> {
        let skip_to = match backlog {
            Backlog::Send => None,
            Backlog::Skip => Some(self.log().bounds().borrow().head),
        };
        self.switch(tenant, id, Request::Activate, skip_to).await
    }

    /// Switches a destination off. Its place and what waits for it are kept.
    pub async fn deactivate_destination(
        &self,
        tenant: TenantId,
        id: DestinationId,
    ) -> Result<Arc<Destination>, ManageError> {
        self.switch(tenant, id, Request::Deactivate, None).await
    }

    async fn switch(
        &self,
        tenant: TenantId,
        id: DestinationId,
        request: Request,
        skip_to: Option<Sequence>,
    ) -> Result<Arc<Destination>, ManageError> {
        let _one_at_a_time = self.0.life.managing().await;
        let current = self.destination(tenant, id)?;
        match change(&current, request, Timestamp::from(clock::now()))? {
            Some(changed) => Ok(self.0.life.put(&current, changed, skip_to, Vec::new()).await?),
            None => Ok(current),
        }
    }

    /// Asks a destination's endpoint for its consent once, now. A pending one is active when it consents; one that is
    /// active stays so whatever it answers.
    pub async fn verify_destination(
        &self,
        tenant: TenantId,
        id: DestinationId,
    ) -> Result<Verified, ManageError> {
        let current = self.destination(tenant, id)?;
        if current.status == DestinationStatus::Deactivated {
            return Err(ManageError::Off);
        }
        let question = Question::new(&current).ok_or(ManageError::NothingToVerify)?;
        let recipient = self.recipient(&current, &open_secrets(self.secrets(), &current));
        let answer = self.ask(tenant, question.request(&recipient, 1)).await?;
        let consented = question.is_answered_by(&answer);
        if consented {
            let request = Request::Verified(current.url.clone(), current.verification);
            Keeper::change(&self.0.life, id, request, Vec::new()).await?;
        }
        Ok(Verified { destination: self.destination(tenant, id)?, consented, answer })
    }
}
