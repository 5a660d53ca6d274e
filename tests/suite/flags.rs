//! One battery for the flag over every kind of store, and what only one of them can show. Each case has a place of its own; what goes wrong on the way goes wrong in the
//! relay.

use quorate::adapters::flag::{Access, FlagKey, FlagOwner, FlagStores};
use quorate::domain::{
    Authority, ClusterName, Epoch, Fence, FlagPhrase, FlipIntent, Moment, OwnedFlag, PlanDigest, Role, Secret,
    ServiceName, Token,
};
use quorate::ports::{Class, FlagCopy, FlagStore, PortError};
use quorate::runtime::flag;

use super::flag_shops::Shop;

mod many;
mod processes;
mod wired;

const PHRASE: &str = "e7b1f0c2d94a4c0fa8a1-find-me";
const SEED: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_SEED: &str = "/wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OBJECT: &str = "login.flag";

/// Rounds of the race where a round is cheap, and where it is not.
const ROUNDS: u64 = 1_000;
const FEWER_ROUNDS: u64 = 100;

fn cluster() -> ClusterName {
    ClusterName::new("main").unwrap()
}

fn login() -> ServiceName {
    ServiceName::new("login").unwrap()
}

fn fence(epoch: u64) -> Fence {
    Authority::new(Epoch::new(epoch), None).fence(Moment::default()).unwrap()
}

fn plan(number: u64) -> PlanDigest {
    PlanDigest::parse(&format!("{number:016x}")).unwrap()
}

async fn opened(cluster: &str, service: &str, phrase: &str, seed: &str, stores: Vec<(String, Access)>) -> FlagStores {
    let owner = FlagOwner {
        cluster: ClusterName::new(cluster).unwrap(),
        service: ServiceName::new(service).unwrap(),
        phrase: FlagPhrase::new(Secret::new(phrase)).unwrap(),
        key: FlagKey::from_seed(&Secret::new(seed)).unwrap(),
    };
    FlagStores::open(owner, stores).await.unwrap()
}

/// The flag of `login` in these stores.
async fn open(stores: Vec<(String, Access)>) -> FlagStores {
    opened("main", "login", PHRASE, SEED, stores).await
}

async fn take_over(stores: &FlagStores, epoch: u64) -> Result<flag::TakenOver, PortError> {
    flag::take_over(stores, &fence(epoch), &cluster(), &login()).await
}

/// The move after `present`, by the plan of that number.
fn intent(present: &OwnedFlag, epoch: u64, to: Role, number: u64) -> FlipIntent {
    let new = present.token().moved(&fence(epoch), to, plan(number)).unwrap();
    FlipIntent { expected: present.token().clone(), new }
}

async fn go(
    stores: &FlagStores,
    epoch: u64,
    present: &OwnedFlag,
    intent: &FlipIntent,
) -> Result<flag::Moved, PortError> {
    flag::move_flag(stores, &fence(epoch), &cluster(), &login(), present, intent).await
}

/// Raises or lowers under the epoch, and must succeed.
async fn moved(stores: &FlagStores, epoch: u64, present: &OwnedFlag, to: Role, number: u64) -> flag::Moved {
    go(stores, epoch, present, &intent(present, epoch, to, number)).await.unwrap()
}

fn token(copy: &FlagCopy) -> String {
    copy.held.as_ref().unwrap().as_ref().unwrap().token.to_string()
}

