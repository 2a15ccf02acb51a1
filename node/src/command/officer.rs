//! `officer` and `officers`: an officer's keys and signatures, anywhere; and a change of who the officers are.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use peer::{
    ActionFile,
    action::{parse_hex, parse_officer_key},
    folder::{Seed, fresh_seed, officer_of, read_officer_key, write_officer_key},
};
use record::identity::{
    EpochKeys, Officer, OfficerAction, Officers, PaperRole, SignError, SpareDigest, parse_paper,
};
use runtime::{exit::Exit, files};
use serde_json::json;
use zeroize::Zeroizing;

use super::{CommandError, print::Said};

#[derive(Debug, Subcommand)]
pub(super) enum OfficerCommand {
    /// Make an officer's two keys, on any computer, and print what the founder needs.
    #[command(
        after_help = "Example:\n  folkmoot-node officer new --out my-keys\n\nGive the printed line to whoever founds the community, or changes its officers. It is not secret; the two files are."
    )]
    New(New),
    /// Read what officers are asked to sign, in words, and sign it, on any computer.
    #[command(
        after_help = "Example:\n  folkmoot-node officer sign action.toml --key officer-1.toml\n  folkmoot-node officer sign action.toml --paper\n\nGive the signed file back to whoever asked for it. It holds no secret."
    )]
    Sign(Sign),
}

#[derive(Debug, Args)]
pub(super) struct New {
    /// The folder for `officer.toml` and `spare.toml`; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Sign {
    /// The file that is to be signed.
    #[arg(value_name = "ACTION")]
    action: PathBuf,
    #[command(flatten)]
    keys: KeyOptions,
    /// Where the signed file is written; in the place of the unsigned one if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Sign without asking whether the words are right.
    #[arg(long)]
    yes: bool,
}

/// Where an officer's secret key comes from.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct KeyOptions {
    /// An officer's key file, or for a change of officers the spare key's; may be repeated.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Ask for a key as it stands on a recovery sheet, one line of 14 groups.
    #[arg(long)]
    paper: bool,
}

impl KeyOptions {
    /// Whether any key was given.
    pub(super) fn is_empty(&self) -> bool {
        self.key.is_empty() && !self.paper
    }

    /// The keys, those on paper typed in.
    pub(super) fn read(&self) -> Result<Vec<(PaperRole, Seed)>, CommandError> {
        let mut keys = Vec::new();
        for path in &self.key {
            keys.push(read_officer_key(path)?);
        }
        if self.paper {
            keys.push(ask_for_paper(&mut io::stdin().lock())?);
        }
        Ok(keys)
    }
}

pub(super) fn run(command: &OfficerCommand) -> Result<Said, CommandError> {
    match command {
        OfficerCommand::New(it) => new(it),
        OfficerCommand::Sign(it) => sign(it),
    }
}

/// The public side of an officer as it is given to a founder: `KEY:SPARE_DIGEST`, in hexadecimal.
fn public_line(officer: &Officer) -> String {
    let (key, digest) = (officer.key.as_bytes(), &officer.spare_digest.0);
    format!("{}:{}", HEXLOWER.encode(key), HEXLOWER.encode(digest))
}

/// An officer as [`public_line`] writes it.
pub(super) fn parse_public_line(text: &str) -> Result<Officer, String> {
    let (key, digest) = text.split_once(':').ok_or_else(|| {
        format!("`{text}` is no officer: it is the line that `folkmoot-node officer new` printed")
    })?;
    Ok(Officer { key: parse_officer_key(key)?, spare_digest: SpareDigest(parse_hex(digest)?) })
}

/// Officers in the order that every list of them has.
pub(super) fn officers_of(
    mut list: Vec<Officer>,
    threshold: u32,
) -> Result<Officers, CommandError> {
    list.sort();
    Officers::new(list, threshold)
        .map_err(|error| CommandError::usage(format!("{error}. Nothing was done.")))
}

/// Two fresh keys in two files of a folder.
pub(super) fn make_keys(officer: &Path, spare: &Path) -> Result<Officer, CommandError> {
    let seeds = (fresh_seed()?, fresh_seed()?);
    write_officer_key(officer, PaperRole::Officer, &seeds.0)?;
    write_officer_key(spare, PaperRole::Spare, &seeds.1)?;
    Ok(officer_of(&seeds.0, &seeds.1))
}

