//! The writes that Quorate makes to a service's flag in all its stores, each one compare-and-swap a store and its reading back. No policy: whether to move was
//! decided before, and what to do about an error is decided after.
//!
//! ```text
//!   read all ── any newer epoch: Fenced ── next token ── swap ONCE in each that answered ── read all back
//!      │                                                                                        │
//!      ├ takeover: one must hold ours, or all say "absent"        takeover, raising: at least one store shows the new token
//!      └ lowering: all must answer, or nothing is sent            lowering: all stores do
//! ```
//!
//! One flag in several stores is several registers, and Route 53 takes the standby as soon as *one* of them is up. So:
//! - **Where the flag is** is said by the newest token of those stores that are up, and only if none is up by the newest of all. A store that was away when the
//!   others were moved keeps what it had; a takeover must not let it change where users go (S12: nothing goes back by itself).
//! - **Raising** is done when one store shows it. **Lowering** is done when all do.
//! - **Every write of a store follows what that store holds**, an older token of ours included: that is how a store that was away is caught up. Its
//!   compare-and-swap names the version read, so that each store's tokens only grow (S5).
//!
//! Upheld here: S5, S6 ([`read_token`]), S8 (an answer that was lost is resolved by reading back; a move is repeated with the same intent, and what has it is not
//! written again), S9 (a store that cannot be read is not taken for an empty one), S12.
//!
//! A store that is away during a takeover is **not fenced** ([`TakenOver::behind`]): a late write of the predecessor may still arrive there. [`catch_up`] closes
//! that when it is back.

use std::fmt;

use crate::domain::{Class, ClusterName, Fence, FlipIntent, OwnedFlag, Role, ServiceName, Token};
use crate::ports::{FlagCopy, FlagStore, FlagWrite, PortError};

/// A store that is not as the flag is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The object's place.
    pub store: String,
    /// Why.
    pub error: PortError,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Errors of the port begin with the place.
        if self.error.what.starts_with(&self.store) {
            self.error.fmt(f)
        } else {
            write!(f, "{}: {}", self.store, self.error)
        }
    }
}

/// A flag that was fenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The token before: what the predecessor's last move was. Of a flag that no store had, the token of one that was never moved.
    pub before: Token,
    /// The flag, with our token.
    pub flag: OwnedFlag,
    /// The stores that are not fenced.
    pub behind: Vec<Behind>,
}

/// A flag that was raised or lowered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The flag as it is now.
    pub flag: OwnedFlag,
    /// The stores in which it was seen.
    pub stores: Vec<String>,
    /// Those in which it was not. Lowering leaves none.
    pub behind: Vec<Behind>,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.flag.serving() {
            Role::Standby => "raised",
            Role::Primary => "lowered",
        };
        write!(f, "{word} in {}", self.stores.join(", "))?;
        if !self.behind.is_empty() {
            write!(f, "; not in {}", listed(&self.behind))?;
        }
        Ok(())
    }
}

/// The newest token in any store, for the epoch of a takeover: one more than the larger of the store's and this one's (S6). A flag that is nowhere has the
/// token of one that was never moved.
///
/// # Errors
/// `Retry` or `Broken` when no store holds ours and not all say that there is none.
pub async fn read_token(
    store: &dyn FlagStore,
    cluster: &ClusterName,
    service: &ServiceName,
) -> Result<Token, PortError> {
    let copies = Copies::read(store, cluster, service).await?;
    Ok(copies.position()?.map_or_else(|| Token::unmoved(cluster.clone()), |position| position.newest.clone()))
}

/// Where the flag is, for whoever only looks: its token, and the stores that differ from it.
///
/// # Errors
/// As [`read_token`].
pub async fn look(
    store: &dyn FlagStore,
    cluster: &ClusterName,
    service: &ServiceName,
) -> Result<(Token, Vec<Behind>), PortError> {
    let copies = Copies::read(store, cluster, service).await?;
    match copies.position()? {
        None => Ok((Token::unmoved(cluster.clone()), Vec::new())),
        Some(position) => {
            let token = position.says.clone();
            let (_, behind) = copies.compared(&token, &[]);
            Ok((token, behind))
        }
    }
}

