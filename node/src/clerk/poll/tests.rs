use proto::{
    clerk::AddMembersRequest,
    kinds::{
        poll::{DecidingSum, Mode, Opening, Threshold, ThresholdBase},
        text::{Text, Wording},
    },
};
use record::time::{DAY_MILLIS, HOUR_MILLIS};

use super::*;
use crate::clerk::{member, samples::founded};

/// A community, its ballot box, and the numbers of its people.
struct Community {
    peer: Peer,
    duties: Duties,
    members: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Community {
    /// With so many people on its published roll.
    async fn with_people(n_people: usize) -> Self {
        let (folder, peer) = founded().await;
        let ballots = BallotBox::open(&folder.path().join("ballots.sqlite")).await.unwrap();
        let names = (1..=n_people).map(|n| format!("Invented Person {n}")).collect();
        let members = member::add(&ballots, AddMembersRequest { names }).await.unwrap().members;
        member::publish_roll(&peer, &ballots).await.unwrap();
        let duties = Duties::new(peer.clone(), ballots);
        Self { peer, duties, members, _folder: folder }
    }

    /// Yes or no, open from now on for an hour.
    fn question(&self) -> OpenPollRequest {
        let now = self.peer.clock().now_millis();
        let half =
            |base: ThresholdBase| Threshold { numerator: 1, denominator: 2, base: base.into() };
        let opening = Opening {
            method: proto::kinds::poll::Method::YesNo.into(),
            n_options: 2,
            mode: Mode::Secret.into(),
            opens_at: now,
            closes_at: now + HOUR_MILLIS,
            roots_before: now + 2 * HOUR_MILLIS,
            tallies_before: now + DAY_MILLIS,
            threshold: Some(half(ThresholdBase::ForAndAgainst)),
            deciding_sum: DecidingSum::Ballots.into(),
            smallest_cell: 10,
            challenge_days: 14,
            ..Opening::default()
        };
        let wording = Wording {
            language: "en".to_owned(),
            title: "Open on Sundays?".to_owned(),
            text: String::new(),
            labels: ["Yes", "No"].map(str::to_owned).to_vec(),
        };
        OpenPollRequest { opening: Some(opening), text: Some(Text { wordings: vec![wording] }) }
    }

    async fn open_poll(&self) -> String {
        let opened = open(&self.peer, &self.duties, self.question()).await.unwrap();
        opened.written.unwrap().record
    }

    /// Hands in ballots: a place among the people, from 0, and the options.
    async fn hand_in(
        &self,
        poll: &str,
        marked: &[(usize, &[u32])],
    ) -> Result<CastBallotsResponse, Refusal> {
        let ballot = |(person, options): &(usize, &[u32])| Ballot {
            member: self.members.get(*person).cloned().unwrap_or_else(|| "m-999999".to_owned()),
            options: options.to_vec(),
        };
        let ballots = marked.iter().map(ballot).collect();
        let request = CastBallotsRequest { poll: poll.to_owned(), ballots, replace: false };
        cast(&self.peer, &self.duties, request).await
    }
}

fn refused(response: &CastBallotsResponse) -> Vec<(u32, &str)> {
    response.refused.iter().map(|it| (it.ballot_index, it.reason.as_str())).collect()
}

#[tokio::test]
async fn a_ballot_is_taken_though_the_box_has_not_heard_of_the_poll_yet() {
    let community = Community::with_people(1).await;
    let ballots = community.duties.ballots();
    let announced = announce(&community.peer, ballots, community.question()).await.unwrap();
    let unheard = Cast {
        poll: announced.id,
        person: community.members[0].parse().unwrap(),
        choice: Choice::One(0),
        replace: false,
    };
    let now = UnixMillis(community.peer.clock().now_millis());
    let refused = ballots.cast_many(vec![unheard], now).await.unwrap();
    assert_eq!(refused, [Err(CastRefusal::UnknownPoll)], "the box has not heard of it");

    let taken = community.hand_in(&announced.id.to_string(), &[(0, &[0])]).await.unwrap();
    assert_eq!((taken.receipts.len(), taken.refused.len()), (1, 0));
    let again = community.hand_in(&announced.id.to_string(), &[(0, &[1])]).await.unwrap_err();
    assert_eq!(again.reason(), "ballot.already_voted", "the first is in the box, once");
}

#[tokio::test]
async fn of_several_ballots_those_taken_have_receipts_and_the_others_their_reasons() {
    let community = Community::with_people(3).await;
    let poll = community.open_poll().await;
    community.hand_in(&poll, &[(1, &[0])]).await.unwrap();
    let marked: [(usize, &[u32]); 6] =
        [(9, &[0]), (0, &[0]), (1, &[1]), (2, &[0, 1]), (2, &[2]), (2, &[])];
    let response = community.hand_in(&poll, &marked).await.unwrap();
    assert_eq!(
        refused(&response),
        [
            (0, "ballot.not_on_roll"),
            (2, "ballot.already_voted"),
            (3, "ballot.invalid_choice"),
            (4, "ballot.invalid_choice"),
        ]
    );
    assert_eq!(response.receipts.len(), 2, "one for the second ballot, one for the sixth");
    assert!(response.receipts.iter().all(|it| it.starts_with(&poll)), "{response:?}");
    let told: String = response.refused.iter().map(|it| it.detail.as_str()).collect();
    assert!(!told.contains("m-") && !told.contains("Invented"), "{told}");

    let again = community.hand_in(&poll, &[(0, &[0]), (2, &[])]).await.unwrap();
    assert_eq!(refused(&again), [(0, "ballot.already_voted"), (1, "ballot.already_voted")]);
    assert_eq!(again.receipts, Vec::<String>::new(), "both were in the box");
}

#[tokio::test]
async fn the_only_ballot_of_a_request_is_taken_or_the_refusal_is_the_answer() {
    let community = Community::with_people(1).await;
    let poll = community.open_poll().await;
    let stranger = community.hand_in(&poll, &[(7, &[0])]).await.unwrap_err();
    assert_eq!(stranger.reason(), "ballot.not_on_roll");
    assert_eq!(community.hand_in(&poll, &[(0, &[0])]).await.unwrap().receipts.len(), 1);
    assert_eq!(community.hand_in(&poll, &[]).await.unwrap(), CastBallotsResponse::default());
}

#[tokio::test]
async fn a_number_that_is_none_hinders_no_other_ballot() {
    let community = Community::with_people(1).await;
    let poll = community.open_poll().await;
    let ballot = |member: &str| Ballot { member: member.to_owned(), options: vec![0] };
    let ballots = vec![ballot("Invented Person 1"), ballot(&community.members[0])];
    let request = CastBallotsRequest { poll, ballots, replace: false };
    let response = cast(&community.peer, &community.duties, request).await.unwrap();
    assert_eq!(refused(&response), [(0, "ballot.member_number")]);
    assert_eq!(response.receipts.len(), 1);
    assert!(!response.refused[0].detail.contains("Invented"), "{response:?}");
}

#[test]
fn a_ballot_takes_the_form_of_the_polls_method() {
    assert_eq!(choice_of(Method::YesNo, vec![1]).ok(), Some(Choice::One(1)));
    assert_eq!(choice_of(Method::Approval, vec![2, 0]).ok(), Some(Choice::Several([0, 2].into())));
    for method in [Method::YesNo, Method::Plurality, Method::Approval] {
        assert_eq!(choice_of(method, vec![]).ok(), Some(Choice::Blank));
    }
    assert!(choice_of(Method::Plurality, vec![0, 1]).is_err());
}
