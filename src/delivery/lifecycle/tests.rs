//! Every status against every request, and a life of random requests.

use super::*;
use crate::model::{
    BodyFormat, DestinationId, Ordering, RetryPolicy, SealedSecret, Sequence, TenantId, UnixMillis,
};
use proptest::prelude::*;

const AT: i64 = 1_771_135_204_000;

fn destination(status: DestinationStatus, verification: Verification, verified: bool) -> Destination {
    let at = Timestamp::from(UnixMillis(AT));
    Destination {
        id: DestinationId(1),
        tenant: TenantId(1),
        url: "https://one.example/".to_owned(),
        description: String::new(),
        events: Vec::new(),
        filter: None,
        format: Some(BodyFormat::Envelope),
        status,
        deactivation: None,
        verification,
        verified,
        headers: std::collections::BTreeMap::new(),
        retry: RetryPolicy { enabled: true, schedule_s: vec![5] },
        timeout_ms: 1000,
        max_in_flight: 1,
        rate_limit_per_s: None,
        ordering: Ordering::None,
        signature_header: "X".to_owned(),
        secrets: Vec::new(),
        start_after: Sequence(0),
        declared: false,
        created_at: at,
        updated_at: at,
    }
}

fn later() -> Timestamp {
    Timestamp::from(UnixMillis(AT + 1000))
}

fn verified(url: &str) -> Request {
    Request::Verified(url.to_owned(), Verification::Challenge)
}

/// The status and what is told, or `None` when nothing changes.
fn outcome(current: &Destination, request: Request) -> Option<(DestinationStatus, Option<Told>)> {
    change(current, request, later()).unwrap().map(|changed| {
        assert_eq!(changed.destination.updated_at, later());
        (changed.destination.status, changed.told)
    })
}

#[test]
fn every_status_and_every_request() {
    use DestinationStatus::{Active, Deactivated, Pending};
    let url = || "https://one.example/".to_owned();
    let how = Verification::Challenge;
    let (pending, active) = (destination(Pending, how, false), destination(Active, how, true));
    let off = destination(Deactivated, how, true);
    let failed = || Request::Failed(url(), "so it is".to_owned());
    let (on_told, off_told) =
        (Some((Active, Some(Told::Activated))), Some((Deactivated, Some(Told::Deactivated))));
    let table = [
        (&pending, verified(&url()), on_told),
        (&active, verified(&url()), None),
        (&off, verified(&url()), None),
        (&pending, Request::Gone(url()), None),
        (&active, Request::Gone(url()), off_told),
        (&off, Request::Gone(url()), None),
        (&pending, failed(), None),
        (&active, failed(), off_told),
        (&off, failed(), None),
        (&pending, Request::Deactivate, off_told),
        (&active, Request::Deactivate, off_told),
        (&off, Request::Deactivate, None),
        (&active, Request::Activate, None),
        (&off, Request::Activate, on_told),
    ];
    for (current, request, expected) in table {
        assert_eq!(outcome(current, request.clone()), expected, "{:?} {request:?}", current.status);
    }
    assert_eq!(change(&pending, Request::Activate, later()), Err(Unverified));
    let never = destination(Deactivated, how, false);
    assert_eq!(outcome(&never, Request::Activate), Some((Pending, None)), "it must consent first");
    let free = destination(Deactivated, Verification::None, false);
    assert_eq!(outcome(&free, Request::Activate), on_told);
}

#[test]
fn an_answer_of_another_url_changes_nothing() {
    use DestinationStatus::{Active, Pending};
    let (pending, active) = (
        destination(Pending, Verification::Challenge, false),
        destination(Active, Verification::None, false),
    );
    let other = "https://other.example/".to_owned();
    assert_eq!(outcome(&pending, verified(&other)), None);
    let ping = Request::Verified(pending.url.clone(), Verification::Ping);
    assert_eq!(outcome(&pending, ping), None, "it was asked less than it is now");
    assert_eq!(outcome(&active, Request::Gone(other.clone())), None);
    assert_eq!(outcome(&active, Request::Failed(other, String::new())), None);
}