fn new(new: &New) -> Result<Said, CommandError> {
    files::create_private_dir(&new.out).map_err(peer::folder::FolderError::from)?;
    let (key, spare) = (new.out.join("officer.toml"), new.out.join("spare.toml"));
    let line = public_line(&make_keys(&key, &spare)?);
    let text = format!(
        "Your officer's key is in {}, your spare key in {}. Only you should have them, and in two different places: \
         the spare key is needed only to change officers.\n\n\
         Give this to whoever founds the community or changes its officers; it is not secret:\n  {line}",
        key.display(),
        spare.display(),
    );
    Ok(Said::new(json!({ "officer": line, "key": key, "spare_key": spare }), text))
}

fn sign(sign: &Sign) -> Result<Said, CommandError> {
    let mut file = read_action(&sign.action)?;
    let words = describe(&file);
    if sign.keys.is_empty() {
        let sentence =
            format!("{words}\nNothing was signed: give your key with --key FILE or --paper.");
        return Err(CommandError::usage(sentence));
    }
    if !sign.yes && !is_agreed(&words, &mut io::stdin().lock())? {
        return Err(CommandError::failed("officer.not_agreed", "Nothing was signed."));
    }
    let mut signed = Vec::new();
    for (role, key) in sign.keys.read()? {
        signed.push(sign_with(&mut file, role, &key)?);
    }
    let out = sign.out.as_deref().unwrap_or(&sign.action);
    write_action(out, &file)?;
    let n_missing = file.n_missing();
    let next = match n_missing {
        0 => "Enough officers have signed: give the file back to whoever asked for it.".to_owned(),
        n => format!("{n} more must sign: pass the file on."),
    };
    let text = format!("{words}\nSigned: {}. {next}", out.display());
    let json = json!({ "action": out, "signed_as": signed, "missing": n_missing });
    Ok(Said::new(json, text))
}

/// Signs with one key; a refusal says which kind of key is wanted.
pub(super) fn sign_with(
    file: &mut ActionFile,
    role: PaperRole,
    key: &Seed,
) -> Result<u32, CommandError> {
    let needs_spare = file.action.needs_spare();
    let wanted = if needs_spare { "the spare key" } else { "the officer's key" };
    if (role == PaperRole::Spare) != needs_spare {
        let sentence = format!(
            "This is signed with {wanted} of an officer, and the key given is the other one. Nothing was signed."
        );
        return Err(CommandError::failed("officer.other_key", sentence));
    }
    match file.sign(key) {
        // A repeat is an answer: the signature is there.
        Ok(officer_index) | Err(SignError::Repeat { officer_index }) => Ok(officer_index),
        Err(error @ SignError::NotTheirs) => {
            let sentence = format!(
                "{error}. Nothing was signed. It is {wanted} of an officer in office that signs."
            );
            Err(CommandError::failed("officer.not_theirs", sentence))
        }
    }
}

pub(super) fn read_action(path: &Path) -> Result<ActionFile, CommandError> {
    ActionFile::read(path)
        .map_err(|error| CommandError::caused_by(Exit::Usage, "officer.action", &error))
}

pub(super) fn write_action(path: &Path, file: &ActionFile) -> Result<(), CommandError> {
    files::write_private_file(path, file.render().as_bytes())
        .map_err(|error| peer::folder::FolderError::from(error).into())
}

/// What an action does, for the officer who is asked to sign it.
pub(super) fn describe(file: &ActionFile) -> String {
    let ActionFile { community, network, name, officers, action } = file;
    let mut words = format!(
        "{} ({network}) asks its officers to sign.\n  {community}\n\
         Compare this id with the one on your recovery sheet: it alone says who asks.\n\n",
        name.as_str()
    );
    // Writing to a string cannot fail.
    let _ = match action {
        OfficerAction::Rotation(it) => {
            writeln!(
                words,
                "NEW KEYS for the community's machine. The officers stay.\n{}",
                keys(&it.keys)
            )
        }
        OfficerAction::OfficerChange(it) => {
            let list = it.officers.list().iter();
            let list: String =
                list.map(|it| format!("  {}\n", HEXLOWER.encode(it.key.as_bytes()))).collect();
            writeln!(
                words,
                "NEW OFFICERS in the place of all present ones; {} of these {} will act together:\n{list}\
                 Your spare key is shown by this, and is good for nothing afterwards.",
                it.officers.threshold(),
                it.officers.list().len(),
            )
        }
        OfficerAction::Recovery(it) => writeln!(
            words,
            "RECOVERY. The log ends after its first {} records (era {}), and a new one begins with new keys. Whatever was \
             written after those records, by the community or by a thief, counts for nothing.\n{}",
            it.kept.size,
            it.kept.era,
            keys(&it.keys)
        ),
    };
    let (n_signed, threshold) = (action.signed_by().len(), officers.threshold());
    let _ = writeln!(words, "{n_signed} of {threshold} needed have signed.");
    words
}

