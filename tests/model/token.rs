//! From the model's small marks to the real tokens and back, so that the arithmetic that is checked is the product's own.

use quorate::domain::{Authority, ClusterName, Epoch, Fence, Moment, PlanDigest, Role, Token};

use super::state::Mark;

fn token(mark: Mark) -> Token {
    Token {
        cluster: ClusterName::new("model").unwrap(),
        epoch: Epoch::new(mark.epoch.into()),
        seq: mark.seq.into(),
        serving: if mark.standby { Role::Standby } else { Role::Primary },
        digest: (mark.plan != 0).then(|| digest(mark.plan)),
    }
}

fn mark(token: &Token) -> Mark {
    Mark {
        epoch: token.epoch.get().try_into().unwrap(),
        seq: token.seq.try_into().unwrap(),
        standby: token.serving == Role::Standby,
        plan: token.digest.as_ref().map_or(0, |digest| u16::from_str_radix(&digest.to_string(), 16).unwrap()),
    }
}

fn digest(plan: u16) -> PlanDigest {
    PlanDigest::parse(&format!("{plan:016x}")).unwrap()
}

fn fence(epoch: u8) -> Fence {
    Authority::new(Epoch::new(epoch.into()), None).fence(Moment::default()).unwrap()
}

/// [`Epoch::following`].
pub(crate) fn following(one: u8, other: u8) -> u8 {
    Epoch::new(one.into()).following(Epoch::new(other.into())).get().try_into().unwrap()
}

/// [`Token::advanced`].
pub(crate) fn advanced(from: Mark, epoch: u8) -> Option<Mark> {
    token(from).advanced(&fence(epoch)).map(|token| mark(&token))
}

/// [`Token::moved`].
pub(crate) fn moved(from: Mark, epoch: u8, standby: bool, plan: u16) -> Option<Mark> {
    let serving = if standby { Role::Standby } else { Role::Primary };
    token(from).moved(&fence(epoch), serving, digest(plan)).map(|token| mark(&token))
}

/// [`Token::same_move`].
pub(crate) fn same_move(one: Mark, other: Mark) -> bool {
    token(one).same_move(&token(other))
}

/// [`Token::is_after`].
pub(crate) fn is_after(one: Mark, other: Mark) -> bool {
    token(one).is_after(&token(other))
}

#[test]
fn a_mark_is_a_token_and_back_through_the_text_in_the_zone() {
    for mark_ in [Mark::default(), Mark { epoch: 4, seq: 7, standby: true, plan: 0x0123 }] {
        let real = Token::parse(&token(mark_).to_string()).unwrap();
        assert_eq!((&real, mark(&real)), (&token(mark_), mark_));
    }
}
