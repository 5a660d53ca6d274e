//! One name in two zones at two providers: which zone's word counts, what each is sent, and what two answers mean together. Pure: the
//! adapter asks and sends, and decides nothing.
//!
//! Each zone has a token of its own, and a write counts when one of them took it, so that a dead provider stops nothing. The zone
//! with the newer token is the *position*; the other is *behind*, and is caught up from what it really holds. What that costs: a
//! controller that takes over while one provider is silent has fenced off the other one only, and does not know of a move that
//! the silent one alone may have taken. Therefore a zone that is behind is never led back from the standby to the primary by the
//! way, but only by a planned move (S12): its move to the standby may be the one that the position has missed.
//!
//! What the two answers to a write mean together, whichever of the two gave which:
//!
//! | one \ the other | accepted | refused | unknown | unable | fenced |
//! |---|---|---|---|---|---|
//! | accepted | done | `Retry` | done | done | `Fenced` |
//! | refused  |      | `Refused` | `Retry` | `Refused` | `Fenced` |
//! | unknown  |      |         | `Retry` | `Retry` | `Fenced` |
//! | unable   |      |         |         | the worse of the two | `Fenced` |
//! | fenced   |      |         |         |        | `Fenced` |
//!
//! *Unable* is a provider that was not asked or could not do it, so that nothing was applied there: dead, without permission.
//! Accepted and refused means that somebody wrote between our look and our write: reading back says who has the newer token.

use super::{ChangeBatch, Class, OwnedRecords, PortError, RecordsError, Role, Token};

/// The same for each of the two zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Both<T> {
    /// Of the zone that the service names first.
    pub first: T,
    /// Of the other.
    pub second: T,
}

impl<T> Both<T> {
    /// Borrows them.
    pub fn as_ref(&self) -> Both<&T> {
        Both { first: &self.first, second: &self.second }
    }

    /// The same of each.
    pub fn map<U>(self, mut of: impl FnMut(T) -> U) -> Both<U> {
        Both { first: of(self.first), second: of(self.second) }
    }

    /// Each with its counterpart.
    pub fn zip<U>(self, other: Both<U>) -> Both<(T, U)> {
        Both { first: (self.first, other.first), second: (self.second, other.second) }
    }
}

/// What is seen of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Ours and whole.
    Owned(OwnedRecords),
    /// Somebody else's, or not whole.
    Foreign(RecordsError),
    /// It could not be read.
    Silent(PortError),
}

/// Which zone's word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// The first one's, or both, which agree.
    First,
    /// The second one's.
    Second,
}

/// Where the name is, by both zones.
///
/// # Errors
/// `Broken`, naming the provider: its records are not ours or not whole, or both have a token of the same write with
/// different texts. `Retry`: neither can be read; `Broken` when neither will be by itself.
pub fn position(labels: Both<&str>, sights: Both<&Sight>) -> Result<Position, PortError> {
    let foreign = labels.zip(sights).map(|(label, sight)| match sight {
        Sight::Foreign(error) => Some(PortError::broken(format!("at {label}: {error}"))),
        Sight::Owned(_) | Sight::Silent(_) => None,
    });
    if let Some(error) = foreign.first.or(foreign.second) {
        return Err(error);
    }
    match (sights.first, sights.second) {
        (Sight::Owned(first), Sight::Owned(second)) => match (first.token(), second.token()) {
            (first, second) if first.is_after(second) || first == second => Ok(Position::First),
            (first, second) if second.is_after(first) => Ok(Position::Second),
            (first, second) => Err(PortError::broken(format!(
                "{} has the token '{first}' and {} '{second}': the same write, and two different moves; somebody changed one by \
                 hand, and a person must decide which is right",
                labels.first, labels.second
            ))),
        },
        (Sight::Owned(_), _) => Ok(Position::First),
        (_, Sight::Owned(_)) => Ok(Position::Second),
        (Sight::Silent(first), Sight::Silent(second)) => Err(unable(labels, first, second)),
        (Sight::Foreign(_), _) | (_, Sight::Foreign(_)) => {
            Err(PortError::broken("a zone that is not ours was not refused"))
        }
    }
}