/// Writes this leader's token to every store that answers, with the flag up or down as it was, and reads it back. Before this has succeeded, no evidence counts: a
/// write of the predecessor that is still on its way would otherwise arrive after it. A flag that is in no store is created, lowered.
///
/// # Errors
/// `Fenced`: a store's epoch is newer than ours. `Retry`: nothing is known, or the write has arrived nowhere; taking over again is safe. `Broken`: no store holds a flag
/// of ours, and in one there is something else, or it needs a person.
pub async fn take_over(
    store: &dyn FlagStore,
    fence: &Fence,
    cluster: &ClusterName,
    service: &ServiceName,
) -> Result<TakenOver, PortError> {
    let copies = Copies::read(store, cluster, service).await?;
    copies.none_newer(fence)?;
    let (before, newest) = match copies.position()? {
        Some(position) => (position.says.clone(), position.newest.clone()),
        None => (Token::unmoved(cluster.clone()), Token::unmoved(cluster.clone())),
    };
    // The number follows the newest write, and the move is that of the store that says where users go.
    let new = newest
        .advanced(fence)
        .map(|next| Token { serving: before.serving, digest: before.digest.clone(), ..next })
        .ok_or_else(|| newer(service, "a store", &newest, fence))?;
    let writes = store.swap(fence, &copies.answered(), &new).await;
    let now = Copies::read(store, cluster, service).await?;
    now.none_newer(fence)?;
    let (stores, behind) = now.compared(&new, &writes);
    // Refused, and yet the token is there: a twin with the same epoch would have written the same text, and its writes on their way are not fenced off by ours.
    let twin = writes.iter().find(|write| {
        matches!(&write.outcome, Err(error) if error.class == Class::Refused) && stores.contains(&write.store)
    });
    if let Some(twin) = twin {
        return Err(PortError::retry(format!(
            "the flag of {service}: {}: the takeover was refused, and the store has its token '{new}' all the same: the request arrived twice, or another \
             controller uses epoch {}; take over again",
            twin.store,
            fence.epoch()
        )));
    }
    if stores.is_empty() {
        return Err(failed(service, "the takeover has arrived in no store so far", &behind));
    }
    Ok(TakenOver { before, flag: OwnedFlag::new(new), behind })
}

/// Raises or lowers the flag by `intent`, which has been recorded before. Each store is written once, and then all are read back. Repeating it with the same
/// intent is safe, and goes on where it stopped.
///
/// # Errors
/// `Fenced`: a store's epoch is newer than ours. `Refused`: a store holds a token that is neither before the new one nor the new one. `Retry`: it is unknown whether the
/// move was or will be made in enough stores. `Broken`: the intent is not one of this flag, or a store that is needed needs a person.
pub async fn move_flag(
    store: &dyn FlagStore,
    fence: &Fence,
    cluster: &ClusterName,
    service: &ServiceName,
    present: &OwnedFlag,
    intent: &FlipIntent,
) -> Result<Moved, PortError> {
    let FlipIntent { expected, new } = intent;
    if present.token() != expected {
        return Err(PortError::refused(format!(
            "the flag of {service}: the move expects the token '{expected}', and the flag has '{}'",
            present.token()
        )));
    }
    if new.epoch != fence.epoch() {
        return Err(PortError::fenced(format!(
            "the flag of {service}: the move was planned under epoch {}, and this is epoch {}",
            new.epoch,
            fence.epoch()
        )));
    }
    if new.cluster != *cluster || !new.is_after(expected) {
        return Err(PortError::broken(format!(
            "the flag of {service}: the token '{new}' does not follow '{expected}'"
        )));
    }
    let copies = Copies::read(store, cluster, service).await?;
    copies.none_newer(fence)?;
    copies.none_beyond(new)?;
    let (_, behind) = copies.compared(new, &[]);
    let unread: Vec<Behind> = copies.unread();
    match new.serving {
        // One that stays up keeps the standby in service; taken down in the others only, it would bring the standby back when it answers again.
        Role::Primary if !unread.is_empty() => {
            return Err(failed_all(service, "lowering needs every store, and nothing was written", &unread));
        }
        Role::Standby if unread.len() == copies.copies.len() => {
            return Err(failed(service, "no store can be read, and nothing was written", &unread));
        }
        Role::Primary | Role::Standby => {}
    }
    let due: Vec<FlagCopy> =
        copies.answered().into_iter().filter(|copy| behind.iter().any(|behind| behind.store == copy.store)).collect();
    let writes = if due.is_empty() { Vec::new() } else { store.swap(fence, &due, new).await };
    let now = Copies::read(store, cluster, service).await?;
    now.none_newer(fence)?;
    let (stores, behind) = now.compared(new, &writes);
    match new.serving {
        Role::Standby if stores.is_empty() => {
            now.none_beyond(new)?;
            Err(failed(service, "raised in no store so far, and still may be", &behind))
        }
        Role::Primary if !behind.is_empty() => {
            now.none_beyond(new)?;
            Err(failed_all(
                service,
                "not lowered everywhere, and one that is up keeps the standby in service",
                &behind,
            ))
        }
        Role::Standby | Role::Primary => Ok(Moved { flag: OwnedFlag::new(new.clone()), stores, behind }),
    }
}

