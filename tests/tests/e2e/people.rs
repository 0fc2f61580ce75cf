//! People on the local socket: accounts, logins, and who else asks.

use crate::scene::{Scene, executable};
use std::{
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    process::{Command, Stdio},
};
use tempfile::TempDir;
use tests::harness::{PATIENCE, wait_until};

/// The user whom nothing belongs to.
const NOBODY: u32 = 65534;

struct Home {
    scene: Scene,
    /// Where everybody finds the socket.
    place: TempDir,
}

/// How a command ended: exit code, output, complaint.
type Ended = (i32, String, String);

impl Home {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(more: &[(&str, &str)]) -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let socket = place.path().join("hub.sock").display().to_string();
        let mut set = vec![("admin.socket", socket.as_str()), ("admin.access", "everyone")];
        set.extend(more);
        let scene = Scene::with(&set);
        Self { scene, place }
    }

    fn ask(&self, uid: u32, token: &str, args: &[&str], input: &str) -> Ended {
        let mut command = Command::new(&executable().0);
        command.arg("hub-agent").arg("--socket").arg(self.place.path().join("hub.sock"));
        command.arg("--json").args(args).env("HUB_TOKEN", token).current_dir("/");
        command
            .uid(uid)
            .gid(uid)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Who does not read its input may close it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    fn login(&self, name: &str, password: &str) -> String {
        let (code, text, complaint) = self.ask(NOBODY, "", &["login", name], password);
        assert_eq!(code, 0, "{complaint}");
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        answer["token"].as_str().unwrap().to_owned()
    }

    fn setup_code(&self) -> String {
        let log = std::fs::read_to_string(self.scene.hub.folder().join("hub.log")).unwrap();
        let code = log.split("--code ").nth(1).expect("the hub printed its code");
        code.chars().take(19).collect()
    }

    /// How often somebody was denied, repeats counted.
    fn denied(&self) -> u64 {
        let events = self.scene.hub.events().unwrap();
        let denied = events.iter().filter(|event| event["kind"] == "policy.denied");
        denied.map(|event| event["times"].as_u64().unwrap()).sum()
    }

    fn saw(&self, kind: &str, text: &str) -> bool {
        let events = self.scene.hub.events().unwrap();
        events.iter().any(|e| e["kind"] == kind && e["text"].as_str().unwrap().contains(text))
    }
}

fn is_root() -> bool {
    let root = rustix_uid() == 0;
    if !root {
        println!("SKIPPED: only root can ask as another user");
    }
    root
}

fn rustix_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map(|own| own.uid()).unwrap_or(NOBODY)
}

