//! Pages over the connection that gRPC calls take.

use std::future::poll_fn;

use http::{Request, Response, Uri};
use tonic::{
    body::Body,
    client::GrpcService,
    transport::{Channel, Error},
};

/// The answer to a GET of this `https://` address. The channel leads to the server; the address names the page.
///
/// # Errors
///
/// If the connection is lost, or the server comes back with another key.
pub async fn get(channel: &Channel, url: Uri) -> Result<Response<Body>, Error> {
    let mut channel = channel.clone();
    poll_fn(|context| GrpcService::<Body>::poll_ready(&mut channel, context)).await?;
    let mut question = Request::new(Body::empty());
    *question.uri_mut() = url;
    channel.call(question).await
}