/// Brings the stores that answer again, and hold an older token of ours or nothing, to the flag's token: the fence that they have missed. It never lowers a store that
/// is up, because only an operator's move sends users back. Returns the stores that still differ, and why.
///
/// # Errors
/// `Fenced`: a store's epoch is newer than ours. `Refused`: a store holds a later token than `flag`.
pub async fn catch_up(
    store: &dyn FlagStore,
    fence: &Fence,
    cluster: &ClusterName,
    service: &ServiceName,
    flag: &OwnedFlag,
) -> Result<Vec<Behind>, PortError> {
    let copies = Copies::read(store, cluster, service).await?;
    copies.none_newer(fence)?;
    copies.none_beyond(flag.token())?;
    let (_, behind) = copies.compared(flag.token(), &[]);
    let left_up = |copy: &FlagCopy| match &copy.held {
        Ok(Some(held)) => held.token.serving == Role::Standby && flag.serving() == Role::Primary,
        Ok(None) | Err(_) => false,
    };
    let due: Vec<FlagCopy> = copies
        .answered()
        .into_iter()
        .filter(|copy| !left_up(copy) && behind.iter().any(|behind| behind.store == copy.store))
        .collect();
    if due.is_empty() {
        return Ok(behind);
    }
    let writes = store.swap(fence, &due, flag.token()).await;
    let now = Copies::read(store, cluster, service).await?;
    now.none_newer(fence)?;
    Ok(now.compared(flag.token(), &writes).1)
}

/// Where the flag is.
struct Position<'a> {
    /// The latest write in any store.
    newest: &'a Token,
    /// The token of the store that says where users go.
    says: &'a Token,
}

/// What the stores held at one time.
struct Copies<'a> {
    service: &'a ServiceName,
    copies: Vec<FlagCopy>,
}

impl<'a> Copies<'a> {
    async fn read(store: &dyn FlagStore, cluster: &ClusterName, service: &'a ServiceName) -> Result<Self, PortError> {
        let mut copies = store.read().await;
        for copy in &mut copies {
            if let Ok(Some(held)) = &copy.held
                && held.token.cluster != *cluster
            {
                let what = format!("{}: the flag is the cluster '{}''s", copy.store, held.token.cluster);
                copy.held = Err(PortError::broken(what));
            }
        }
        if copies.is_empty() {
            return Err(PortError::broken(format!("the flag of {service} has no store")));
        }
        Ok(Self { service, copies })
    }

    fn tokens(&self) -> impl Iterator<Item = (&str, &Token)> {
        self.copies.iter().filter_map(|copy| {
            let held = copy.held.as_ref().ok()?.as_ref()?;
            Some((copy.store.as_str(), &held.token))
        })
    }