macro_rules! battery {
    ($($case:ident),* $(,)?) => {
        mod over_a_folder {
            use super::*;
            $(#[tokio::test] async fn $case() { super::$case(Shop::folder().await).await; })*
        }
        mod over_s3_by_ministack {
            use super::*;
            $(#[tokio::test] async fn $case() { super::$case(Shop::ministack().await).await; })*
        }
        mod over_s3_by_moto {
            use super::*;
            $(#[tokio::test] async fn $case() { super::$case(Shop::moto().await).await; })*
        }
        mod over_azure_by_azurite {
            use super::*;
            $(#[tokio::test] async fn $case() { super::$case(Shop::azurite().await).await; })*
        }
        mod over_google_by_a_stand_in {
            use super::*;
            $(#[tokio::test] async fn $case() { super::$case(Shop::google().await).await; })*
        }
    };
}

battery! {
    a_flag_that_is_nowhere_is_created_lowered_and_then_raised_and_lowered,
    a_store_without_its_bucket_is_not_an_empty_one,
    a_writer_with_an_old_version_changes_nothing,
    what_is_not_ours_is_neither_believed_nor_overwritten,
    an_older_epoch_is_fenced_and_a_foreign_one_is_not_sent,
    a_repeated_move_is_not_written_again,
}

async fn a_flag_that_is_nowhere_is_created_lowered_and_then_raised_and_lowered(shop: Shop) {
    let stores = open(vec![shop.store()]).await;
    assert_eq!(flag::read_token(&stores, &cluster(), &login()).await.unwrap(), Token::unmoved(cluster()));
    assert_eq!(shop.text(OBJECT).await, None, "reading writes nothing");

    let taken = take_over(&stores, 4).await.unwrap();
    assert_eq!((taken.before, taken.behind), (Token::unmoved(cluster()), Vec::new()));
    assert_eq!(taken.flag.token().to_string(), "v1;c=main;e=4;s=0;t=primary;d=-");
    assert!(!shop.text(OBJECT).await.unwrap().contains(PHRASE));

    let up = moved(&stores, 4, &taken.flag, Role::Standby, 1).await;
    assert!(up.behind.is_empty() && up.to_string().starts_with("raised in "), "{up}");
    let text = shop.text(OBJECT).await.unwrap();
    assert!(text.contains(PHRASE) && text.contains(&up.flag.token().to_string()), "{text}");

    // A takeover leaves it up.
    let taken = take_over(&stores, 5).await.unwrap();
    assert_eq!(taken.before, *up.flag.token());
    assert!(taken.flag.serving() == Role::Standby && taken.flag.token().same_move(up.flag.token()));
    assert!(shop.text(OBJECT).await.unwrap().contains(PHRASE));

    let down = moved(&stores, 5, &taken.flag, Role::Primary, 2).await;
    assert!(down.to_string().starts_with("lowered in "), "{down}");
    assert!(!shop.text(OBJECT).await.unwrap().contains(PHRASE));
    assert_eq!(flag::look(&stores, &cluster(), &login()).await.unwrap(), (down.flag.token().clone(), Vec::new()));
}

async fn a_store_without_its_bucket_is_not_an_empty_one(shop: Shop) {
    let stores = open(vec![shop.missing()]).await;
    let read = stores.read().await.remove(0);
    assert_eq!(read.held.unwrap_err().class, Class::Broken);
    let error = take_over(&stores, 1).await.unwrap_err();
    assert_eq!(error.class, Class::Broken);
    assert!(error.what.contains(&read.store) && error.what.contains("the flag of login"), "{error}");
}

async fn a_writer_with_an_old_version_changes_nothing(shop: Shop) {
    let stores = open(vec![shop.store()]).await;
    let nothing = stores.read().await;
    let taken = take_over(&stores, 1).await.unwrap();
    let first = stores.read().await;
    let up = moved(&stores, 1, &taken.flag, Role::Standby, 1).await;
    let before = shop.text(OBJECT).await.unwrap();

    let later = Token { seq: 9, serving: Role::Primary, ..up.flag.token().clone() };
    // As if there were none, and as if it were still the first.
    for stale in [&nothing, &first] {
        let writes = stores.swap(&fence(1), stale, &later).await;
        assert_eq!(writes[0].outcome.as_ref().unwrap_err().class, Class::Refused, "{writes:?}");
        assert_eq!(shop.text(OBJECT).await.unwrap(), before);
    }
    let writes = stores.swap(&fence(1), &stores.read().await, &later).await;
    assert_eq!(writes[0].outcome, Ok(()));
}

async fn what_is_not_ours_is_neither_believed_nor_overwritten(shop: Shop) {
    let stores = open(vec![shop.store()]).await;
    let taken = take_over(&stores, 1).await.unwrap();
    let lowered = shop.text(OBJECT).await.unwrap();
    moved(&stores, 1, &taken.flag, Role::Standby, 1).await;
    let raised = shop.text(OBJECT).await.unwrap();

    // Written by others over a place of their own each, with the same key or another.
    let by = async |cluster: &str, service: &str, phrase: &str, seed: &str| {
        let place = Shop::folder().await;
        let theirs = opened(cluster, service, phrase, seed, vec![place.store()]).await;
        let (cluster, name) = (ClusterName::new(cluster).unwrap(), ServiceName::new(service).unwrap());
        let taken = flag::take_over(&theirs, &fence(1), &cluster, &name).await.unwrap();
        let new = taken.flag.token().moved(&fence(1), Role::Standby, plan(1)).unwrap();
        let intent = FlipIntent { expected: taken.flag.token().clone(), new };
        flag::move_flag(&theirs, &fence(1), &cluster, &name, &taken.flag, &intent).await.unwrap();
        place.text(&format!("{service}.flag")).await.unwrap()
    };
    let cases = [
        ("an empty object", String::new(), "not a flag's text"),
        ("a web page", format!("<html>{PHRASE}</html>"), "not a flag's text"),
        ("too long for a flag", "x".repeat(5_000), "5000 bytes|2049 bytes"),
        ("lowered by hand", lowered.replace("e=1;", "e=2;"), "was edited"),
        ("raised by hand", raised.replace("s=1;", "s=2;"), "was edited"),
        ("its phrase taken out", raised.replace(PHRASE, "something-else-that-is-long"), "was edited"),
        ("another cluster's", by("other", "login", PHRASE, SEED).await, "the cluster 'other''s"),
        ("another service's", by("main", "signup", PHRASE, SEED).await, "the flag of the service 'signup'"),
        ("signed with another key", by("main", "login", PHRASE, OTHER_SEED).await, "signed with another key"),
        (
            "raised with another phrase",
            by("main", "login", "another-phrase-of-our-own", SEED).await,
            "another phrase",
        ),
    ];
    for (case, text, wanted) in cases {
        shop.write(OBJECT, &text).await;
        let read = stores.read().await.remove(0);
        let error = read.held.clone().unwrap_err();
        assert_eq!(error.class, Class::Broken, "{case}");
        assert!(wanted.split('|').any(|wanted| error.what.contains(wanted)), "{case}: {error}");
        assert!(error.what.contains(&read.store), "{case}: {error}");
        let refused = take_over(&stores, 9).await.unwrap_err();
        assert_eq!(refused.class, Class::Broken, "{case}: {refused}");
        let forced =
            stores.swap(&fence(9), &[read], &Token { epoch: Epoch::new(9), ..Token::unmoved(cluster()) }).await;
        assert_eq!(forced[0].outcome, Err(error.clone()), "{case}");
        assert_eq!(shop.text(OBJECT).await.unwrap(), text, "{case}");
        for shown in [format!("{error} {refused}"), format!("{stores:?} {forced:?}")] {
            assert!(!shown.contains(PHRASE) && !shown.contains("another-phrase-of-our-own"), "{case}: {shown}");
        }
    }
}

async fn an_older_epoch_is_fenced_and_a_foreign_one_is_not_sent(shop: Shop) {
    let stores = open(vec![shop.store()]).await;
    let old = take_over(&stores, 3).await.unwrap();
    let new = take_over(&stores, 7).await.unwrap();
    let text = shop.text(OBJECT).await.unwrap();

    assert_eq!(take_over(&stores, 3).await.unwrap_err().class, Class::Fenced);
    let raise = intent(&old.flag, 3, Role::Standby, 1);
    assert_eq!(go(&stores, 3, &old.flag, &raise).await.unwrap_err().class, Class::Fenced);
    // Straight at the store, with what it holds now.
    let copies = stores.read().await;
    assert_eq!(
        stores.swap(&fence(3), &copies, &raise.new).await[0].outcome.as_ref().unwrap_err().class,
        Class::Fenced
    );
    let foreign = Token { epoch: Epoch::new(8), ..new.flag.token().clone() };
    assert_eq!(stores.swap(&fence(7), &copies, &foreign).await[0].outcome.as_ref().unwrap_err().class, Class::Fenced);
    // Under our epoch, and not after what is there.
    let again = new.flag.token().clone();
    assert_eq!(stores.swap(&fence(7), &copies, &again).await[0].outcome.as_ref().unwrap_err().class, Class::Refused);
    assert_eq!(shop.text(OBJECT).await.unwrap(), text);
}

async fn a_repeated_move_is_not_written_again(shop: Shop) {
    let stores = open(vec![shop.store()]).await;
    let taken = take_over(&stores, 1).await.unwrap();
    let raise = intent(&taken.flag, 1, Role::Standby, 1);
    let first = go(&stores, 1, &taken.flag, &raise).await.unwrap();
    let version = stores.read().await;
    assert_eq!(go(&stores, 1, &taken.flag, &raise).await.unwrap(), first);
    assert_eq!(stores.read().await, version);

    // Somebody else under our epoch, in its place.
    let other = intent(&taken.flag, 1, Role::Standby, 2);
    let error = go(&stores, 1, &taken.flag, &other).await.unwrap_err();
    assert_eq!(error.class, Class::Refused, "{error}");
    assert_eq!(token(&stores.read().await[0]), raise.new.to_string());
}

/// Two controllers that both believe to have the epoch: in each round both read, and both write another token over what they read.
async fn race(shop: Shop, rounds: u64) {
    let (one, two) = (open(vec![shop.store()]).await, open(vec![shop.store()]).await);
    let mut present = take_over(&one, 1).await.unwrap().flag.token().clone();
    let mut wins = [0_u64; 2];
    for round in 0..rounds {
        let copies = one.read().await;
        assert_eq!(token(&copies[0]), present.to_string());
        let to = if round % 2 == 0 { Role::Standby } else { Role::Primary };
        let tokens = [1, 2].map(|writer| present.moved(&fence(1), to, plan(round * 2 + writer)).unwrap());
        let fence = fence(1);
        let (ones, twos) = (one.swap(&fence, &copies, &tokens[0]), two.swap(&fence, &copies, &tokens[1]));
        // Each is the first to be sent in every other pair of rounds.
        let (a, b) = if round % 4 < 2 {
            tokio::join!(ones, twos)
        } else {
            let (b, a) = tokio::join!(twos, ones);
            (a, b)
        };
        let won = [a[0].outcome.is_ok(), b[0].outcome.is_ok()];
        assert!(won[0] != won[1], "round {round}: {a:?} {b:?}");
        let lost = if won[0] { &b[0] } else { &a[0] };
        assert_eq!(lost.outcome.as_ref().unwrap_err().class, Class::Refused, "round {round}: {lost:?}");
        let winner = usize::from(won[1]);
        wins[winner] += 1;
        present = tokens[winner].clone();
    }
    assert_eq!(token(&one.read().await[0]), present.to_string());
    println!("{rounds} rounds: {wins:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_in_a_folder_exactly_one_wins_each_round() {
    race(Shop::folder().await, ROUNDS).await;
}

#[tokio::test]
async fn of_two_writers_in_s3_exactly_one_wins_each_round() {
    race(Shop::ministack().await, ROUNDS).await;
}

#[tokio::test]
async fn of_two_writers_in_azure_exactly_one_wins_each_round() {
    race(Shop::azurite().await, FEWER_ROUNDS).await;
}

#[tokio::test]
async fn a_checker_gets_plain_text_that_nobody_keeps() {
    let shop = Shop::ministack().await;
    let stores = open(vec![shop.store()]).await;
    take_over(&stores, 1).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(shop.public(OBJECT)).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "no-store");
}
