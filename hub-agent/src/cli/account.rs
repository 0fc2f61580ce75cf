//! `hub-agent account …`, `login` and `logout`

use super::{
    Failure,
    client::Hub,
    component::escaped,
    show::{self, Output},
};
use clap::Subcommand;
use protocol::definition::Role;
use serde_json::json;
use std::io::{BufRead, IsTerminal};

#[derive(Subcommand)]
pub(super) enum Account {
    /// Make the first owner's account with the code that the hub printed when it started
    Setup {
        /// Its name: 1 to 32 of a-z 0-9 -, starting with a letter
        name: String,
        /// The code
        #[arg(long)]
        code: String,
    },
    /// Make an account; its password is the first line of standard input, or made up when that is empty
    Add {
        /// Its name: 1 to 32 of a-z 0-9 -, starting with a letter
        name: String,
        /// owner, installer, guest or cloud
        #[arg(long)]
        role: Role,
    },
    /// Change a password, likewise; ends its logins
    Password {
        /// The account
        name: String,
    },
    /// Remove an account and end its logins
    Remove {
        /// The account
        name: String,
    },
    /// All accounts
    List,
}

pub(super) fn obey(hub: &Hub, output: &Output, command: Account) -> Result<(), Failure> {
    match command {
        Account::Setup { name, code } => with_password(output, |password| {
            hub.post("/v1/setup", &json!({ "name": name, "code": code, "password": password }))
        }),
        Account::Add { name, role } => with_password(output, |password| {
            hub.post("/v1/accounts", &json!({ "name": name, "role": role, "password": password }))
        }),
        Account::Password { name } => with_password(output, |password| {
            let path = format!("/v1/accounts/{}/password", escaped(&name));
            hub.post(&path, &json!({ "password": password }))
        }),
        Account::Remove { name } => {
            let answer = hub.delete(&format!("/v1/accounts/{}", escaped(&name)))?;
            output.answer(&answer, |_| output.raw("removed\n"));
            Ok(())
        }
        Account::List => {
            let answer = hub.get("/v1/accounts")?;
            output.answer(&answer, |answer| {
                let row = |one| ["name", "role"].map(|key| show::text(&one_of(one, key))).to_vec();
                let rows: Vec<_> = answer.as_array().into_iter().flatten().map(row).collect();
                output.table(&["name", "role"], &rows);
            });
            Ok(())
        }
    }
}

fn one_of(one: &serde_json::Value, key: &str) -> serde_json::Value {
    one[key].clone()
}

/// Asks with the password that was typed, or with one made up, which is then shown once.
fn with_password(
    output: &Output,
    ask: impl FnOnce(&str) -> Result<serde_json::Value, super::client::ClientError>,
) -> Result<(), Failure> {
    let typed = typed("password (empty: make one up): ")?;
    let made_up = typed.is_empty();
    let password = if made_up { make_up()? } else { typed };
    let mut answer = ask(&password)?;
    if made_up {
        answer["password"] = password.as_str().into();
    }
    output.answer(&answer, |_| {
        output.raw("done\n");
        if made_up {
            output.raw(&format!("the password, shown only now: {password}\n"));
        }
    });
    Ok(())
}

/// 16 digits of Crockford's base 32: 80 random bits.
fn make_up() -> Result<String, Failure> {
    let mut bytes = [0; 10];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Failure::Failed("the system gives no randomness".into()))?;
    Ok(hub_core::access::pairing::code_text(&bytes))
}

/// The first line of standard input; on a terminal it is asked for and not shown.
fn typed(question: &str) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::Failed(format!("standard input: {e}"));
    let input = std::io::stdin();
    let hidden = input.is_terminal().then(|| Hidden::begin(question));
    let mut line = String::new();
    input.lock().read_line(&mut line).map_err(failed)?;
    drop(hidden);
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// What is typed is not shown until this is dropped.
struct Hidden(Option<rustix::termios::Termios>);

impl Hidden {
    fn begin(question: &str) -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        show::ask(question);
        let Ok(before) = tcgetattr(std::io::stdin()) else { return Self(None) };
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        let set = tcsetattr(std::io::stdin(), OptionalActions::Now, &quiet);
        Self(set.ok().map(|()| before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(before) = &self.0 {
            // A terminal that is gone needs no care any more.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
            show::ask("\n");
        }
    }
}

pub(super) fn login(hub: &Hub, output: &Output, name: &str) -> Result<(), Failure> {
    let password = typed("password: ")?;
    let answer = hub.post("/v1/login", &json!({ "name": name, "password": password }))?;
    output.answer(&answer, |answer| {
        let (token, until) = (show::text(&answer["token"]), show::text(&answer["until"]));
        output.raw(&format!(
            "export HUB_TOKEN={token}\n# good until {until}, or 30 minutes without use\n"
        ));
    });
    Ok(())
}

pub(super) fn logout(hub: &Hub, output: &Output) -> Result<(), Failure> {
    let answer = hub.delete("/v1/login")?;
    output.answer(&answer, |_| output.raw("logged out\n"));
    Ok(())
}
