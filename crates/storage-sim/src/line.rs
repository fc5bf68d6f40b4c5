//! The lines of a script: a closed list of everything that can be asked of a log directory or happen to it.
//!
//! Owns their names, their numbers and their text, one line each: `produce log=1 producer=2 …`. It never does any of it.

use std::fmt;
use std::str::FromStr;

macro_rules! lines {
    ($($(#[$doc:meta])* $name:ident $word:literal { $($field:ident),* })*) => {
        /// One line of a script. All fields are plain numbers, so that a shrinker can lower them.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the fields' names say it, and `course` what becomes of them")]
        pub enum Line {
            $($(#[$doc])* $name { $($field: u64),* },)*
        }

        impl Line {
            /// The line's word.
            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $word,)*
                }
            }

            /// The line's numbers, each with its name.
            pub fn fields(&self) -> Vec<(&'static str, u64)> {
                match self {
                    $(Self::$name { $($field),* } => vec![$((stringify!($field), *$field)),*],)*
                }
            }

            /// The numbers, to be changed.
            pub(crate) fn fields_mut(&mut self) -> Vec<(&'static str, &mut u64)> {
                match self {
                    $(Self::$name { $($field),* } => vec![$((stringify!($field), $field)),*],)*
                }
            }

            /// The line of a word with all numbers zero.
            fn blank(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$name { $($field: 0),* }),)*
                    _ => None,
                }
            }
        }
    };
}

lines! {
    /// How the disk behaves and what lies on it. `names` is 0 any, 1 in order, 2 journaled.
    Disk "disk" { names, zero_tails, dirs, wal_kib }
    /// A topic's log. `policy` is 0 delete, 1 compact.
    Log "log" { log, dir, policy, durable, segment_bytes, index_interval }
    /// A batch of keyed records; `producer` 0 is none. Every `tombstone_in`-th record has no value.
    Produce "produce" { log, producer, records, padding, first_key, tombstone_in, codec, back_ms }
    /// A batch of one record, so large that it goes past the write-ahead log.
    Large "large" { log, producer, kib }
    /// A producer's last batch once more.
    Again "again" { log, producer }
    /// A batch that leaves out a sequence.
    Gap "gap" { log, producer }
    /// A producer's next epoch.
    Bump "bump" { log, producer }
    /// Groups of the write-ahead log are written, at most so many; 0 is all.
    Pump "pump" { dir, tickets }
    /// A group is taken, and its write is slow.
    Hold "hold" { dir }
    /// A slow write comes to its end: the newest or the oldest.
    Release "release" { newest }
    /// A flush of segments is prepared.
    Prepare "prepare" { log }
    /// A prepared flush is done, and the log has not heard of it.
    RunPrepared "run-prepared" { log }
    /// The log hears of the prepared flush that is done.
    Hear "hear" { log }
    /// All that was appended is flushed.
    Flush "flush" { log }
    /// All segments of a directory are flushed, and files of the write-ahead log are freed.
    Checkpoint "checkpoint" { dir }
    /// The checkpoint files are written, nothing is flushed.
    Offsets "offsets" { dir }
    /// The high watermarks are written.
    Watermarks "watermarks" { dir }
    /// What an idle node does once: prove the last group.
    Prove "prove" { dir }
    /// A segment is rolled.
    Roll "roll" { log }
    /// A cleaning begins, with a map of so many keys, and goes on for so many pieces; 0 is to its end. `settle` flushes
    /// and checkpoints before, so that there is something to clean.
    Clean "clean" { log, keys, later_ms, pieces, settle }
    /// The cleaning under way goes on.
    CleanOn "clean-on" { log, pieces }
    /// Records are deleted up to so many eighths of what is left.
    DeleteRecords "delete-records" { log, eighths }
    /// Retention by size.
    RetainBytes "retain-bytes" { log, bytes }
    /// Retention by time.
    RetainTime "retain-time" { log, ms }
    /// Files and directories out of use are removed.
    Expire "expire" { dir }
    /// The end is cut off, as another leader's branch would have it.
    Truncate "truncate" { log, records }
    /// The topic is deleted and made again.
    Recreate "recreate" { log }
    /// A new leader epoch.
    Epoch "epoch" { log }
    /// `durability.mode` changes.
    Mode "mode" { log, durable }
    /// A fetch from so many eighths of the log on.
    Read "read" { log, eighths, bytes }
    /// ListOffsets by a timestamp.
    Times "times" { log, back_ms }
    /// A copy of the disk is opened without what can be rebuilt: 1 indexes, 2 time indexes, 4 snapshots, 8 epochs;
    /// with 16, a bit of every index is wrong.
    Rebuild "rebuild" { dir, without }
    /// Calls on the disk fail. `action` and `place` are numbers in the tables of `course`.
    Fault "fault" { action, place, skip, times, errno }
    /// The same, from the next start on.
    FaultAtStart "fault-at-start" { action, place, skip, times, errno }
    /// A bit of a file of a directory turns over. `kind` is a number in the table of `course`, `which` picks among the files
    /// of that kind.
    Rot "rot" { dir, kind, which, bit }
    /// The same, between the end of this life and the next start.
    RotAtStart "rot-at-start" { dir, kind, which, bit }
    /// The disk is full but for so many bytes.
    Full "full" { spare }
    /// There is space again.
    Free "free" {}
    /// The machine stops at its n-th change of the disk from here.
    Halt "halt" { effects }
    /// The process ends (`how`: 0 kill, 1 power loss, 2 cleanly, 3 cleanly and then power loss) and starts again; with
    /// `halt` it is stopped again at that change of the disk.
    Stop "stop" { how, seed, halt }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        self.fields().into_iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let word = words.next().ok_or("an empty line")?;
        let mut line = Self::blank(word).ok_or_else(|| format!("`{word}` is no line of a script"))?;
        for part in words {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not name=number"))?;
            let value: u64 = value.parse().map_err(|error| format!("`{part}`: {error}"))?;
            let mut fields = line.fields_mut();
            let field = fields.iter_mut().find(|(known, _)| *known == name);
            let (_, field) = field.ok_or_else(|| format!("`{word}` has no `{name}`"))?;
            **field = value;
        }
        Ok(line)
    }
}
