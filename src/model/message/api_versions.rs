//! What a server offers: `ApiVersionsRequest.json` and its response. All nodes of a cluster speak
//! the same versions here, so the answer says only that somebody serves.

message! {
    /// The first request on a connection, if its client wants to know.
    pub struct ApiVersionsRequest {}
}

message! {
    /// The server is there.
    pub struct ApiVersionsResponse {}
}
