//! A broker as a newcomer starts it, and the commands of a document, run on it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_campanile");

/// A broker as a newcomer starts it: what it prints tells its address and key.
pub struct Started {
    child: Child,
    url: String,
    key: String,
    pub folder: tempfile::TempDir,
}

impl Started {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, mut said) = serve(&folder);
        let url = after(&mut said, "listens on ");
        let key = after(&mut said, "shown this once: ");
        Self { child, url, key, folder }
    }

    /// kill -9, and the same command again; another port, since nobody else can be asked to keep this one free.
    pub fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (child, mut said) = serve(&self.folder);
        self.child = child;
        self.url = after(&mut said, "listens on ");
    }

    pub fn run(&self, command: &mut Command) -> Output {
        // Nothing here is for a proxy of the machine.
        let command = command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        let output =
            command.env("CAMPANILE_URL", &self.url).env("CAMPANILE_KEY", &self.key).output().unwrap();
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}{}", shown(&output.stdout), shown(&output.stderr));
        output
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The README's own command, on any free port.
pub fn serve(folder: &tempfile::TempDir) -> (Child, impl Iterator<Item = String> + use<>) {
    let command = format!("exec {} --listen 127.0.0.1:0", blocks("serve")[0].trim());
    let mut child = Command::new("bash")
        .args(["-ec", &command])
        .env("PATH", path())
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    (child, lines)
}

pub fn after(lines: &mut impl Iterator<Item = String>, mark: &str) -> String {
    lines.find_map(|line| line.split_once(mark).map(|(_, rest)| rest.to_owned())).unwrap()
}

/// The program under test is what `campanile` means.
pub fn path() -> String {
    let programs = Path::new(PROGRAM).parent().unwrap();
    format!("{}:{}", programs.display(), std::env::var("PATH").unwrap())
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The fenced blocks of the README that are marked so.
pub fn blocks(mark: &str) -> Vec<String> {
    blocks_of("README.md", mark)
}

/// The same of any document.
pub fn blocks_of(document: &str, mark: &str) -> Vec<String> {
    fenced(document, &format!("sh {mark}"))
}

/// The blocks of a document that are fenced with these words.
pub fn fenced(document: &str, words: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
    let opening = format!("```{words}\n");
    let blocks = readme.split(&opening).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Runs every block of a document, one after the other, on a broker of its own; what each printed. `others` blocks of
/// the document are no commands.
pub fn said_by(document: &str, mark: &str, others: usize) -> Vec<String> {
    let broker = Started::new();
    let guide = blocks_of(document, mark);
    let text_of = std::fs::read_to_string(document).unwrap();
    assert_eq!(text_of.matches("```").count(), 2 * (guide.len() + others), "every block is run");
    let run = |block: &String| {
        let mut command = Command::new("timeout");
        command.args(["300", "bash", "-ec", block]).env("PATH", path()).current_dir(broker.folder.path());
        text(&broker.run(&mut command))
    };
    guide.iter().map(run).collect()
}
