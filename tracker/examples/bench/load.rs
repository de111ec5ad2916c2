//! A client that sends as fast as it is answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::body::Bodies;

/// Sends batches of `size` to `address` for `time`: how many checkpoints were
/// answered with 200. Refusals for lack of room are sent again.
pub(crate) fn send(address: &str, lane: u128, size: usize, time: Duration) -> u64 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let (mut bodies, mut body, mut request) = (Bodies::new(lane, size), String::new(), Vec::new());
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < time {
        bodies.next(&mut body);
        request.clear();
        write!(
            request,
            "POST /v1/checkpoints HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        loop {
            stream.write_all(&request).unwrap();
            match answer(&mut answers) {
                200 => break,
                503 => std::thread::sleep(Duration::from_millis(5)),
                status => panic!("answered {status}"),
            }
        }
        sent += size as u64;
    }
    sent
}

fn answer(answers: &mut BufReader<TcpStream>) -> u16 {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(answers.read_line(&mut head).unwrap(), 0, "the server closed: {head}");
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.split_once("content-length:").unwrap().1.lines().next().unwrap();
    let mut body = vec![0; length.trim().parse().unwrap()];
    answers.read_exact(&mut body).unwrap();
    head.split(' ').nth(1).unwrap().parse().unwrap()
}
