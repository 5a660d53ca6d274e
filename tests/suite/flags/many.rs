//! One flag in two stores: which of them says where users go, and what becomes of one that was away.

use super::*;

/// Two places, and both open.
async fn pair() -> (Shop, Shop, FlagStores) {
    let (a, b) = (Shop::folder().await, Shop::ministack().await);
    let both = open(vec![a.store(), b.store()]).await;
    (a, b, both)
}

async fn is_up(shop: &Shop) -> bool {
    shop.text(OBJECT).await.is_some_and(|text| text.contains(PHRASE))
}

#[tokio::test]
async fn one_store_is_enough_to_raise_and_the_other_is_named() {
    let (a, b, both) = pair().await;
    let taken = take_over(&both, 1).await.unwrap();
    let without_b = open(vec![a.store(), b.away()]).await;
    let up = moved(&without_b, 1, &taken.flag, Role::Standby, 1).await;
    assert!(is_up(&a).await && !is_up(&b).await);
    assert_eq!((up.stores.len(), up.behind.len()), (1, 1));
    let line = up.to_string();
    assert!(
        line.contains("raised in file://") && line.contains("not in s3://flags/") && line.contains("no answer"),
        "{line}"
    );

    // The same intent again, when it is back: what has it is left alone.
    let raise = FlipIntent { expected: taken.flag.token().clone(), new: up.flag.token().clone() };
    let now = go(&both, 1, &taken.flag, &raise).await.unwrap();
    assert!(now.behind.is_empty() && is_up(&a).await && is_up(&b).await);
}

#[tokio::test]
async fn lowering_needs_every_store_and_touches_none_without() {
    let (a, b, both) = pair().await;
    let taken = take_over(&both, 1).await.unwrap();
    let up = moved(&both, 1, &taken.flag, Role::Standby, 1).await;
    let lower = intent(&up.flag, 1, Role::Primary, 2);
    let without_b = open(vec![a.store(), b.away()]).await;
    let error = go(&without_b, 1, &up.flag, &lower).await.unwrap_err();
    assert_eq!(error.class, Class::Retry);
    assert!(error.what.contains("needs every store, and nothing was written: s3://flags/"), "{error}");
    assert!(is_up(&a).await && is_up(&b).await);

    // One that needs a person needs one.
    let text = b.text(OBJECT).await.unwrap();
    b.write(OBJECT, "by hand").await;
    let error = go(&both, 1, &up.flag, &lower).await.unwrap_err();
    assert_eq!(error.class, Class::Broken, "{error}");
    assert!(is_up(&a).await);

    b.write(OBJECT, &text).await;
    go(&both, 1, &up.flag, &lower).await.unwrap();
    assert!(!is_up(&a).await && !is_up(&b).await);
}

#[tokio::test]
async fn with_every_store_away_nothing_is_known_and_nothing_done() {
    let (a, b) = (Shop::ministack().await, Shop::ministack().await);
    let both = open(vec![a.store(), b.store()]).await;
    let taken = take_over(&both, 1).await.unwrap();
    let none = open(vec![a.away(), b.away()]).await;
    let raise = intent(&taken.flag, 1, Role::Standby, 1);
    for error in [
        flag::read_token(&none, &cluster(), &login()).await.unwrap_err(),
        take_over(&none, 2).await.unwrap_err(),
        go(&none, 1, &taken.flag, &raise).await.unwrap_err(),
    ] {
        assert_eq!(error.class, Class::Retry);
        assert!(
            error.what.contains("the flag of login") && error.what.matches("s3://flags/").count() == 2,
            "{error}"
        );
    }
    assert!(!is_up(&a).await && !is_up(&b).await);
}

#[tokio::test]
async fn a_store_that_is_empty_beside_one_that_is_away_is_no_new_flag() {
    let (a, b) = (Shop::folder().await, Shop::ministack().await);
    let error = take_over(&open(vec![a.store(), b.away()]).await, 1).await.unwrap_err();
    assert_eq!(error.class, Class::Retry, "{error}");
    assert_eq!(a.text(OBJECT).await, None);
    // One that holds somebody else's neither.
    b.write(OBJECT, "somebody else's").await;
    let error = take_over(&open(vec![a.store(), b.store()]).await, 1).await.unwrap_err();
    assert_eq!(error.class, Class::Broken, "{error}");
    assert_eq!(a.text(OBJECT).await, None);
}

#[tokio::test]
async fn a_store_that_was_away_during_a_takeover_is_named_and_fenced_when_it_is_back() {
    let (a, b, both) = pair().await;
    let old = take_over(&both, 1).await.unwrap();
    let late = intent(&old.flag, 1, Role::Standby, 1);
    let copies = both.read().await;

    let without_b = open(vec![a.store(), b.away()]).await;
    let taken = take_over(&without_b, 2).await.unwrap();
    assert_eq!(taken.behind.len(), 1);
    assert!(taken.behind[0].store.starts_with("s3://flags/"));

    // It is back, with the predecessor's token: the position is that of the newest, and looking says who differs.
    let (token, behind) = flag::look(&both, &cluster(), &login()).await.unwrap();
    assert_eq!((&token, behind.len()), (taken.flag.token(), 1));
    assert_eq!(flag::catch_up(&both, &fence(2), &cluster(), &login(), &taken.flag).await, Ok(Vec::new()));
    assert_eq!(flag::look(&both, &cluster(), &login()).await.unwrap(), (token, Vec::new()));
    // Nothing of the predecessor's gets through any more, in either.
    for write in both.swap(&fence(1), &copies, &late.new).await {
        assert_eq!(write.outcome.unwrap_err().class, Class::Refused);
    }
    assert!(!is_up(&a).await && !is_up(&b).await);
    // Catching up what is caught up writes nothing.
    let before = both.read().await;
    assert_eq!(flag::catch_up(&both, &fence(2), &cluster(), &login(), &taken.flag).await, Ok(Vec::new()));
    assert_eq!(both.read().await, before);
}

