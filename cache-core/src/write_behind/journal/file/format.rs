//! The bytes of a journal's file: events in frames, each with its length and checksum.

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::ports::journal::{Change, Entry, Position, Record};

/// What the file begins with.
pub(super) const MAGIC: &[u8; 8] = b"socwb 1\n";

/// A frame holds no more than this; a length above it is not one.
const FRAME_BYTES_MAX: usize = 1 << 30;

static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What happened to a journal. Reading all events in their order gives its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The first event of a file.
    Began {
        identity: String,
        shards: u32,
    },
    /// Where a shard stood when the file was rewritten.
    Stood {
        shard: u32,
        tail: Position,
        acknowledged: Position,
    },
    Appended {
        shard: u32,
        record: Record,
    },
    /// Everything up to the position.
    Acknowledged {
        shard: u32,
        position: Position,
    },
    Buried {
        shard: u32,
        position: Position,
        died_unix_ms: u64,
        error: String,
    },
    /// A dead letter that was there when the file was rewritten.
    Dead {
        shard: u32,
        record: Record,
        died_unix_ms: u64,
        superseded: bool,
        error: String,
    },
    Forgotten {
        shard: u32,
        position: Position,
    },
}

/// Appends an event's frame.
pub(super) fn write(out: &mut Vec<u8>, event: &Event) {
    let begin = out.len();
    out.extend([0; 8]);
    put_event(out, event);
    let Some((head, payload)) = out.get_mut(begin..).and_then(|frame| frame.split_at_mut_checked(8)) else { return };
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let (to_length, to_sum) = head.split_at_mut(4);
    to_length.copy_from_slice(&length.to_le_bytes());
    to_sum.copy_from_slice(&CRC.checksum(payload).to_le_bytes());
}

/// The first event of `bytes`, and what follows. `None` if there is no whole and sound one.
pub(super) fn read(bytes: &[u8]) -> Option<(Event, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length =
        usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| (1..=FRAME_BYTES_MAX).contains(length))?;
    let (payload, rest) = rest.split_at_checked(length)?;
    if CRC.checksum(payload) != u32::from_le_bytes(*sum) {
        return None;
    }
    let mut reader = Reader(payload);
    let event = reader.event()?;
    reader.0.is_empty().then_some((event, rest))
}

fn put_event(out: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Began { identity, shards } => {
            out.push(b'b');
            put_bytes(out, identity.as_bytes());
            out.extend(shards.to_le_bytes());
        }
        Event::Stood { shard, tail, acknowledged } => {
            out.push(b's');
            out.extend(shard.to_le_bytes());
            out.extend(tail.to_le_bytes());
            out.extend(acknowledged.to_le_bytes());
        }
        Event::Appended { shard, record } => {
            out.push(b'a');
            out.extend(shard.to_le_bytes());
            put_record(out, record);
        }
        Event::Acknowledged { shard, position } => {
            out.push(b'k');
            out.extend(shard.to_le_bytes());
            out.extend(position.to_le_bytes());
        }
        Event::Buried { shard, position, died_unix_ms, error } => {
            out.push(b'x');
            out.extend(shard.to_le_bytes());
            out.extend(position.to_le_bytes());
            out.extend(died_unix_ms.to_le_bytes());
            put_bytes(out, error.as_bytes());
        }
        Event::Dead { shard, record, died_unix_ms, superseded, error } => {
            out.push(b'd');
            out.extend(shard.to_le_bytes());
            put_record(out, record);
            out.extend(died_unix_ms.to_le_bytes());
            out.push(u8::from(*superseded));
            put_bytes(out, error.as_bytes());
        }
        Event::Forgotten { shard, position } => {
            out.push(b'f');
            out.extend(shard.to_le_bytes());
            out.extend(position.to_le_bytes());
        }
    }
}

fn put_record(out: &mut Vec<u8>, record: &Record) {
    out.extend(record.position.to_le_bytes());
    put_bytes(out, &record.entry.key);
    match &record.entry.change {
        Change::Absolute(bytes) => {
            out.push(b'A');
            put_bytes(out, bytes);
        }
        Change::Add { column, by } => {
            out.push(b'I');
            put_bytes(out, column.as_bytes());
            out.extend(by.to_le_bytes());
        }
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(bytes);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn event(&mut self) -> Option<Event> {
        Some(match self.u8()? {
            b'b' => Event::Began { identity: self.text()?, shards: self.u32()? },
            b's' => Event::Stood { shard: self.u32()?, tail: self.u64()?, acknowledged: self.u64()? },
            b'a' => Event::Appended { shard: self.u32()?, record: self.record()? },
            b'k' => Event::Acknowledged { shard: self.u32()?, position: self.u64()? },
            b'x' => Event::Buried {
                shard: self.u32()?,
                position: self.u64()?,
                died_unix_ms: self.u64()?,
                error: self.text()?,
            },
            b'd' => Event::Dead {
                shard: self.u32()?,
                record: self.record()?,
                died_unix_ms: self.u64()?,
                superseded: self.u8()? == 1,
                error: self.text()?,
            },
            b'f' => Event::Forgotten { shard: self.u32()?, position: self.u64()? },
            _ => return None,
        })
    }

    fn record(&mut self) -> Option<Record> {
        let (position, key) = (self.u64()?, self.bytes()?);
        let change = match self.u8()? {
            b'A' => Change::Absolute(self.bytes()?),
            b'I' => Change::Add { column: self.text()?, by: i64::from_le_bytes(self.array()?) },
            _ => return None,
        };
        Some(Record { position, entry: Entry { key, change } })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes.to_vec())
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Vec<Event> {
        let record = |position, change| Record { position, entry: Entry { key: vec![0, 255, 7], change } };
        vec![
            Event::Began { identity: "file:x:1".to_owned(), shards: 4 },
            Event::Stood { shard: 1, tail: u64::MAX, acknowledged: 3 },
            Event::Appended { shard: 2, record: record(9, Change::Absolute((0..=255).collect())) },
            Event::Appended { shard: 2, record: record(10, Change::Add { column: "n".to_owned(), by: i64::MIN }) },
            Event::Acknowledged { shard: 3, position: 8 },
            Event::Buried { shard: 0, position: 9, died_unix_ms: 5, error: "no".to_owned() },
            Event::Dead {
                shard: 0,
                record: record(1, Change::Absolute(Vec::new())),
                died_unix_ms: 6,
                superseded: true,
                error: String::new(),
            },
            Event::Forgotten { shard: 0, position: 1 },
        ]
    }

    #[test]
    fn events_come_back_as_they_were_written() {
        let mut bytes = Vec::new();
        events().iter().for_each(|event| write(&mut bytes, event));
        let mut rest = bytes.as_slice();
        let mut back = Vec::new();
        while let Some((event, after)) = read(rest) {
            back.push(event);
            rest = after;
        }
        assert_eq!(back, events());
        assert!(rest.is_empty());
    }

    #[test]
    fn a_frame_that_is_cut_or_changed_anywhere_is_none() {
        for event in events() {
            let mut bytes = Vec::new();
            write(&mut bytes, &event);
            for length in 0..bytes.len() {
                assert_eq!(read(&bytes[..length]), None, "{event:?} cut to {length}");
            }
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert_eq!(read(&changed), None, "{event:?} changed at {at}");
            }
        }
        assert_eq!(read(&[0; 64]), None, "zeros, as a power cut leaves them");
    }
}
