//! The web console's files, embedded: what there is, how it is addressed, how it is sent.
//!
//! Nothing is built: the files are what a browser runs, a page and its ES modules. What must hold: all of them lie
//! under one folder whose name is a hash of them all, so that relative imports work, every answer but the page's may
//! be kept for ever, and no browser mixes the files of two versions. Together they stay under [`BUDGET`].

#[cfg(test)]
mod tests;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::sync::LazyLock;

/// The most bytes that all files have together, before compression.
pub const BUDGET: usize = 300 * 1024;

/// One file as it is sent.
#[derive(Debug)]
pub struct Asset {
    /// Its path under the hashed folder.
    pub path: &'static str,
    /// Its media type with a charset.
    pub media_type: &'static str,
    /// Its bytes.
    pub plain: Vec<u8>,
    /// The same, compressed with gzip, which every browser takes also without TLS.
    pub gzip: Vec<u8>,
}

/// Everything that the console is.
#[derive(Debug)]
pub struct Console {
    /// Names the folder: the first digits of a hash over all files.
    pub version: String,
    /// The page that loads everything else.
    pub page: Asset,
    assets: Vec<Asset>,
}

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("assets/", $path)))),*]
    };
}

const PAGE: &[u8] = include_bytes!("assets/index.html");

const FILES: &[(&str, &[u8])] = files![
    "app.js",
    "icon.svg",
    "lib/api.js",
    "lib/chart.js",
    "lib/format.js",
    "lib/html.js",
    "lib/log.js",
    "lib/metrics.js",
    "lib/pretty.js",
    "lib/router.js",
    "lib/runs.js",
    "lib/session.js",
    "lib/stream.js",
    "lib/use.js",
    "pages/deliveries.js",
    "pages/destination-edit.js",
    "pages/destination-new.js",
    "pages/destination.js",
    "pages/destinations.js",
    "pages/event.js",
    "pages/events.js",
    "pages/functions.js",
    "pages/invocations.js",
    "pages/live.js",
    "pages/overview.js",
    "pages/runs.js",
    "pages/replays.js",
    "pages/signin.js",
    "pages/subscriptions.js",
    "pages/type-edit.js",
    "pages/types.js",
    "parts/act.js",
    "parts/payload.js",
    "parts/shell.js",
    "parts/trial.js",
    "parts/ui.js",
    "style.css",
    "vendor/hooks.js",
    "vendor/htm.js",
    "vendor/preact.js",
    "vendor/uplot.css",
    "vendor/uplot.js",
];

static CONSOLE: LazyLock<Console> = LazyLock::new(Console::prepare);

impl Console {
    /// The console, hashed and compressed when it is asked for first.
    pub fn get() -> &'static Self {
        &CONSOLE
    }

    /// The file at a path under the hashed folder.
    pub fn asset(&self, path: &str) -> Option<&Asset> {
        self.assets.iter().find(|asset| asset.path == path)
    }

    fn prepare() -> Self {
        let version = version_of(FILES);
        let page = String::from_utf8_lossy(PAGE)
            .replace("{preloads}", &preloads())
            .replace("{folder}", &format!("console/{version}"));
        let assets = FILES.iter().map(|(path, bytes)| asset(path, bytes.to_vec())).collect();
        Self { version, page: asset("index.html", page.into_bytes()), assets }
    }
}

/// Every module, so that a browser asks for all of them at once and not for one after the other.
fn preloads() -> String {
    let modules = FILES.iter().map(|(path, _)| path).filter(|path| path.ends_with(".js"));
    let links = modules.map(|path| format!("<link rel=\"modulepreload\" href=\"{{folder}}/{path}\">\n"));
    links.collect::<Vec<String>>().concat()
}

fn version_of(files: &[(&str, &[u8])]) -> String {
    let mut hash = Sha256::new();
    for (path, bytes) in files {
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    let digest = hash.finalize();
    let first = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{first:016x}")
}

fn asset(path: &'static str, plain: Vec<u8>) -> Asset {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let gzip = encoder.write_all(&plain).and_then(|()| encoder.finish());
    let gzip = gzip.expect("writing into memory does not fail");
    Asset { path, media_type: media_type_of(path), plain, gzip }
}

fn media_type_of(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "image/svg+xml",
    }
}