/// Criterion: T1.PC.2 (positive)
/// Criterion: T1.PC.2 (negative)
/// Criterion: T3.PC.2 (negative)
/// Criterion: T1.LA.5b (positive)
/// Criterion: T1.CSA.2 (positive)
/// Criterion: T1.CSA.2 (negative)
/// Criterion: T1.DP.3 (negative)
/// Criterion: T1.DP.4 (negative)
#[test]
fn another_local_user_gets_nowhere_without_a_login_and_as_far_as_the_role_goes_with_one() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    let fleet = home.scene.active_fleet(2, 1);
    let lamp = fleet.memories().unwrap().into_iter().find(|one| one.kind == "lamp").unwrap();
    let lamp = lamp.credentials.unwrap().id.to_string();
    for args in [&["status"][..], &["component", "list"], &["account", "list"]] {
        let (code, _, complaint) = home.ask(NOBODY, "", args, "");
        assert_eq!(code, 3, "{args:?}");
        assert!(complaint.contains("log in first"), "{complaint}");
    }
    assert!(home.saw("policy.denied", "no login, local user 65534"));
    // The first owner, by the code that the hub printed; a wrong one makes everybody wait.
    let setup = |code: &str, password: &str| {
        home.ask(NOBODY, "", &["account", "setup", "ada", "--code", code], password)
    };
    let code = home.setup_code();
    let (ended, _, complaint) = setup("0000-0000-0000-0000", "seven green kettles sing\n");
    assert!(ended == 3 && complaint.contains("wrong-code"), "{complaint}");
    let (ended, _, complaint) = setup(&code, "seven green kettles sing\n");
    assert!(ended == 3 && complaint.contains("wait 1 s"), "{complaint}");
    tests::harness::wait_until(std::time::Duration::from_secs(20), || {
        let (ended, _, complaint) = setup(&code, "hunter2\n");
        anyhow::ensure!(ended == 3 && complaint.contains("15 to 128"), "{complaint}");
        Ok(())
    })
    .unwrap();
    let (ended, _, complaint) = setup(&code, "seven green kettles sing\n");
    assert_eq!(ended, 0, "{complaint}");
    let (ended, _, complaint) = setup(&code, "seven green kettles sing\n");
    assert!(ended == 3 && complaint.contains("is set up"), "once: {complaint}");
    // The owner makes a guest, whose password is made up.
    let owner = home.login("ada", "seven green kettles sing\n");
    let (ended, text, complaint) =
        home.ask(NOBODY, &owner, &["account", "add", "gus", "--role", "guest"], "\n");
    assert_eq!(ended, 0, "{complaint}");
    let password = serde_json::from_str::<serde_json::Value>(&text).unwrap()["password"].clone();
    let guest = home.login("gus", password.as_str().unwrap());
    let by_guest = |args: &[&str]| home.ask(NOBODY, &guest, args, "");
    assert_eq!(by_guest(&["component", "list"]).0, 0);
    assert_eq!(by_guest(&["component", "command", &lamp, "switch", r#"{"on": true}"#]).0, 0);
    let refused: [&[&str]; 11] = [
        &["log", "query"],
        &["log", "export"],
        &["incident", "list"],
        &["dispose", &lamp, "--yes"],
        &["dispose", "--all", "--yes"],
        &["config", "set", "-c", &lamp, "max-brightness=50"],
        &["config", "restore", "--all"],
        &["component", "revoke", &lamp],
        &["account", "add", "eve", "--role", "owner"],
        &["event", "list"],
        &["pair", "open"],
    ];
    for args in refused {
        let (code, _, complaint) = by_guest(args);
        assert!(code == 3 && complaint.contains("not-permitted"), "{args:?}: {complaint}");
    }
    assert!(home.saw("command.refused", "gus (guest): set max-brightness"));
    let (code, text, complaint) = home.ask(NOBODY, &owner, &["log", "query", "--limit", "500"], "");
    assert!(code == 0 && text.contains("component.enrolled"), "{complaint}: all is there still");
    assert!(!text.contains("seven green kettles"), "what is secret is in no log");
    let show = home.scene.hub.json(&["config", "show", &lamp]).unwrap();
    assert_eq!(show["revision"], 1, "the target is unchanged");
    // A forged, an ended and an outlived token.
    let (code, _, complaint) = home.ask(NOBODY, &"0".repeat(64), &["status"], "");
    assert!(code == 3 && complaint.contains("bad-credentials"), "{complaint}");
    assert_eq!(by_guest(&["logout"]).0, 0);
    assert_eq!(by_guest(&["status"]).0, 3, "an ended login");
    let guest = home.login("gus", password.as_str().unwrap());
    assert_eq!(home.ask(NOBODY, &owner, &["account", "remove", "gus"], "").0, 0);
    assert_eq!(home.ask(NOBODY, &guest, &["status"], "").0, 3, "of a removed account");
    // Root with a token of a guest is a guest; without one it is the owner.
    assert_eq!(home.ask(0, &owner, &["account", "list"], "").0, 0);
    assert_eq!(home.ask(0, "", &["account", "list"], "").0, 0);
}

/// Criterion: T1.LA.4 (negative)
#[test]
fn a_try_that_has_to_wait_is_recorded_too() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    for _ in 0..5 {
        let (ended, _, _) = home.ask(NOBODY, "", &["login", "zoe"], "seven green kettles sing\n");
        assert_eq!(ended, 3);
    }
    let events = home.scene.hub.events().unwrap();
    assert!(events.iter().any(|event| event["refusal"] == "slow-down"), "{events:?}");
}

/// Criterion: T1.PC.2 (negative)
/// Criterion: T1.LA.4 (negative)
#[test]
fn an_expired_token_changes_nothing_and_leaves_one_record() {
    if !is_root() {
        return;
    }
    let home = Home::with(&[("admin.login_life", "1s")]);
    let fleet = home.scene.active_fleet(1, 1);
    let lamp = fleet.memories().unwrap().into_iter().find(|one| one.kind == "lamp").unwrap();
    let lamp = lamp.credentials.unwrap().id.to_string();
    let code = home.setup_code();
    let setup = ["account", "setup", "ada", "--code", &code];
    let (ended, _, complaint) = home.ask(NOBODY, "", &setup, "seven green kettles sing\n");
    assert_eq!(ended, 0, "{complaint}");
    let token = home.login("ada", "seven green kettles sing\n");
    // A login as short as it may be: it ends by itself, however often it is used.
    tests::harness::wait_until(std::time::Duration::from_secs(20), || {
        let (ended, _, complaint) = home.ask(NOBODY, &token, &["status"], "");
        anyhow::ensure!(ended == 3, "still good: {complaint}");
        Ok(())
    })
    .unwrap();
    let is = || home.scene.hub.json(&["config", "show", &lamp]).unwrap()["settings"].clone();
    let settings = is();
    assert!(settings.to_string().contains("max-brightness"), "{settings}");
    let set = ["config", "set", "-c", &lamp, "max-brightness=12"];
    let (ended, _, complaint) = home.ask(NOBODY, &token, &set, "");
    assert!(ended == 3 && complaint.contains("log in"), "{complaint}");
    // One record for it and one for the request before; equal ones within a second are told together.
    let recorded =
        || (home.denied() == 2).then_some(()).ok_or_else(|| anyhow::anyhow!("{}", home.denied()));
    tests::harness::wait_until(std::time::Duration::from_secs(20), recorded).unwrap();
    assert_eq!(is(), settings, "unchanged");
}

/// Criterion: T1.PC.2 (negative)
#[test]
fn other_users_who_hold_every_connection_do_not_keep_the_owner_out() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    let socket = home.place.path().join("hub.sock");
    // Another user's shell holds connections open without a word.
    let hold = format!(
        "import socket, sys\nheld = []\nfor _ in range(40):\n    s = socket.socket(socket.AF_UNIX)\n    s.connect({:?})\n    held.append(s)\nprint('held', flush=True)\nsys.stdin.read()",
        socket.display().to_string()
    );
    let mut other = Command::new("python3");
    other.args(["-c", &hold]).uid(NOBODY).gid(NOBODY).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut other = other.spawn().unwrap();
    let mut said = [0; 4];
    std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(&said, b"held");
    for _ in 0..20 {
        assert_eq!(home.ask(0, "", &["status"], "").0, 0);
    }
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
}

