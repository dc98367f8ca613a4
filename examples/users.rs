//! Creating users: functions check and complete a user before it is saved, and hear of it afterwards.
//!
//!     cargo run --example users -- some-folder ada ada@example.com

use campanile::broker::{Broker, Call, Failure, Guarded, Patched, SubscribeOptions};
use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{error::Error, path::Path, sync::mpsc};

/// Users by name, and by the guard that they were saved under.
const USERS: TableDefinition<&str, &str> = TableDefinition::new("users");
const GUARDS: TableDefinition<&str, &str> = TableDefinition::new("guards");

#[derive(Serialize, Deserialize)]
struct User {
    #[serde(default)]
    user_id: u64,
    username: String,
    email: String,
    plan: Option<String>,
}

/// The operation: a user is saved together with the id of its guard.
fn save(users: &Database, guarded: &Guarded) -> Result<User, Box<dyn Error>> {
    let mut user: User = guarded.parse()?;
    let write = users.begin_write()?;
    user.user_id = write.open_table(USERS)?.len()? + 1;
    let json = serde_json::to_string(&user)?;
    write.open_table(USERS)?.insert(&*user.username, &*json)?;
    write.open_table(GUARDS)?.insert(guarded.id(), &*json)?;
    write.commit()?;
    Ok(user)
}

/// What was under way when the program last ended: the store knows whether it happened.
async fn settle(broker: &Broker, users: &Database) -> Result<(), Box<dyn Error>> {
    for guard in broker.open_guards() {
        let saved = users.begin_read()?.open_table(GUARDS)?.get(&*guard.id)?;
        match saved.map(|json| serde_json::from_str::<User>(json.value())).transpose()? {
            Some(user) => broker.confirm_guard(&guard.id, &user).await?,
            None => broker.discard_guard(&guard.id).await?,
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, username, email] = &arguments[..] else { return Err("usage: FOLDER NAME EMAIL".into()) };
    let mut config = campanile::Config::default();
    config.storage.path = Path::new(folder).join("events");
    let broker = Broker::open(config)?;
    let users = Database::create(Path::new(folder).join("users.redb"))?;
    let write = users.begin_write()?;
    drop((write.open_table(USERS)?, write.open_table(GUARDS)?));
    write.commit()?;
    let check = broker.function("check-email", async |call: Call| match call.parse::<User>() {
        Ok(user) if user.email.ends_with("@example.com") => Ok(Patched(json!({"plan": "free"}))),
        _ => Err(Failure::rejected("EMAIL_DOMAIN", "only addresses at example.com")),
    });
    broker.attach("PRE_USER_CREATE", &*check.await?, SubscribeOptions::default()).await?;
    let (tell, told) = mpsc::channel();
    let welcome = broker.function("welcome", move |call: Call| {
        let tell = tell.clone();
        async move { drop(tell.send(call.params())) }
    });
    broker.attach("POST_USER_CREATE", &*welcome.await?, SubscribeOptions::default()).await?;
    settle(&broker, &users).await?;

    let params = json!({"username": username, "email": email});
    let saving = async |guarded: Guarded| save(&users, &guarded);
    match broker.guard("PRE_USER_CREATE", "POST_USER_CREATE", &params, saving).await {
        Ok(user) => println!("saved user {}; welcomed {}", user.user_id, std::str::from_utf8(&told.recv()?)?),
        Err(error) => println!("{error}"),
    }
    broker.shutdown().await;
    Ok(())
}