#[test]
fn another_url_or_another_verification_must_be_consented_to_again() {
    use DestinationStatus::{Active, Deactivated, Pending};
    let become_with = |current: &Destination, edit: fn(&mut Destination)| {
        let mut wanted = current.clone();
        edit(&mut wanted);
        outcome(current, Request::Become(Box::new(wanted)))
    };
    let active = destination(Active, Verification::Challenge, true);
    let new_url: fn(&mut Destination) = |one| one.url = "https://two.example/".to_owned();
    assert_eq!(become_with(&active, new_url), Some((Pending, None)));
    assert_eq!(become_with(&active, |one| one.verification = Verification::Ping), Some((Pending, None)));
    assert_eq!(become_with(&active, |one| one.timeout_ms = 5), Some((Active, None)));
    assert_eq!(become_with(&active, |_| ()), None);
    let pending = destination(Pending, Verification::Challenge, false);
    let need_not: fn(&mut Destination) = |one| one.verification = Verification::None;
    assert_eq!(become_with(&pending, need_not), Some((Active, Some(Told::Activated))));
    let off = destination(Deactivated, Verification::Challenge, true);
    assert_eq!(become_with(&off, new_url), Some((Deactivated, None)));
    let free = destination(Active, Verification::None, false);
    assert_eq!(become_with(&free, new_url), Some((Active, None)));
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let url = prop_oneof![Just("https://one.example/".to_owned()), Just("https://two.example/".to_owned())];
    let how = prop_oneof![Just(Verification::None), Just(Verification::Ping), Just(Verification::Challenge)];
    let request = (url, how, 0..6_u8).prop_map(|(url, how, which)| match which {
        0 => Request::Verified(url, how),
        1 => Request::Gone(url),
        2 => Request::Failed(url, "failed".to_owned()),
        3 => Request::Deactivate,
        4 => Request::Activate,
        _ => {
            let mut wanted = destination(DestinationStatus::Active, how, true);
            wanted.url = url;
            Request::Become(Box::new(wanted))
        }
    });
    prop::collection::vec(request, 0..60)
}

proptest! {
    #[test]
    fn only_a_url_that_consented_is_ever_active(requests in requests(), how in 0..3_u8) {
        let how = [Verification::None, Verification::Ping, Verification::Challenge][usize::from(how)];
        let mut current = destination(DestinationStatus::Pending, how, false);
        current.status = first_status(&current);
        let mut consented: Option<(String, Verification)> = None;
        for request in requests {
            let before = current.clone();
            let request = match request {
                Request::Become(mut wanted) => {
                    // As a caller would: what it is, with what is asked for.
                    (wanted.status, wanted.verified) = (before.status, before.verified);
                    wanted.deactivation.clone_from(&before.deactivation);
                    Request::Become(wanted)
                }
                request => request,
            };
            if let Request::Verified(url, how) = &request
                && (url, how) == (&before.url, &before.verification)
            {
                consented = Some((url.clone(), *how));
            }
            if let Ok(Some(changed)) = change(&before, request, later()) {
                current = changed.destination;
                let is_switch = |status| current.status == status && before.status != status;
                let told = match changed.told {
                    Some(Told::Activated) => is_switch(DestinationStatus::Active),
                    Some(Told::Deactivated) => is_switch(DestinationStatus::Deactivated),
                    None => !is_switch(DestinationStatus::Active) && !is_switch(DestinationStatus::Deactivated),
                };
                prop_assert!(told, "{:?} after {:?}, told {:?}", current.status, before.status, changed.told);
            }
            if (&before.url, before.verification) != (&current.url, current.verification) {
                consented = None;
            }
            if current.status == DestinationStatus::Active && current.verification != Verification::None {
                prop_assert_eq!(&consented, &Some((current.url.clone(), current.verification)));
            }
            let is_off = current.status == DestinationStatus::Deactivated;
            prop_assert_eq!(current.deactivation.is_some(), is_off);
        }
    }
}

#[test]
fn secrets_whose_overlap_is_over_are_forgotten_in_silence() {
    let secret = |expires_at| SealedSecret { sealed: format!("{expires_at:?}"), expires_at };
    let mut one = destination(DestinationStatus::Deactivated, Verification::None, false);
    let ends = [
        None,
        Some(Timestamp::from(UnixMillis(AT))),
        Some(later()),
        Some(Timestamp::from(UnixMillis(AT + 1001))),
    ];
    one.secrets = ends.map(secret).to_vec();
    let changed = change(&one, Request::ForgetSecrets, later()).unwrap().unwrap();
    let left: Vec<_> = changed.destination.secrets.iter().map(|secret| secret.expires_at).collect();
    assert_eq!(left, [ends[0], ends[3]]);
    assert_eq!((changed.told, changed.destination.updated_at), (None, one.updated_at));
    assert_eq!(change(&changed.destination, Request::ForgetSecrets, later()), Ok(None));
}
