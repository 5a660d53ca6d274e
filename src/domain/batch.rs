//! The one kind of write that Quorate makes: a batch that swaps the ownership token, and with it what moves. A batch that does not
//! swap it does not exist here.

use super::{Change, OwnedRecords, RecordSet, Service, Token};

/// An all-or-nothing write that swaps the token, alone (a *fence write*) or together with the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeBatch {
    expected: Token,
    new: Token,
    changes: Vec<Change>,
    wanted: Option<Vec<RecordSet>>,
    comment: String,
}

impl ChangeBatch {
    /// A write of the token alone: from then on every older batch is refused.
    pub fn fence(present: &OwnedRecords, new: Token) -> Self {
        let comment = format!("quorate fence e={} s={}", new.epoch, new.seq);
        Self { expected: present.token.clone(), changes: Self::swap(present, &new), new, wanted: None, comment }
    }

    /// A write that moves all of the service's names to `new.serving`. The state after it has every record (S16): they come
    /// from the service, whose sites are always two.
    pub fn flip(present: &OwnedRecords, service: &Service, new: Token) -> Self {
        let wanted = OwnedRecords::wanted(service, new.serving);
        let mut changes = Self::swap(present, &new);
        // What stays as it is needs no change, and a provider may refuse one that changes nothing.
        let gone = present.payload.iter().filter(|set| !wanted.contains(set)).cloned();
        let added = wanted.iter().filter(|set| !present.payload.contains(set)).cloned();
        changes.extend(gone.map(Change::Delete));
        changes.extend(added.map(Change::Create));
        let digest = new.digest.as_ref().map(ToString::to_string).unwrap_or_default();
        let comment = format!("quorate {} to {} d={digest} e={} s={}", service.name, new.serving, new.epoch, new.seq);
        Self { expected: present.token.clone(), new, changes, wanted: Some(wanted), comment }
    }

    /// A write of our mark where there is none, or exactly this one of another cluster's. `expected` is that one's token, or where there
    /// was none that of one that was never moved. The records stay as they are.
    pub(super) fn adopt(service: &Service, mark: Option<&RecordSet>, expected: Token, new: Token) -> Self {
        let created = Change::Create(OwnedRecords::mark_of(service, &new));
        let changes = mark.cloned().map(Change::Delete).into_iter().chain([created]).collect();
        let comment = format!("quorate adopt {} e={} s={}", service.name, new.epoch, new.seq);
        Self { expected, new, changes, wanted: None, comment }
    }

    /// A write that makes the records those of `new.serving` and the mark `new`, from exactly what the zone holds of both.
    pub(super) fn repair(
        service: &Service,
        marks: &[RecordSet],
        payload: &[RecordSet],
        expected: Token,
        new: Token,
    ) -> Self {
        let wanted = OwnedRecords::wanted(service, new.serving);
        let mut changes: Vec<Change> = marks.iter().cloned().map(Change::Delete).collect();
        changes.push(Change::Create(OwnedRecords::mark_of(service, &new)));
        changes.extend(payload.iter().filter(|set| !wanted.contains(set)).cloned().map(Change::Delete));
        changes.extend(wanted.iter().filter(|set| !payload.contains(set)).cloned().map(Change::Create));
        let comment = format!("quorate repair {} e={} s={}", service.name, new.epoch, new.seq);
        Self { expected, new, changes, wanted: Some(wanted), comment }
    }

    fn swap(present: &OwnedRecords, new: &Token) -> Vec<Change> {
        let mark = RecordSet { values: vec![new.to_string()], ..present.mark.clone() };
        vec![Change::Delete(present.mark.clone()), Change::Create(mark)]
    }

    /// The same write for another zone that has the same names: based on what that zone really holds, in the shape of its
    /// routing. Where the zone points elsewhere than the new token says, a fence write moves its records, too.
    #[must_use]
    pub fn rebased(&self, present: &OwnedRecords, service: &Service) -> Self {
        let moves = self.wanted.is_some() || present.serving() != self.new.serving;
        let rebased = if moves {
            Self::flip(present, service, self.new.clone())
        } else {
            Self::fence(present, self.new.clone())
        };
        Self { comment: self.comment.clone(), ..rebased }
    }

    /// The token that must be in the zone.
    pub fn expected(&self) -> &Token {
        &self.expected
    }

    /// The token that will be.
    pub fn new_token(&self) -> &Token {
        &self.new
    }

    /// The records as they will be; none where only the token changes.
    pub fn wanted(&self) -> Option<&[RecordSet]> {
        self.wanted.as_deref()
    }

    /// The changes, in the order in which the provider applies them.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The ownership record as it will be.
    pub fn mark(&self) -> Option<&RecordSet> {
        self.changes.iter().find_map(|change| match change {
            Change::Create(set) if set.values == [self.new.to_string()] => Some(set),
            Change::Create(_) | Change::Delete(_) => None,
        })
    }

    /// What the provider's own log should say; at most 256 characters.
    pub fn comment(&self) -> &str {
        self.comment.get(..256).unwrap_or(&self.comment)
    }
}