#[tokio::test]
async fn a_takeover_catches_up_a_store_with_an_older_token() {
    let (a, b, both) = pair().await;
    take_over(&both, 1).await.unwrap();
    let without_b = open(vec![a.store(), b.away()]).await;
    let second = take_over(&without_b, 2).await.unwrap();
    let up = moved(&without_b, 2, &second.flag, Role::Standby, 1).await;
    assert!(is_up(&a).await && !is_up(&b).await);
    let third = take_over(&both, 3).await.unwrap();
    assert!(third.before == *up.flag.token() && third.behind.is_empty());
    assert!(is_up(&a).await && is_up(&b).await);
    let tokens: Vec<String> = both.read().await.iter().map(token).collect();
    assert_eq!(tokens, vec![third.flag.token().to_string(); 2]);
}

/// The failover reached only the store that then went away; nobody may take that for a failback.
#[tokio::test]
async fn a_store_that_comes_back_raised_is_lowered_by_nothing_but_a_move() {
    let (a, b, both) = pair().await;
    let first = take_over(&both, 1).await.unwrap();
    let only_b = open(vec![Shop::ministack().await.away(), b.store()]).await;
    moved(&only_b, 1, &first.flag, Role::Standby, 1).await;
    let without_b = open(vec![a.store(), b.away()]).await;
    let second = take_over(&without_b, 2).await.unwrap();
    assert_eq!(second.flag.serving(), Role::Primary, "the one that answers knows of nothing else");

    // It is back: users are at the standby, whatever the newer token says.
    let (token, behind) = flag::look(&both, &cluster(), &login()).await.unwrap();
    assert_eq!((token.serving, behind.len()), (Role::Standby, 1));
    let left = flag::catch_up(&both, &fence(2), &cluster(), &login(), &second.flag).await.unwrap();
    assert!(left.len() == 1 && left[0].store.starts_with("s3://flags/"), "{left:?}");
    assert!(is_up(&b).await);

    let third = take_over(&both, 3).await.unwrap();
    assert_eq!((third.before.digest.clone(), third.flag.serving()), (Some(plan(1)), Role::Standby));
    assert!(is_up(&a).await && is_up(&b).await && third.behind.is_empty());
    moved(&both, 3, &third.flag, Role::Primary, 2).await;
    assert!(!is_up(&a).await && !is_up(&b).await);
}

#[tokio::test]
async fn a_newer_epoch_in_any_store_fences_everything() {
    let (a, b, both) = pair().await;
    let taken = take_over(&both, 1).await.unwrap();
    let without_a = open(vec![Shop::ministack().await.away(), b.store()]).await;
    take_over(&without_a, 2).await.unwrap();
    let raise = intent(&taken.flag, 1, Role::Standby, 1);
    for error in [
        go(&both, 1, &taken.flag, &raise).await.unwrap_err(),
        take_over(&both, 1).await.unwrap_err(),
        flag::catch_up(&both, &fence(1), &cluster(), &login(), &taken.flag).await.unwrap_err(),
    ] {
        assert_eq!(error.class, Class::Fenced);
        assert!(error.what.contains("s3://flags/"), "{error}");
    }
    assert!(!is_up(&a).await && !is_up(&b).await);
}

#[tokio::test]
async fn a_move_that_does_not_fit_is_not_sent() {
    let shop = Shop::folder().await;
    let stores = open(vec![shop.store()]).await;
    let taken = take_over(&stores, 5).await.unwrap();
    let raise = intent(&taken.flag, 5, Role::Standby, 1);
    let present = taken.flag.token();
    let other = OwnedFlag::new(Token { seq: 3, ..present.clone() });
    let class = async |epoch, present: &OwnedFlag, intent: &FlipIntent| {
        go(&stores, epoch, present, intent).await.unwrap_err().class
    };
    assert_eq!(class(5, &other, &raise).await, Class::Refused);
    assert_eq!(class(6, &taken.flag, &raise).await, Class::Fenced);
    let backwards = FlipIntent { expected: present.clone(), new: present.clone() };
    assert_eq!(class(5, &taken.flag, &backwards).await, Class::Broken);
    let foreign = Token { cluster: ClusterName::new("other").unwrap(), ..raise.new.clone() };
    assert_eq!(class(5, &taken.flag, &FlipIntent { expected: present.clone(), new: foreign }).await, Class::Broken);
    assert!(!is_up(&shop).await);
}

#[tokio::test]
async fn a_store_cannot_be_named_twice() {
    let shop = Shop::folder().await;
    let owner = FlagOwner {
        cluster: cluster(),
        service: login(),
        phrase: FlagPhrase::new(Secret::new(PHRASE)).unwrap(),
        key: FlagKey::from_seed(&Secret::new(SEED)).unwrap(),
    };
    let error = FlagStores::open(owner, vec![shop.store(), shop.store()]).await.unwrap_err();
    assert!(error.to_string().contains("named twice"), "{error}");
}
