//! The smallest RESP client that lets a test look at a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::ServerError;

/// How long a server has for one answer.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// No value.
    Nil,
    /// An integer.
    Int(i64),
    /// A status such as `OK`, or a value.
    Text(Vec<u8>),
    /// Several replies.
    List(Vec<Reply>),
    /// The server refused the command, with its message.
    Error(String),
}

impl Reply {
    /// The text, if the reply is text in UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The integer, if the reply is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The replies in a list; empty for every other reply.
    pub fn as_list(&self) -> &[Self] {
        match self {
            Self::List(replies) => replies,
            _ => &[],
        }
    }
}

/// One connection to a server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects, and authenticates where there is a password.
    pub(crate) fn open(port: u16, password: Option<&str>) -> Result<Self, ServerError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let open = || {
            let stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
            stream.set_read_timeout(Some(ANSWER_WITHIN))?;
            stream.set_write_timeout(Some(ANSWER_WITHIN))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = open().map_err(ServerError::io(format!("connect to {address}")))?;
        let mut connection = Self {
            stream: BufReader::new(stream),
        };
        if let Some(password) = password {
            // A refusal shows in the answer to the next command.
            connection.ask(&["AUTH", password])?;
        }
        Ok(connection)
    }

    /// Sends one command and reads its answer.
    pub(crate) fn ask<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Reply, ServerError> {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            let arg = arg.as_ref();
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.stream
            .get_ref()
            .write_all(&request)
            .map_err(ServerError::io("send a command to the server"))?;
        read_reply(&mut self.stream)
    }

    /// A second handle on the socket, by which another thread can close it.
    pub(crate) fn closer(&self) -> Result<Closer, ServerError> {
        let stream = self.stream.get_ref();
        stream
            .try_clone()
            .map(Closer)
            .map_err(ServerError::io("share a connection"))
    }

    /// The socket's input, which waits without limit from here on.
    pub(crate) fn into_lines(self) -> Result<BufReader<TcpStream>, ServerError> {
        self.stream
            .get_ref()
            .set_read_timeout(None)
            .map_err(ServerError::io("listen without a time limit"))?;
        Ok(self.stream)
    }
}

/// Closes the connection that it was taken from.
#[derive(Debug)]
pub(crate) struct Closer(TcpStream);

impl Closer {
    pub(crate) fn close(&self) {
        // A connection that the server closed already cannot be shut down again.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

fn read_reply(input: &mut impl BufRead) -> Result<Reply, ServerError> {
    let header = read_line(input)?;
    let Some((&kind, rest)) = header.split_first() else {
        return Err(ServerError::Protocol("an empty line".into()));
    };
    let text = String::from_utf8_lossy(rest).into_owned();
    let number = || {
        text.parse::<i64>()
            .map_err(|_| ServerError::Protocol(format!("`{text}` where a number belongs")))
    };
    Ok(match kind {
        b'+' => Reply::Text(rest.to_vec()),
        b'-' => Reply::Error(text),
        b':' => Reply::Int(number()?),
        b'$' => match usize::try_from(number()?) {
            Err(_) => Reply::Nil,
            Ok(length) => Reply::Text(read_bulk(input, length)?),
        },
        b'*' => match usize::try_from(number()?) {
            Err(_) => Reply::Nil,
            Ok(length) => Reply::List(
                (0..length)
                    .map(|_| read_reply(input))
                    .collect::<Result<_, _>>()?,
            ),
        },
        _ => {
            let line = String::from_utf8_lossy(&header).into_owned();
            return Err(ServerError::Protocol(line));
        }
    })
}

fn read_line(input: &mut impl BufRead) -> Result<Vec<u8>, ServerError> {
    let mut line = Vec::new();
    input
        .read_until(b'\n', &mut line)
        .map_err(ServerError::io("read the server's answer"))?;
    if !line.ends_with(b"\r\n") {
        return Err(ServerError::Protocol("it ends within a line".into()));
    }
    line.truncate(line.len() - 2);
    Ok(line)
}

fn read_bulk(input: &mut impl Read, length: usize) -> Result<Vec<u8>, ServerError> {
    let mut bulk = vec![0; length + 2];
    input
        .read_exact(&mut bulk)
        .map_err(ServerError::io("read the server's answer"))?;
    bulk.truncate(length);
    Ok(bulk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(bytes: &[u8]) -> Result<Reply, ServerError> {
        read_reply(&mut &bytes[..])
    }

    #[test]
    fn each_kind_of_reply_is_read() {
        assert_eq!(reply(b"+OK\r\n").unwrap(), Reply::Text(b"OK".into()));
        assert_eq!(reply(b":-7\r\n").unwrap(), Reply::Int(-7));
        assert_eq!(reply(b"$-1\r\n").unwrap(), Reply::Nil);
        assert_eq!(
            reply(b"$4\r\na\r\nb\r\n").unwrap(),
            Reply::Text(b"a\r\nb".into())
        );
        assert_eq!(
            reply(b"-ERR no\r\n").unwrap(),
            Reply::Error("ERR no".into())
        );
        assert_eq!(
            reply(b"*2\r\n:1\r\n*1\r\n$0\r\n\r\n").unwrap(),
            Reply::List(vec![
                Reply::Int(1),
                Reply::List(vec![Reply::Text(Vec::new())])
            ])
        );
    }

    #[test]
    fn what_is_not_resp_is_an_error() {
        for bytes in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"", b":x\r\n", b"+OK"] {
            assert!(reply(bytes).is_err(), "{bytes:?}");
        }
    }
}
