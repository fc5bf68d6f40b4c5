//! A node as a child process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::{klamm, klamm_with_input};

/// A running `klamm dev` or `klamm server`; killed when dropped.
pub struct NodeProcess {
    child: Child,
    /// Where clients connect to.
    pub bootstrap: String,
}

impl NodeProcess {
    /// Starts `klamm` with these arguments and waits for its ready line. How full the disk of this machine is is no part
    /// of a test.
    pub fn start(arguments: &[&str]) -> NodeProcess {
        let mut child = Command::new(env!("CARGO_BIN_EXE_klamm"))
            .args(arguments)
            .args(["--set", "log.dir.full.percent=100"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("klamm runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("readable");
        let ready: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("no ready line but {line:?}: {error}"));
        assert_eq!(ready["event"], "ready");
        assert_eq!(ready["pid"], child.id());
        assert!(ready["ms"].is_u64());
        let bootstrap = ready["kafka"].as_str().expect("an address").to_owned();
        NodeProcess { child, bootstrap }
    }

    /// A node in a folder.
    pub fn dev(data: &Path) -> NodeProcess {
        NodeProcess::start(&["dev", "--port", "0", "--data", &data.to_string_lossy()])
    }

    /// Runs a client command against this node.
    pub fn klamm(&self, arguments: &[&str]) -> Output {
        klamm(&[&["-b", &self.bootstrap], arguments].concat())
    }

    /// Runs a client command with something on its standard input.
    pub fn klamm_with_input(&self, arguments: &[&str], input: &[u8]) -> Output {
        klamm_with_input(&[&["-b", &self.bootstrap], arguments].concat(), input)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM and waits for the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().expect("kill exists").success());
        self.child.wait().expect("the node ends").code()
    }

    /// Kills it as a power cut of the process would.
    pub fn kill9(mut self) {
        self.child.kill().expect("alive");
        self.child.wait().expect("the node ends");
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It may have ended already, which is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
