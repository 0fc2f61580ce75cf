//! The command line, as a maker uses it.

use crate::{
    web::Client,
    world::{NOW, World},
};
use hyper::StatusCode;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

fn command(folder: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloud-stub"));
    command.args(words.split(' ')).arg("--folder").arg(folder).output().unwrap()
}

fn done(folder: &Path, words: &str) -> String {
    let output = command(folder, words);
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(folder: &Path, words: &str) -> String {
    let output = command(folder, words);
    assert!(!output.status.success(), "{words}");
    String::from_utf8(output.stderr).unwrap()
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn a_makers_whole_life() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, image) = (folder.path(), folder.path().join("image"));
    std::fs::write(&image, [7; 10_000]).unwrap();
    let image = image.display();
    assert!(refused(folder, "refresh").contains("cloud-stub ceremony VENDOR"));
    let made: Value = serde_json::from_str(&done(folder, "ceremony acme --json")).unwrap();
    assert!(Path::new(made["root"].as_str().unwrap()).exists());
    done(folder, "ceremony other");
    let released = done(folder, &format!("release acme.lamp 1.0 {image} --security high --json"));
    let released: Value = serde_json::from_str(&released).unwrap();
    assert_eq!((&released["counter"], &released["security"]), (&1.into(), &"high".into()));
    let many = "--counter 5 --hardware 1,2 --floor 1 --chunk 4096 --expires 2999-01-01 --health 60 --rollout 10";
    done(folder, &format!("release acme.lamp 1.1 {image} {many} --without root-1"));
    done(folder, "rollout acme.lamp 5 100");
    let listed: Value = serde_json::from_str(&done(folder, "releases --json")).unwrap();
    assert_eq!(
        (listed[1]["counter"].as_u64(), listed[1]["rollout"].as_u64()),
        (Some(5), Some(100))
    );
    for rotation in ["root", "targets", "snapshot", "timestamp", "vendor acme", "anchors acme"] {
        done(folder, &format!("rotate {rotation}"));
    }
    assert!(refused(folder, "rotate vendor").contains("which vendor"));
    done(folder, "revoke acme.lamp 5");
    done(folder, "refresh");
    let status: Value = serde_json::from_str(&done(folder, "status --json")).unwrap();
    assert_eq!(status["root"]["version"], 5);
    let stick = folder.join("stick");
    done(folder, &format!("export {}", stick.display()));
    assert!(stick.join("metadata/timestamp.json").exists());
    assert!(refused(folder, "revoke acme.lamp 5").contains("it has 1"));
    assert!(refused(folder, "refresh --without snapshot-9").contains("snapshot-1"));
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn the_running_cloud_says_where_its_repository_is() {
    let world = World::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloud-stub"));
    assert!(command.arg("init").arg(world.path()).status().unwrap().success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloud-stub"));
    command.arg("run").arg(world.path()).args(["--repository-listen", "127.0.0.1:0"]);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut first = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    let address = first["repository"].as_str().unwrap().parse().unwrap();
    let client = Client::of_hub(world.path(), address);
    let mut hub = crate::world::Hub::new(client.clone(), &world.repository);
    hub.refresh(NOW).unwrap();
    done(world.path(), r#"fault {"fault":"missing"}"#);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let came = runtime.block_on(client.get("/metadata/timestamp.json")).unwrap();
    assert_eq!(came.status, StatusCode::NOT_FOUND);
    done(world.path(), "fault");
    assert!(hub.refresh(NOW).is_ok());
}
