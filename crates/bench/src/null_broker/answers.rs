//! The null broker's answers. Produce and Fetch are read and written by hand at one version each, in the least work that
//! is possible; the few administrative requests go through `protocol`.

use std::borrow::Cow;
use std::io::{self, ErrorKind};

use protocol::create_topics_response::CreatableTopicResult;
use protocol::delete_topics_response::DeletableTopicResult;
use protocol::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use protocol::{
    ApiKey, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    ListOffsetsResponse, Message, MetadataRequest, MetadataResponse, Uuid,
};

use super::peer::Peer;
use super::store::{Store, TopicId};

/// Bytes of an answer to Produce, its length included.
pub const PRODUCED_BYTES: usize = 66;

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const API_VERSIONS: i16 = 18;

/// A cursor over a request; running out of bytes is an error of the peer.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(ErrorKind::InvalidData)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| ErrorKind::InvalidData.into())
    }

    fn i32(&mut self) -> io::Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn varint(&mut self) -> io::Result<usize> {
        let (value, size) = crate::load::unsigned_varint(self.0).ok_or(ErrorKind::InvalidData)?;
        self.take(size)?;
        usize::try_from(value).map_err(|_| ErrorKind::InvalidData.into())
    }
}

/// Answers one frame. Peers that a produce request woke are added to `woken`.
pub fn answer(
    store: &mut Store,
    port: u16,
    number: u64,
    peer: &mut Peer,
    frame: &[u8],
    woken: &mut Vec<u64>,
) -> io::Result<()> {
    let mut cursor = Cursor(frame);
    let key = i16::from_be_bytes(cursor.array()?);
    cursor.take(2)?;
    let correlation: [u8; 4] = cursor.array()?;
    match key {
        PRODUCE => {
            let client_bytes = i16::from_be_bytes(cursor.array()?);
            cursor.take(usize::try_from(client_bytes).unwrap_or(0) + 1)?;
            produce(store, number, peer, correlation, cursor, woken)
        }
        FETCH => {
            if !fetch(store, peer, frame, Some(number))? {
                peer.parked = Some(frame.to_vec());
            }
            Ok(())
        }
        API_VERSIONS => {
            let out = peer.out();
            out.extend_from_slice(&10_u32.to_be_bytes());
            out.extend_from_slice(&correlation);
            out.extend_from_slice(&[0; 6]);
            Ok(())
        }
        _ => administer(store, port, peer, frame),
    }
}

/// Transactional id, acks, time-out, one topic by id, one partition.
fn produce(
    store: &mut Store,
    peer_number: u64,
    peer: &mut Peer,
    correlation: [u8; 4],
    mut cursor: Cursor<'_>,
    woken: &mut Vec<u64>,
) -> io::Result<()> {
    cursor.take(1 + 2 + 4 + 1)?;
    let id: TopicId = cursor.array()?;
    cursor.take(1)?;
    let number = cursor.i32()?;
    let length = cursor.varint()?.saturating_sub(1);
    let batch = cursor.take(length)?;
    if store.log.is_some() {
        let base = store.partition(&id, number).ok_or(ErrorKind::NotFound)?.take_offsets(batch);
        let answer = (peer_number, produced(correlation, &id, number, base));
        return store.log.as_mut().map_or(Ok(()), |log| log.push(base, batch, answer));
    }
    let partition = store.partition(&id, number).ok_or(ErrorKind::NotFound)?;
    let base = partition.append(batch)?;
    woken.append(&mut partition.sleepers);
    peer.out().extend_from_slice(&produced(correlation, &id, number, base));
    Ok(())
}

/// The answer: no record errors, no message, no throttle time, no tags.
fn produced(correlation: [u8; 4], id: &TopicId, number: i32, base: i64) -> [u8; PRODUCED_BYTES] {
    let mut answer = [0; PRODUCED_BYTES];
    answer[..4].copy_from_slice(&62_u32.to_be_bytes());
    answer[4..8].copy_from_slice(&correlation);
    answer[9] = 2;
    answer[10..26].copy_from_slice(id);
    answer[26] = 2;
    answer[27..31].copy_from_slice(&number.to_be_bytes());
    answer[33..41].copy_from_slice(&base.to_be_bytes());
    answer[41..49].copy_from_slice(&(-1_i64).to_be_bytes());
    answer[57] = 1;
    answer
}

