//! What is really dialled: names whose addresses change, URLs that pretend, and everything through one proxy.

use crate::hostile::tls::{Authority, Wanted, usual, wanted};
use crate::lifecycle::path_of;
use crate::support::{ADMIN, Receiver, Request, Rogue, Server, Settings, eventually, free_port, text_of};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const NAME: &str = "hooks.example.com";

/// The names of a server that has a table of its own, which the test rewrites.
struct Names(PathBuf);

impl Names {
    fn new(folder: &Path, addresses: &[&str]) -> Self {
        let names = Self(folder.join("hosts"));
        names.become_(addresses);
        names
    }

    fn become_(&self, addresses: &[&str]) {
        let lines: String = addresses.iter().map(|address| format!("{address} {NAME}\n")).collect();
        std::fs::write(&self.0, format!("127.0.0.1 localhost\n{lines}")).unwrap();
    }

    /// A server that finds names there. Needs the right to mount.
    fn server(&self, settings: Settings) -> Server {
        let resolver = self.0.with_file_name("resolv.conf");
        // Nobody listens there: what is not in the table has no address, at once.
        std::fs::write(&resolver, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").unwrap();
        let mount = format!(
            "mount --bind {} /etc/hosts && {{ mount --bind {} /etc/resolv.conf; exec \"$@\"; }}",
            self.0.display(),
            resolver.display()
        );
        settings.under(&["unshare", "--mount", "sh", "-c", &mount, "sh"]).start()
    }
}

fn answering(status: u16) -> impl Fn(&mut crate::support::Peer) -> io::Result<()> + Send + Sync {
    move |peer| {
        peer.request()?;
        peer.say(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
    }
}

/// What a test of a URL says.
fn try_url(server: &Server, url: &str) -> Value {
    server.post("/api/v1/destinations/test", &json!({"url": url, "timeout_ms": 60_000})).must(200)
}

#[test]
fn a_name_is_judged_by_the_address_that_it_has_at_each_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let names = Names::new(folder.path(), &["127.0.0.1"]);
    let server = names.server(Settings::new().with("delivery.allow_networks", r#"["127.0.0.1/32"]"#));
    let public = Rogue::start(answering(204));
    let inside = Rogue::on(SocketAddr::from(([127, 0, 0, 2], public.address().port())), answering(204));
    let url = public.url_as(NAME);
    assert_eq!(try_url(&server, &url)["success"], true);
    for private in [
        "127.0.0.2",
        "10.1.2.3",
        "169.254.169.254",
        "0.0.0.0",
        "::1",
        "::ffff:127.0.0.2",
        "fd00::1",
        "fe80::1",
        "64:ff9b::7f00:2",
        "2002:7f00:2::1",
    ] {
        names.become_(&[private]);
        let error = text_of(&try_url(&server, &url)["error"]);
        assert!(error.starts_with(&format!("address refused: {NAME} is ")), "{private}: {error}");
        // Not even beside one that is fine.
        for both in [["127.0.0.1", private], [private, "127.0.0.1"]] {
            names.become_(&both);
            let error = text_of(&try_url(&server, &url)["error"]);
            assert!(error.starts_with("address refused: "), "{both:?}: {error}");
        }
    }
    names.become_(&[]);
    let error = text_of(&try_url(&server, &url)["error"]);
    assert!(error.starts_with("name not resolved: "), "{error}");
    names.become_(&["127.0.0.1"]);
    assert_eq!(try_url(&server, &url)["success"], true);
    assert_eq!(inside.connections(), 0);
}

#[test]
fn a_name_that_changes_between_two_attempts_is_judged_again() {
    let folder = tempfile::tempdir().unwrap();
    let names = Names::new(folder.path(), &["127.0.0.1"]);
    let server = names.server(Settings::new().with("delivery.allow_networks", r#"["127.0.0.1/32"]"#));
    let public = Rogue::start(answering(500));
    let inside = Rogue::on(SocketAddr::from(([127, 0, 0, 2], public.address().port())), answering(204));
    let body = json!({
        "url": public.url_as(NAME), "verification": "none", "retry": {"schedule_s": vec![1; 100]},
    });
    let made = server.post("/api/v1/destinations", &body).must(201);
    let event = server.publish(&json!({"type": "a", "data": {}}));
    let id = |server: &Server| {
        let path = format!("{}/deliveries", path_of(&made));
        text_of(&server.send(&Request::get(&path).key(ADMIN)).must(200)["data"][0]["id"])
    };
    eventually("a first attempt", || (!public.requests().is_empty()).then_some(()));
    names.become_(&["127.0.0.2"]);
    let attempts = || {
        let path = format!("/api/v1/deliveries/{}", id(&server));
        server.send(&Request::get(&path).key(ADMIN)).must(200)["attempts"].as_array().unwrap().clone()
    };
    let is_refused = |one: &Value| text_of(&one["error"]).starts_with("address refused: ");
    eventually("refused attempts", || {
        (attempts().iter().filter(|one| is_refused(one)).count() >= 2).then_some(())
    });
    let before = public.requests().len();
    names.become_(&["127.0.0.1"]);
    eventually("an attempt again", || (public.requests().len() > before).then_some(()));
    assert_eq!(attempts()[0]["status"], 500);
    assert!(public.requests().iter().all(|one| one.event_id() == event["id"]));
    assert_eq!(inside.connections(), 0);
}

#[test]
fn every_url_that_pretends_is_refused_by_each_way_in() {
    let unescaped = |text: &str| {
        let pairs = [("\\u00ad", "\u{ad}"), ("\\t", "\t"), ("\\n", "\n"), ("\\r", "\r"), ("\\0", "\0")];
        pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    };
    let server =
        Settings::new().with("delivery.allow_http", "false").with("delivery.allow_networks", "[]").start();
    let plain = json!({"url": "https://example.com/", "verification": "none"});
    let path = path_of(&server.post("/api/v1/destinations", &plain).must(201));
    let mut rows = 0;
    for line in include_str!("../data/ssrf.tsv").lines().skip(1).filter(|line| !line.is_empty()) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [input, verdict, reason] = columns[..] else { panic!("{line}") };
        let url = unescaped(input);
        let created = server.post("/api/v1/destinations", &json!({"url": url, "verification": "none"}));
        let changed = server.send(&Request::new("PATCH", &path).key(ADMIN).json(&json!({"url": url})));
        if verdict == "accept" {
            assert_eq!((created.status, changed.status), (201, 200), "{line}: {}", created.text());
            assert_eq!(created.json()["url"], url, "as it was given");
        } else {
            // A test of a URL that is accepted would dial it.
            let tried = server.post("/api/v1/destinations/test", &json!({"url": url}));
            for answer in [created, changed, tried] {
                assert_eq!(answer.pointers(), ["/url"], "{line}");
                assert_eq!(answer.json()["errors"][0]["code"], reason, "{line}: {}", answer.text());
            }
        }
        rows += 1;
    }
    assert!(rows > 100, "{rows} rows");
}

/// A forward proxy that knows where names lead, writes down the head of what it is asked, and asks for a password.
struct ForwardProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl ForwardProxy {
    fn start() -> Self {
        let listener = crate::support::ports::listen();
        let (address, heads) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::clone(&heads);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let heard = Arc::clone(&heard);
                std::thread::spawn(move || pass_on(client, &heard).ok());
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn setting(&self, user_info: &str) -> String {
        format!("\"http://{user_info}{}\"", self.address)
    }
}

/// Reads a head, and passes on what follows to the port that it names, on this machine.
fn pass_on(mut client: TcpStream, heard: &Mutex<Vec<String>>) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    heard.lock().unwrap().push(head.clone());
    if !head.to_lowercase().contains("\r\nproxy-authorization: basic b3bzomh1c2gtahvzaa==\r\n") {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    }
    let asked = head.split(' ').nth(1).unwrap();
    let authority = asked.trim_start_matches("http://").split('/').next().unwrap();
    let (name, port) = authority.rsplit_once(':').unwrap();
    if name == "gone.example.com" {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    }
    let mut target = TcpStream::connect(("127.0.0.1", port.parse().unwrap()))?;
    if head.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")?;
    } else {
        // As a proxy does: the path alone, without what was for the proxy.
        let path = asked.trim_start_matches("http://").trim_start_matches(authority);
        let rest = head.split_once("\r\n").unwrap().1;
        let rest: Vec<&str> =
            rest.split("\r\n").filter(|line| !line.to_lowercase().starts_with("proxy-")).collect();
        target.write_all(format!("POST {path} HTTP/1.1\r\n{}", rest.join("\r\n")).as_bytes())?;
    }
    let (mut from_target, mut to_client) = (target.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || {
        io::copy(&mut from_target, &mut to_client).ok();
        to_client.shutdown(std::net::Shutdown::Write).ok();
    });
    io::copy(&mut client, &mut target)?;
    target.shutdown(std::net::Shutdown::Write)
}

#[test]
fn everything_goes_through_the_proxy_that_is_configured() {
    let (folder, authority, proxy) = (tempfile::tempdir().unwrap(), Authority::new(), ForwardProxy::start());
    let path = folder.path().join("authority.pem");
    authority.write(&path);
    let settings = Settings::new()
        .with("delivery.proxy", &proxy.setting("ops:hush%2Dhush@"))
        .with("delivery.ca_file", &format!("{:?}", path.display().to_string()));
    let server = settings.start();
    let identity = authority.signs(Wanted { names: vec![NAME.to_owned()], ..wanted() });
    let secured = Rogue::with_tls(usual(identity), |peer| {
        peer.request()?;
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        peer.close()
    });
    let told = try_url(&server, &secured.url_as(NAME));
    assert_eq!((&told["success"], &told["response"]["body"]), (&json!(true), &json!("ok")), "{told}");
    let port = secured.address().port();
    assert!(
        proxy.heads()[0].starts_with(&format!("CONNECT {NAME}:{port} HTTP/1.1\r\nHost: {NAME}:{port}\r\n"))
    );
    let request = &secured.requests()[0];
    assert_eq!((request.path.as_str(), request.header("Host")), ("/hook", &*format!("{NAME}:{port}")));
    assert_eq!(request.find_header("Proxy-Authorization"), None, "that is the proxy's alone");

    let plain = Receiver::willing();
    let url = plain.url().replace("127.0.0.1", NAME);
    let made = server.post("/api/v1/destinations", &json!({"url": url, "verification": "none"})).must(201);
    server.publish(&json!({"type": "a", "data": {}}));
    plain.wait_for(1)[0].assert_signed_with(made["secret"].as_str().unwrap());
    let head = proxy.heads()[1].clone();
    assert!(head.starts_with(&format!("POST {url} HTTP/1.1\r\n")), "{head}");
    assert!(head.to_lowercase().contains(&format!("host: {}\r\n", url.split('/').nth(2).unwrap())), "{head}");

    // Another name than the certificate's is no more trusted through a tunnel.
    let told = try_url(&server, &secured.url_as("other.example.com"));
    assert!(text_of(&told["error"]).starts_with("tls failed: "), "{told}");
    let told = try_url(&server, &secured.url_as("gone.example.com"));
    assert_eq!(told["error"], "proxy failed: it answered 502", "{told}");
    assert!(!server.output().contains("hush"));
}

#[test]
fn a_proxy_that_is_not_there_or_wants_more_is_named_as_the_reason() {
    let proxy = ForwardProxy::start();
    let url = format!("https://{NAME}:8443/");
    let server = Settings::new().with("delivery.proxy", &proxy.setting("")).start();
    assert_eq!(try_url(&server, &url)["error"], "proxy failed: it answered 407");
    let nobody = format!("\"http://127.0.0.1:{}\"", free_port());
    let server = Settings::new().with("delivery.proxy", &nobody).start();
    for url in [url, format!("http://{NAME}:8080/")] {
        assert!(text_of(&try_url(&server, &url)["error"]).starts_with("proxy failed: "), "{url}");
    }
}

#[test]
fn a_proxy_of_the_environment_is_not_asked() {
    let trap = Rogue::start(answering(204));
    let receiver = Receiver::willing();
    let to_trap = format!("http://{}", trap.address());
    let variables: Vec<String> =
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
            .iter()
            .map(|name| format!("{name}={to_trap}"))
            .collect();
    let mut wrapper = vec!["env"];
    wrapper.extend(variables.iter().map(String::as_str));
    let server = Settings::new().under(&wrapper).start();
    assert_eq!(try_url(&server, &receiver.url())["success"], true);
    try_url(&server, &format!("https://127.0.0.1:{}/", free_port()));
    assert_eq!((trap.connections(), receiver.deliveries().len()), (0, 1));
}