fn keys(keys: &EpochKeys) -> String {
    let line = |name: &str, key: &[u8; 32]| format!("  {name:<10}{}\n", HEXLOWER.encode(key));
    [
        line("log", keys.log().as_bytes()),
        line("transport", keys.transport().as_bytes()),
        line("mirror", keys.mirror().as_bytes()),
        line("witness", keys.witness().as_bytes()),
    ]
    .concat()
}

/// Shows the words on the terminal and waits for a yes.
fn is_agreed(words: &str, answers: &mut impl io::BufRead) -> Result<bool, CommandError> {
    // Where the terminal is closed, nobody answers.
    let _ = write!(io::stderr(), "{words}\nSign this? Type yes: ");
    let answer = answer(answers)?;
    Ok(matches!(answer.trim(), "yes" | "Yes" | "YES" | "ydw" | "iawn"))
}

fn answer(answers: &mut impl io::BufRead) -> Result<Zeroizing<String>, CommandError> {
    let mut line = Zeroizing::new(String::new());
    answers.read_line(&mut line).map_err(|error| {
        CommandError::failed(
            "officer.no_answer",
            format!("No answer could be read: {error}. Nothing was done."),
        )
    })?;
    Ok(line)
}

/// A key as it stands on paper.
fn ask_for_paper(answers: &mut impl io::BufRead) -> Result<(PaperRole, Seed), CommandError> {
    let _ = write!(io::stderr(), "Type the 14 groups of your key, in one line: ");
    let line = answer(answers)?;
    let (role, seed) = parse_paper(&line).map_err(|error| {
        let sentence = format!("{error}. Nothing was done; type it again.");
        CommandError::failed(error.reason(), sentence)
    })?;
    Ok((role, Zeroizing::new(seed)))
}

/// Whether there is such a file.
pub(super) fn exists(path: &Path) -> bool {
    fs::exists(path).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use record::identity::render_paper;

    use super::*;

    #[test]
    fn an_officers_public_line_is_read_as_it_was_printed() {
        let officer = officer_of(&fresh_seed().unwrap(), &fresh_seed().unwrap());
        assert_eq!(parse_public_line(&public_line(&officer)), Ok(officer));
        let line = public_line(&officer);
        for wrong in ["", "abc", line.split(':').next().unwrap(), &format!("{line}0")] {
            assert!(parse_public_line(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_on_paper_is_typed_and_one_wrong_character_is_named_by_its_group_without_the_key() {
        let paper = render_paper(PaperRole::Spare, &[9; 32]);
        let (role, seed) = ask_for_paper(&mut format!("{paper}\n").as_bytes()).unwrap();
        assert_eq!((role, *seed), (PaperRole::Spare, [9; 32]));
        let first = paper.chars().next().unwrap();
        let wrong = paper.replacen(first, if first == '2' { "3" } else { "2" }, 1);
        let refused = ask_for_paper(&mut wrong.as_bytes()).unwrap_err();
        assert_eq!(refused.reason, "paper.group");
        assert!(refused.sentence.contains("group 1"), "{}", refused.sentence);
        assert!(!refused.sentence.contains(paper.split(' ').nth(3).unwrap()));
    }

    #[test]
    fn only_a_yes_signs() {
        for (typed, agreed) in
            [("yes\n", true), ("Yes", true), ("y\n", false), ("", false), ("no\n", false)]
        {
            assert_eq!(is_agreed("words", &mut typed.as_bytes()).unwrap(), agreed, "{typed}");
        }
    }
}
