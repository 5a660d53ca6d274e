//! A folder between processes, and at a public address.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use quorate::adapters::flag::ServedFlags;
use quorate::web::flags::router;

use super::*;

/// Writes of each process.
const WRITES: u64 = 300;

/// Where a process with this number and its child meet.
fn meeting(process: u32) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("flag-race-{process}"))
}

/// Writes the next token again and again, until so many writes were accepted.
async fn write_many(folder: &Path, writer: u64) {
    let stores = open(vec![(format!("file://{}", folder.display()), Access::Usual)]).await;
    let mut accepted = 0;
    while accepted < WRITES {
        let copies = stores.read().await;
        let held = copies[0].held.clone().unwrap().unwrap();
        let new = held.token.moved(&fence(1), held.token.serving.other(), plan(writer)).unwrap();
        match &stores.swap(&fence(1), &copies, &new).await[0].outcome {
            Ok(()) => accepted += 1,
            Err(error) => assert_eq!(error.class, Class::Refused, "{error}"),
        }
    }
}

/// Each accepted write counts one up, so that one that was lost would be missing in the end. This test is both processes.
#[tokio::test]
async fn no_write_of_two_processes_is_lost() {
    let parents = meeting(std::os::unix::process::parent_id());
    if parents.is_dir() {
        return write_many(&parents, 2).await;
    }
    let ours = meeting(std::process::id());
    std::fs::create_dir_all(&ours).unwrap();
    let stores = open(vec![(format!("file://{}", ours.display()), Access::Usual)]).await;
    take_over(&stores, 1).await.unwrap();
    let name = "suite::flags::processes::no_write_of_two_processes_is_lost";
    let child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    write_many(&ours, 1).await;
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let token = flag::read_token(&stores, &cluster(), &login()).await;
    std::fs::remove_dir_all(&ours).unwrap();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(token.unwrap().seq, 2 * WRITES);
}

#[tokio::test]
async fn whoever_holds_the_lock_holds_up_a_write_and_no_read_and_not_beyond_its_death() {
    let shop = Shop::folder().await;
    let stores = open(vec![shop.store()]).await;
    let taken = take_over(&stores, 1).await.unwrap();
    let raise = intent(&taken.flag, 1, Role::Standby, 1);
    let lock = shop.home().join(format!(".{OBJECT}.lock"));
    let hold = "import fcntl, sys\nfile = open(sys.argv[1], 'w')\nfcntl.flock(file, fcntl.LOCK_EX)\nprint('held', flush=True)\nsys.stdin.read()";
    let mut holder = Command::new("python3")
        .args(["-c", hold])
        .arg(&lock)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.as_mut().unwrap()), &mut said).unwrap();
    assert_eq!(said, "held\n");
    assert_eq!(token(&stores.read().await[0]), taken.flag.token().to_string());
    let error = go(&stores, 1, &taken.flag, &raise).await.unwrap_err();
    assert!(error.class == Class::Retry && error.what.contains("another process has been writing"), "{error}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    go(&stores, 1, &taken.flag, &raise).await.unwrap();
}

/// What a process leaves that was killed between writing and renaming.
#[tokio::test]
async fn half_a_file_beside_the_flag_is_no_flag_and_in_nobodys_way() {
    let shop = Shop::folder().await;
    let stores = open(vec![shop.store()]).await;
    let taken = take_over(&stores, 1).await.unwrap();
    let beside = format!(".{OBJECT}.new");
    shop.write(&beside, &format!("{PHRASE} and a half{}", "x".repeat(3_000))).await;
    assert_eq!(token(&stores.read().await[0]), taken.flag.token().to_string());
    moved(&stores, 1, &taken.flag, Role::Standby, 1).await;
    assert_eq!(shop.text(&beside).await, None);
}

#[tokio::test]
async fn a_folder_at_a_public_address_gives_flags_and_nothing_else() {
    let shop = Shop::folder().await;
    let stores = open(vec![shop.store()]).await;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let tasks = tokio_util::task::TaskTracker::new();
    let served = router(Arc::new(ServedFlags::new(shop.home().to_owned())));
    let server = tasks.spawn(async move { axum::serve(listener, served).await });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let answer = client.get(format!("{base}{path}")).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
    };

    assert_eq!(get("flags/login").await.0, 404);
    let taken = take_over(&stores, 1).await.unwrap();
    let (status, headers, text) = get("flags/login").await;
    assert_eq!(
        (status, &headers["content-type"], &headers["cache-control"]),
        (200, &"text/plain; charset=utf-8".parse().unwrap(), &"no-store".parse().unwrap())
    );
    assert!(text == shop.text(OBJECT).await.unwrap() && !text.contains(PHRASE));
    moved(&stores, 1, &taken.flag, Role::Standby, 1).await;
    assert!(get("flags/login").await.2.contains(PHRASE));

    // Nothing of a request comes back, and no other file is reached.
    for path in [
        "",
        "flags",
        "flags/",
        "flags/LOGIN",
        "flags/..%2Flogin",
        "flags/.login.flag.lock",
        "flags/login.flag",
        &format!("flags/{PHRASE}"),
        &format!("{PHRASE}?{PHRASE}"),
    ] {
        let (status, _, text) = get(path).await;
        assert_eq!((status, text.as_str()), (404, ""), "{path}");
    }
    assert_eq!(client.post(format!("{base}flags/login")).send().await.unwrap().status().as_u16(), 405);
    shop.write(OBJECT, &format!("{PHRASE}{}", "x".repeat(3_000))).await;
    assert_eq!(get("flags/login").await.0, 503);
    std::fs::remove_dir_all(shop.home()).unwrap();
    assert_eq!(get("flags/login").await.0, 503);
    server.abort();
}
