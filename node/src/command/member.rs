//! `member` and `roll`: the people who may vote. Names go to the node and come back; they are in no error.

use std::{fmt::Write as _, path::PathBuf};

use clap::Subcommand;
use data_encoding::HEXLOWER;
use proto::clerk::{AddMembersRequest, ListMembersRequest, PublishRollRequest};
use serde_json::{Value, json};

use super::{CommandError, given, print::Said, reach::Client};

/// Names in one call: all or none of them are added.
const NAMES_PER_CALL: usize = 5_000;

#[derive(Debug, Subcommand)]
pub(super) enum Member {
    /// Add people who may vote.
    #[command(
        after_help = "Example:\n  folkmoot-node member add \"Ada Example\" \"Bryn Example\"\n  folkmoot-node member add --from names.txt"
    )]
    Add {
        /// Their names.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// A file with one name a line; `-` for standard input.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// List the people who may vote. The names are shown here and nowhere else.
    #[command(after_help = "Example:\n  folkmoot-node member list --after m-000100")]
    List {
        /// The last number of the page before.
        #[arg(long, value_name = "NUMBER")]
        after: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100, value_name = "NUMBER")]
        limit: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Roll {
    /// Publish how many people may vote, and a root that says nothing about who they are. Polls are opened on it.
    #[command(after_help = "Example:\n  folkmoot-node roll publish")]
    Publish,
}

pub(super) async fn run(client: Client, command: Member) -> Result<Said, CommandError> {
    match command {
        Member::Add { names, from } => add(client, names, from).await,
        Member::List { after, limit } => list(client, after.unwrap_or_default(), limit).await,
    }
}

async fn add(
    mut client: Client,
    mut names: Vec<String>,
    from: Option<PathBuf>,
) -> Result<Said, CommandError> {
    if let Some(path) = from {
        let file = given::text_file(&path)?;
        names.extend(file.lines().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned));
    }
    if names.is_empty() {
        let sentence = "Nobody was added: give names, or a file with one name a line (--from).";
        return Err(CommandError::usage(sentence));
    }
    let mut members = Vec::with_capacity(names.len());
    for chunk in names.chunks(NAMES_PER_CALL) {
        let request = AddMembersRequest { names: chunk.to_vec() };
        members.extend(client.add_members(request).await?.into_inner().members);
    }
    let text = match members.as_slice() {
        [one] => format!("One person was added: {one}."),
        [first, .., last] => format!("{} people were added: {first} to {last}.", members.len()),
        [] => "Nobody was added.".to_owned(),
    };
    let text = format!("{text} They can vote in polls opened after the next `roll publish`.");
    Ok(Said::new(json!({ "members": members }), text))
}

async fn list(mut client: Client, after: String, limit: u32) -> Result<Said, CommandError> {
    let answer = client.list_members(ListMembersRequest { after, limit }).await?.into_inner();
    let mut text = String::new();
    for member in &answer.members {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}  {}", member.id, member.name);
    }
    if answer.members.is_empty() {
        text.push_str("There is nobody here.");
    }
    if let (true, Some(last)) = (answer.more, answer.members.last()) {
        let _ = writeln!(text, "There are more: add --after {}", last.id);
    }
    let members: Vec<Value> =
        answer.members.iter().map(|it| json!({ "id": it.id, "name": it.name })).collect();
    Ok(Said::new(json!({ "members": members, "more": answer.more }), text))
}

pub(super) async fn publish_roll(mut client: Client) -> Result<Said, CommandError> {
    let answer = client.publish_roll(PublishRollRequest {}).await?.into_inner();
    let roll = answer.roll.unwrap_or_default();
    let n_on_roll = roll.n_on_roll;
    let mut said = Said::written(answer.written, |_| {
        format!(
            "The roll is published: {n_on_roll} people, and a root that says nothing about who they are."
        )
    });
    if let Some(json) = said.json.as_object_mut() {
        json.insert("n_on_roll".to_owned(), json!(n_on_roll));
        json.insert("roll_root".to_owned(), json!(HEXLOWER.encode(&roll.roll_root)));
    }
    Ok(said)
}
