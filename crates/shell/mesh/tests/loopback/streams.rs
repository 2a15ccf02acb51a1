//! Streams between two nodes.

use mesh::{OpenError, RegionKey, StreamFault};

use crate::support::{MAX_FRAME_BYTES, Node, QUIC, TCP, config, config_at, key, soon};

/// One connects to the other, and what one sends comes back.
async fn echo(listen: &str) {
    let mut a = Node::start(1, config(listen), &[2]).await;
    let mut b = Node::start(2, config_at(listen, &a), &[1]).await;
    b.connected_to(a.key).await;
    a.connected_to(b.key).await;
    let near = b.mesh.open(a.key).await.unwrap();
    near.outgoing.send(b"here".to_vec()).await.unwrap();
    let (from, mut far) = a.opened().await;
    assert_eq!(from, b.key);
    for size in [0, 1, MAX_FRAME_BYTES] {
        near.outgoing.send(vec![7; size]).await.unwrap();
    }
    assert_eq!(soon(far.incoming.recv()).await, Some(Ok(b"here".to_vec())));
    for size in [0, 1, MAX_FRAME_BYTES] {
        assert_eq!(soon(far.incoming.recv()).await, Some(Ok(vec![7; size])));
    }
    drop(near);
    assert_eq!(soon(far.incoming.recv()).await, None, "one end dropped ends the other");
}

#[tokio::test]
async fn frames_cross_over_tcp() {
    echo(TCP).await;
}

#[cfg(feature = "quic")]
#[tokio::test]
async fn frames_cross_over_quic() {
    echo(QUIC).await;
}

#[cfg(not(feature = "quic"))]
#[tokio::test]
async fn without_quic_its_addresses_are_refused() {
    let seed = zeroize::Zeroizing::new([1; 32]);
    let error = mesh::start(config(QUIC), &seed).await.unwrap_err();
    assert!(error.to_string().contains("no transport"), "{error}");
}

/// Streams of a node that is cut off, by one side or by both at once, end at both.
async fn cut_off(listen: &str, is_mutual: bool) {
    let mut a = Node::start(1, config(listen), &[2]).await;
    let mut b = Node::start(2, config_at(listen, &a), &[1]).await;
    b.connected_to(a.key).await;
    a.connected_to(b.key).await;
    let mut near = b.mesh.open(a.key).await.unwrap();
    near.outgoing.send(vec![1]).await.unwrap();
    let (_, mut far) = a.opened().await;
    assert_eq!(soon(far.incoming.recv()).await, Some(Ok(vec![1])));
    a.mesh.cut(b.key, "test.reason").await;
    if is_mutual {
        b.mesh.cut(a.key, "test.reason").await;
    }
    for end in [&mut near, &mut far] {
        assert!(!matches!(soon(end.incoming.recv()).await, Some(Ok(_))));
    }
}

#[tokio::test]
async fn the_streams_of_a_node_that_is_cut_off_end() {
    cut_off(TCP, false).await;
    cut_off(TCP, true).await;
}

#[cfg(feature = "quic")]
#[tokio::test]
async fn the_streams_of_a_node_that_is_cut_off_end_over_quic() {
    cut_off(QUIC, false).await;
    cut_off(QUIC, true).await;
}

#[tokio::test]
async fn a_frame_larger_than_allowed_cuts_the_stream_with_the_reason() {
    let mut a = Node::start(1, config(TCP), &[2]).await;
    let mut b = Node::start(2, config_at(TCP, &a), &[1]).await;
    b.connected_to(a.key).await;
    let near = b.mesh.open(a.key).await.unwrap();
    near.outgoing.send(vec![7; MAX_FRAME_BYTES + 1]).await.unwrap();
    let (_, mut far) = a.opened().await;
    let fault = soon(far.incoming.recv()).await.unwrap().unwrap_err();
    let StreamFault::TooLarge { found, most } = &fault else { panic!("{fault}") };
    assert_eq!((*found as usize, *most), (MAX_FRAME_BYTES + 1, MAX_FRAME_BYTES));
    assert_eq!(fault.reason(), "mesh.frame_too_large");
    assert_eq!(soon(far.incoming.recv()).await, None);
}

#[tokio::test]
async fn a_node_opens_no_more_streams_than_allowed() {
    let mut limited = config(TCP);
    limited.limits.max_streams_per_key = 1;
    let mut a = Node::start(1, limited, &[2]).await;
    let mut b = Node::start(2, config_at(TCP, &a), &[1]).await;
    b.connected_to(a.key).await;
    let first = b.mesh.open(a.key).await.unwrap();
    first.outgoing.send(vec![1]).await.unwrap();
    let (_, mut far) = a.opened().await;
    let mut second = b.mesh.open(a.key).await.unwrap();
    // Whether it is taken or not, nothing comes back but the end.
    let _ = second.outgoing.send(vec![2]).await;
    assert!(!matches!(soon(second.incoming.recv()).await, Some(Ok(_))));
    assert_eq!(soon(far.incoming.recv()).await, Some(Ok(vec![1])), "the first goes on");
}

#[tokio::test]
async fn nobody_opens_a_stream_to_a_node_that_is_not_connected() {
    let a = Node::start(1, config(TCP), &[]).await;
    assert_eq!(a.mesh.open(key(9)).await.unwrap_err(), OpenError::NotConnected);
}

#[tokio::test]
async fn with_another_region_key_or_none_nobody_connects() {
    let region_key = |byte: &str| {
        let text = format!("/key/swarm/psk/1.0.0/\n/base16/\n{}\n", byte.repeat(32));
        Some(RegionKey::parse(&text).unwrap())
    };
    let mut private = config(TCP);
    private.region_key = region_key("ab");
    let mut a = Node::start(1, private, &[2, 3, 4]).await;
    for (number, theirs) in [(2, region_key("cd")), (3, None)] {
        let mut other = config(TCP);
        other.region_key = theirs;
        let mut b = Node::start(number, other, &[1]).await;
        b.mesh.learn(a.key, a.mesh.listening()).await;
        b.mesh.connect(a.key).await;
        b.wait_for(|it| it.take_if(|it| matches!(it, mesh::Event::Unreachable(_))).map(drop)).await;
    }
    let mut same = config_at(TCP, &a);
    same.region_key = region_key("ab");
    let mut c = Node::start(4, same, &[1]).await;
    c.connected_to(a.key).await;
    a.connected_to(c.key).await;
}