/// What a person should know of the two zones beyond the position: who is silent, and who is behind.
pub fn remarks(labels: Both<&str>, sights: Both<&Sight>) -> Vec<String> {
    let silent = labels.zip(sights).map(|(label, sight)| match sight {
        Sight::Silent(error) => Some(format!("{label} does not answer: {error}")),
        Sight::Owned(_) | Sight::Foreign(_) => None,
    });
    let mut remarks: Vec<String> = [silent.first, silent.second].into_iter().flatten().collect();
    if let (Sight::Owned(first), Sight::Owned(second)) = (sights.first, sights.second) {
        let (first, second) = ((labels.first, first.token()), (labels.second, second.token()));
        let behind = |(old, older): (&str, &Token), (new, newer): (&str, &Token)| {
            newer.is_after(older).then(|| format!("{old} is behind: it has '{older}', and {new} has '{newer}'"))
        };
        remarks.extend(behind(first, second).or_else(|| behind(second, first)));
    }
    remarks
}

/// What is to be done at a zone about a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Send it, based on what the zone holds.
    Send,
    /// It is there already.
    Done,
    /// Leave the zone as it is; the text says what a person must do.
    Leave(String),
    /// Somebody else wrote: nothing may be sent to either zone.
    Refuse(String),
    /// A newer controller wrote: nothing may be sent to either zone.
    Fenced(String),
}

/// What to do about `batch` at a zone that holds this.
pub fn order(label: &str, batch: &ChangeBatch, held: &OwnedRecords) -> Order {
    let (expected, new, held) = (batch.expected(), batch.new_token(), held.token());
    if held == new {
        Order::Done
    } else if held.epoch > new.epoch {
        Order::Fenced(format!("{label} has the token '{held}' of a newer controller"))
    } else if held == expected {
        Order::Send
    } else if !expected.is_after(held) {
        Order::Refuse(format!("{label} has the token '{held}', and '{expected}' was expected: somebody else wrote"))
    } else if batch.wanted().is_none() && leads_back(held, new) {
        Order::Leave(led_back(label, held, new))
    } else {
        Order::Send
    }
}

/// Whether catching up would take a zone from the standby back to the primary.
pub fn leads_back(held: &Token, new: &Token) -> bool {
    held.serving == Role::Standby && new.serving == Role::Primary
}

/// Why a zone is not caught up, and the way out.
pub fn led_back(label: &str, held: &Token, new: &Token) -> String {
    format!(
        "{label} is behind and serves the standby by a move that the other zone may have missed: it has '{held}', and is not led back to \
         '{new}' by the way; decide which site is right, and fail over or back to it"
    )
}

/// How a write ended at one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Applied.
    Accepted,
    /// Rejected; nothing was applied.
    Refused(String),
    /// Applied or not.
    Unknown(String),
    /// Not asked, or not able: nothing was applied.
    Unable(PortError),
    /// A newer controller is there.
    Fenced(String),
}

impl End {
    /// From a provider's answer.
    pub fn of<T>(answer: &Result<T, PortError>) -> Self {
        match answer {
            Ok(_) => Self::Accepted,
            Err(error) => match error.class {
                Class::Refused => Self::Refused(error.what.clone()),
                Class::Retry => Self::Unknown(error.what.clone()),
                Class::Fenced => Self::Fenced(error.what.clone()),
                Class::Broken => Self::Unable(error.clone()),
            },
        }
    }

    fn what(&self) -> &str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused(what) | Self::Unknown(what) | Self::Fenced(what) => what,
            Self::Unable(error) => &error.what,
        }
    }
}