    /// None when every store says that there is no flag.
    fn position(&self) -> Result<Option<Position<'_>>, PortError> {
        let newest = newest(self.tokens().map(|(_, token)| token));
        let up = newest_up(self.tokens().map(|(_, token)| token));
        match newest {
            Some(newest) => Ok(Some(Position { newest, says: up.unwrap_or(newest) })),
            None => {
                let unread = self.unread();
                if unread.is_empty() {
                    return Ok(None);
                }
                Err(failed(self.service, "no store holds it, and not all of them can be read", &unread))
            }
        }
    }

    fn none_newer(&self, fence: &Fence) -> Result<(), PortError> {
        match self.tokens().find(|(_, token)| token.epoch > fence.epoch()) {
            Some((store, token)) => Err(newer(self.service, store, token, fence)),
            None => Ok(()),
        }
    }

    /// Whether nothing was written after `new`, nor anything else in its place.
    fn none_beyond(&self, new: &Token) -> Result<(), PortError> {
        match self.tokens().find(|(_, token)| *token != new && !new.is_after(token)) {
            Some((store, token)) => Err(PortError::refused(format!(
                "the flag of {}: {store}: somebody else wrote: the token is '{token}', and '{new}' cannot follow it",
                self.service
            ))),
            None => Ok(()),
        }
    }

    /// Those that could be read.
    fn answered(&self) -> Vec<FlagCopy> {
        self.copies.iter().filter(|copy| copy.held.is_ok()).cloned().collect()
    }

    /// Those that could not.
    fn unread(&self) -> Vec<Behind> {
        self.copies
            .iter()
            .filter_map(|copy| Some(Behind { store: copy.store.clone(), error: copy.held.as_ref().err()?.clone() }))
            .collect()
    }

    /// The stores that hold this token, and those that do not: each with what became of its write, where that tells more.
    fn compared(&self, token: &Token, writes: &[FlagWrite]) -> (Vec<String>, Vec<Behind>) {
        let mut with = Vec::new();
        let mut behind = Vec::new();
        for copy in &self.copies {
            let wrote =
                writes.iter().find(|write| write.store == copy.store).and_then(|write| write.outcome.as_ref().err());
            let error = match &copy.held {
                Ok(Some(held)) if held.token == *token => {
                    with.push(copy.store.clone());
                    continue;
                }
                Err(error) => error.clone(),
                Ok(held) => wrote.cloned().unwrap_or_else(|| {
                    let held = held.as_ref().map_or_else(|| "no flag".to_owned(), |held| format!("'{}'", held.token));
                    PortError::retry(format!("{}: it has {held}, and not '{token}'", copy.store))
                }),
            };
            behind.push(Behind { store: copy.store.clone(), error });
        }
        (with, behind)
    }
}

fn newest<'a>(tokens: impl Iterator<Item = &'a Token>) -> Option<&'a Token> {
    tokens.reduce(|a, b| if b.is_after(a) { b } else { a })
}

fn newest_up<'a>(tokens: impl Iterator<Item = &'a Token>) -> Option<&'a Token> {
    newest(tokens.filter(|token| token.serving == Role::Standby))
}

fn listed(behind: &[Behind]) -> String {
    behind.iter().map(Behind::to_string).collect::<Vec<_>>().join("; ")
}

/// Not all stores, where all are needed: a person is needed for any that will not get better by itself.
fn failed_all(service: &ServiceName, what: &str, behind: &[Behind]) -> PortError {
    let line = format!("the flag of {service}: {what}: {}", listed(behind));
    if behind.iter().any(|behind| behind.error.class == Class::Broken) {
        PortError::broken(line)
    } else {
        PortError::retry(line)
    }
}

/// No store, where one is enough. It may pass if one of those that are missing may come back; a person is needed when none can.
fn failed(service: &ServiceName, what: &str, behind: &[Behind]) -> PortError {
    let line = format!("the flag of {service}: {what}: {}", listed(behind));
    if behind.iter().any(|behind| behind.error.class != Class::Broken) {
        PortError::retry(line)
    } else {
        PortError::broken(line)
    }
}

fn newer(service: &ServiceName, store: &str, token: &Token, fence: &Fence) -> PortError {
    PortError::fenced(format!(
        "the flag of {service}: {store}: the token '{token}' is of epoch {}, and ours is {}: a newer controller has taken over",
        token.epoch,
        fence.epoch()
    ))
}
