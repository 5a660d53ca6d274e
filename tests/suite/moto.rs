//! moto, the AWS emulator from PyPI that most people know. Its Route 53 compares a DELETE with every value that the record ever had,
//! so it cannot show what fences a stale writer off; it is asked for everything else. One process for all tests of a run, on loopback.

use std::process::Command;

use tokio::sync::OnceCell;
use url::Url;

use super::python;
use super::spawned::Spawned;

/// The version that the battery was measured against, with all that any suite needs of it: one environment for all.
const REQUIREMENT: &str = "moto[s3,server]==5.2.5";

const RUN: &str = "\
import logging, sys
from moto.server import ThreadedMotoServer
logging.disable()
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.buffer.read()
server.stop()
";

/// Where the moto of this test run listens.
pub(crate) async fn shared() -> Url {
    static SHARED: OnceCell<Spawned> = OnceCell::const_new();
    let start = || async {
        let start = || Spawned::start(Command::new(python::interpreter_with(REQUIREMENT)).args(["-c", RUN]));
        tokio::task::spawn_blocking(start).await.unwrap()
    };
    SHARED.get_or_init(start).await.url()
}
