//! Requests and responses (§6, §7). What is read goes through `rtsp-types`; what is written are a few lines, of which
//! some names come more than once (`WWW-Authenticate`), which `rtsp-types` would join into one.

use std::fmt::Write as _;

use bytes::Bytes;

pub use rtsp_types::{HeaderName, Method, StatusCode, Version, headers};

/// A parsed request.
pub type Request = rtsp_types::Request<Vec<u8>>;
/// A parsed response.
pub type Response = rtsp_types::Response<Vec<u8>>;

/// A parsed message.
#[derive(Debug)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Reads one whole message; `None` if it is none, or has bytes too many or too few.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        // Frames are `framer`'s: this parser would copy them.
        match rtsp_types::Message::parse(bytes) {
            Ok((rtsp_types::Message::Request(request), taken)) if taken == bytes.len() => {
                Some(Self::Request(request))
            }
            Ok((rtsp_types::Message::Response(response), taken)) if taken == bytes.len() => {
                Some(Self::Response(response))
            }
            _ => None,
        }
    }
}

/// A header's value in a request, by its name.
pub fn request_header<'r>(request: &'r Request, name: &HeaderName) -> Option<&'r str> {
    request.header(name).map(rtsp_types::HeaderValue::as_str)
}

/// A header's value in a response, by its name.
pub fn response_header<'r>(response: &'r Response, name: &HeaderName) -> Option<&'r str> {
    response.header(name).map(rtsp_types::HeaderValue::as_str)
}

/// A message in the making. Values are written as they are, but for line breaks, which would end them.
#[derive(Debug)]
pub(crate) struct Builder(String);

impl Builder {
    /// A response (§7).
    pub(crate) fn response(status: StatusCode, cseq: Option<u32>) -> Self {
        let mut this = Self(format!("RTSP/1.0 {} {status}\r\n", u16::from(status)));
        if let Some(cseq) = cseq {
            this = this.header(&headers::CSEQ, &cseq.to_string());
        }
        this
    }

    /// A request (§6).
    pub(crate) fn request(method: &str, uri: &str, cseq: u32) -> Self {
        let mut this = Self(method.to_owned());
        this.0.push(' ');
        this.push(uri);
        this.0.push_str(" RTSP/1.0\r\n");
        this.header(&headers::CSEQ, &cseq.to_string())
    }

    pub(crate) fn header(mut self, name: &HeaderName, value: &str) -> Self {
        self.0.push_str(name.as_str());
        self.0.push_str(": ");
        self.push(value);
        self.0.push_str("\r\n");
        self
    }

    fn push(&mut self, value: &str) {
        self.0.extend(value.chars().filter(|character| !character.is_control()));
    }

    pub(crate) fn empty(mut self) -> Bytes {
        self.0.push_str("\r\n");
        self.0.into()
    }

    pub(crate) fn body(mut self, content_type: &str, body: &str) -> Bytes {
        self = self.header(&headers::CONTENT_TYPE, content_type);
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{}: {}\r\n\r\n{body}", headers::CONTENT_LENGTH, body.len());
        self.0.into()
    }
}