/// Answers a fetch of one partition; false if there is nothing yet and the peer was noted as a sleeper.
fn fetch(store: &mut Store, peer: &mut Peer, frame: &[u8], sleeper: Option<u64>) -> io::Result<bool> {
    let mut cursor = Cursor(frame);
    cursor.take(4)?;
    let correlation: [u8; 4] = cursor.array()?;
    let client_bytes = i16::from_be_bytes(cursor.array()?);
    cursor.take(usize::try_from(client_bytes).unwrap_or(0) + 1)?;
    // Maximal wait, minimal and maximal bytes, isolation, session id and epoch, topic count.
    cursor.take(4 + 4 + 4 + 1 + 4 + 4 + 1)?;
    let id: TopicId = cursor.array()?;
    cursor.take(1)?;
    let number = cursor.i32()?;
    cursor.take(4)?;
    let offset = i64::from_be_bytes(cursor.array()?);
    cursor.take(4 + 8)?;
    let max_bytes = u64::try_from(cursor.i32()?).unwrap_or(0);
    if store.log.is_some() {
        // What is in the one log is not found again.
        return Err(ErrorKind::Unsupported.into());
    }
    let partition = store.partition(&id, number).ok_or(ErrorKind::NotFound)?;
    let (position, length) = partition.read(offset, max_bytes);
    if length == 0
        && let Some(sleeper) = sleeper
    {
        partition.sleepers.push(sleeper);
        return Ok(false);
    }
    let mut size = [0; 5];
    let size = unsigned_varint(length as u32 + 1, &mut size);
    let total = 68 + size.len() + length + 3;
    let out = peer.out();
    out.extend_from_slice(&(total as u32).to_be_bytes());
    out.extend_from_slice(&correlation);
    // Tags; throttle time, error, session id; one topic.
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    out.extend_from_slice(&id);
    out.push(2);
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&partition.next_offset.to_be_bytes());
    out.extend_from_slice(&partition.next_offset.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    // No aborted transactions, no preferred replica.
    out.extend_from_slice(&[0, 0xFF, 0xFF, 0xFF, 0xFF]);
    out.extend_from_slice(size);
    if length > 0 {
        peer.out_file(partition.file.clone(), position, length);
    }
    peer.out().extend_from_slice(&[0; 3]);
    Ok(true)
}

/// A sleeper's fetch, once data is there.
pub fn fetch_again(store: &mut Store, peer: &mut Peer) {
    if let Some(frame) = peer.parked.take() {
        // The frame was read once already, so it is well-formed; its topic may be gone, and then so is the waiter.
        let _ = fetch(store, peer, &frame, None);
    }
}

fn unsigned_varint(mut value: u32, room: &mut [u8; 5]) -> &[u8] {
    let mut used = 0;
    while value >= 0x80 {
        room[used] = (value as u8 & 0x7F) | 0x80;
        value >>= 7;
        used += 1;
    }
    room[used] = value as u8;
    &room[..=used]
}

/// Topics and metadata.
fn administer(store: &mut Store, port: u16, peer: &mut Peer, frame: &[u8]) -> io::Result<()> {
    let nonsense = |_| io::Error::from(ErrorKind::InvalidData);
    let (header, body) = protocol::decode_request_header(frame).map_err(nonsense)?;
    let version = header.request_api_version;
    let key = ApiKey::from_i16(header.request_api_key).ok_or(ErrorKind::InvalidData)?;
    let correlation = header.correlation_id;
    match key {
        ApiKey::CreateTopics => {
            let request: CreateTopicsRequest<'_> = protocol::from_slice(body, version).map_err(nonsense)?;
            let mut response = CreateTopicsResponse::default();
            for topic in &request.topics {
                let id = store.create(&topic.name, topic.num_partitions)?;
                let name = Cow::Borrowed(&*topic.name);
                response.topics.push(CreatableTopicResult { name, topic_id: Uuid(id), ..Default::default() });
            }
            respond(peer, key, version, correlation, &response)
        }
        ApiKey::DeleteTopics => {
            let request: DeleteTopicsRequest<'_> = protocol::from_slice(body, version).map_err(nonsense)?;
            let mut response = DeleteTopicsResponse::default();
            for topic in &request.topics {
                store.delete(&topic.topic_id.0)?;
                response
                    .responses
                    .push(DeletableTopicResult { topic_id: topic.topic_id, ..Default::default() });
            }
            respond(peer, key, version, correlation, &response)
        }
        ApiKey::Metadata => {
            let request: MetadataRequest<'_> = protocol::from_slice(body, version).map_err(nonsense)?;
            respond(peer, key, version, correlation, &metadata(store, port, &request))
        }
        // Asked only to see that the partitions are led: they are.
        ApiKey::ListOffsets => respond(peer, key, version, correlation, &ListOffsetsResponse::default()),
        _ => Err(ErrorKind::Unsupported.into()),
    }
}

fn metadata<'a>(store: &'a Store, port: u16, request: &MetadataRequest<'_>) -> MetadataResponse<'a> {
    let asked: Vec<&str> =
        request.topics.iter().flatten().filter_map(|topic| topic.name.as_deref()).collect();
    let broker = MetadataResponseBroker {
        node_id: 1,
        host: Cow::Borrowed("127.0.0.1"),
        port: i32::from(port),
        rack: None,
    };
    let partition = |index| MetadataResponsePartition {
        partition_index: index,
        leader_id: 1,
        leader_epoch: 0,
        replica_nodes: vec![1],
        isr_nodes: vec![1],
        ..Default::default()
    };
    let topics =
        store.topics.iter().filter(|(_, topic)| asked.contains(&topic.name.as_str())).map(|(id, topic)| {
            MetadataResponseTopic {
                name: Some(Cow::Borrowed(topic.name.as_str())),
                topic_id: Uuid(*id),
                partitions: (0..topic.partitions.len() as i32).map(partition).collect(),
                ..Default::default()
            }
        });
    MetadataResponse {
        brokers: vec![broker],
        controller_id: 1,
        topics: topics.collect(),
        ..Default::default()
    }
}

fn respond<'a, M: Message<'a>>(
    peer: &mut Peer,
    key: ApiKey,
    version: i16,
    correlation: i32,
    response: &M,
) -> io::Result<()> {
    let frame = protocol::encode_response(key, version, correlation, response)
        .map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
    peer.out().extend_from_slice(&frame);
    Ok(())
}