/// What the two ends mean together: the table above.
pub fn together(labels: Both<&str>, ends: Both<&End>) -> Result<(), PortError> {
    let say = || format!("{}: {}; {}: {}", labels.first, ends.first.what(), labels.second, ends.second.what());
    match (ends.first, ends.second) {
        (End::Fenced(_), _) | (_, End::Fenced(_)) => Err(PortError::fenced(say())),
        (End::Accepted, End::Refused(_)) | (End::Refused(_), End::Accepted) => Err(PortError::retry(say())),
        (End::Accepted, _) | (_, End::Accepted) => Ok(()),
        (End::Unknown(_), _) | (_, End::Unknown(_)) => Err(PortError::retry(say())),
        (End::Refused(_), _) | (_, End::Refused(_)) => Err(PortError::refused(say())),
        (End::Unable(first), End::Unable(second)) => Err(unable(labels, first, second)),
    }
}

/// Neither can: it may heal when one of them may.
fn unable(labels: Both<&str>, first: &PortError, second: &PortError) -> PortError {
    let class =
        if first.class == Class::Broken && second.class == Class::Broken { Class::Broken } else { Class::Retry };
    PortError { class, what: format!("{}: {first}; {}: {second}", labels.first, labels.second) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: Both<&str> = Both { first: "route53", second: "bind" };

    fn silent(class: Class) -> Sight {
        Sight::Silent(PortError { class, what: "away".to_owned() })
    }

    #[test]
    fn every_pair_of_answers_has_its_meaning_either_way_round() {
        let text = || "why".to_owned();
        let accepted = End::Accepted;
        let refused = End::Refused(text());
        let unknown = End::Unknown(text());
        let dead = End::Unable(PortError::retry("dead"));
        let barred = End::Unable(PortError::broken("barred"));
        let fenced = End::Fenced(text());
        for (one, other, meaning) in [
            (&accepted, &accepted, None),
            (&accepted, &refused, Some(Class::Retry)),
            (&accepted, &unknown, None),
            (&accepted, &dead, None),
            (&accepted, &barred, None),
            (&accepted, &fenced, Some(Class::Fenced)),
            (&refused, &refused, Some(Class::Refused)),
            (&refused, &unknown, Some(Class::Retry)),
            (&refused, &dead, Some(Class::Refused)),
            (&refused, &barred, Some(Class::Refused)),
            (&refused, &fenced, Some(Class::Fenced)),
            (&unknown, &unknown, Some(Class::Retry)),
            (&unknown, &dead, Some(Class::Retry)),
            (&unknown, &barred, Some(Class::Retry)),
            (&unknown, &fenced, Some(Class::Fenced)),
            (&dead, &dead, Some(Class::Retry)),
            (&dead, &barred, Some(Class::Retry)),
            (&barred, &barred, Some(Class::Broken)),
            (&dead, &fenced, Some(Class::Fenced)),
            (&fenced, &fenced, Some(Class::Fenced)),
        ] {
            for (first, second) in [(one, other), (other, one)] {
                let meant = together(LABELS, Both { first, second }).err().map(|error| error.class);
                assert_eq!(meant, meaning, "{first:?} and {second:?}");
            }
        }
    }

    #[test]
    fn of_two_that_cannot_be_read_nothing_is_known() {
        for (first, second, class) in [
            (Class::Retry, Class::Retry, Class::Retry),
            (Class::Retry, Class::Broken, Class::Retry),
            (Class::Broken, Class::Broken, Class::Broken),
        ] {
            let sights = Both { first: silent(first), second: silent(second) };
            let error = position(LABELS, sights.as_ref()).unwrap_err();
            assert_eq!(error.class, class);
            assert!(error.what.contains("route53: away") && error.what.contains("bind: away"), "{error}");
        }
    }

    #[test]
    fn a_zone_is_not_led_back_from_the_standby_by_the_way() {
        let token = |text: &str| Token::parse(text).unwrap();
        let standby = token("v1;c=demo;e=5;s=1;t=standby;d=0123456789abcdef");
        let primary = token("v1;c=demo;e=6;s=0;t=primary;d=-");
        assert!(leads_back(&standby, &primary));
        assert!(
            !leads_back(&primary, &standby) && !leads_back(&standby, &standby) && !leads_back(&primary, &primary)
        );
    }
}