/// Criterion: T1.PC.3 (positive)
#[test]
fn by_default_the_socket_is_its_owners_alone_and_no_password_exists() {
    let scene = Scene::with(&[]);
    let socket = scene.hub.folder().join("data/admin.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(scene.hub.json(&["account", "list"]).unwrap(), serde_json::json!([]));
    let log = std::fs::read_to_string(scene.hub.folder().join("hub.log")).unwrap();
    assert!(log.contains("account setup NAME --code "));
}

/// One request on the local socket, as its bytes.
fn request(method: &str, path: &str, token: &str, body: &str) -> (String, String) {
    let authorization =
        if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: hub\r\n{authorization}Content-Length: {length}\r\n\r\n"
    );
    (head, body.to_owned())
}

/// Criterion: T1.LA.5a (negative)
#[test]
fn a_request_whose_body_comes_after_its_login_ended_does_nothing() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    let code = home.setup_code();
    let password = "seven green kettles sing\n";
    let setup = ["account", "setup", "ada", "--code", &code];
    assert_eq!(home.ask(NOBODY, "", &setup, password).0, 0);
    let token = home.login("ada", password);
    let body = r#"{"name":"eve","role":"owner","password":"eight blue kettles hum"}"#;
    let (head, body) = request("POST", "/v1/accounts", &token, body);
    let socket = home.place.path().join("hub.sock");
    let mut held = UnixStream::connect(socket).unwrap();
    held.write_all(head.as_bytes()).unwrap();
    // The hub has the head for sure when it answers somebody else.
    assert_eq!(home.ask(NOBODY, &token, &["status"], "").0, 0);
    assert_eq!(home.ask(NOBODY, &token, &["logout"], "").0, 0);
    held.write_all(body.as_bytes()).unwrap();
    let mut answer = [0; 12];
    held.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    let (_, accounts, _) = home.ask(0, "", &["account", "list"], "");
    assert!(accounts.contains("ada") && !accounts.contains("eve"), "{accounts}");
}

/// Criterion: T1.LA.4 (negative)
#[test]
fn hanging_up_after_a_wrong_password_does_not_make_it_uncounted() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    let socket = home.place.path().join("hub.sock");
    let (head, body) =
        request("POST", "/v1/login", "", r#"{"name":"ada","password":"no such password"}"#);
    // One that is gone before the hub looks at its request costs nothing and is not counted; one whose password
    // is being compared is.
    wait_until(PATIENCE, || {
        let mut gone = UnixStream::connect(&socket)?;
        gone.write_all((head.clone() + &body).as_bytes())?;
        drop(gone);
        anyhow::ensure!(home.saw("auth.failure", "a password for ada"), "not counted yet");
        Ok(())
    })
    .unwrap();
}

/// Criterion: T1.LA.1 (negative)
#[test]
fn only_who_may_switches_pairing_on() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    let code = home.setup_code();
    let password = "seven green kettles sing\n";
    let setup = ["account", "setup", "ada", "--code", &code];
    assert_eq!(home.ask(NOBODY, "", &setup, password).0, 0);
    let owner = home.login("ada", password);
    let add = ["account", "add", "guy", "--role", "guest"];
    assert_eq!(home.ask(NOBODY, &owner, &add, "nine red kettles whistle\n").0, 0);
    let guest = home.login("guy", "nine red kettles whistle\n");
    for token in ["", &guest] {
        let (ended, _, complaint) = home.ask(NOBODY, token, &["pair", "open"], "");
        assert_eq!(ended, 3, "{complaint}");
        let (_, status, _) = home.ask(0, "", &["status"], "");
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        assert!(status["status"]["pairing_until"].is_null(), "{status}");
    }
    assert_eq!(home.ask(NOBODY, &owner, &["pair", "open"], "").0, 0, "the owner may");
}
