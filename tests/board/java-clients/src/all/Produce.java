import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;

/** The producer. */
final class Produce {
    private Produce() {
    }

    private static void roundTrip(World world, String codec) throws Exception {
        String topic = world.topic("codec-" + codec, 3);
        world.fill(topic, 600, "compression.type", codec);
        World.whole(world.read(topic, 600), 600);
    }

    @Board.Case static void codecNone(World world) throws Exception {
        roundTrip(world, "none");
    }

    @Board.Case static void codecGzip(World world) throws Exception {
        roundTrip(world, "gzip");
    }

    @Board.Case static void codecSnappy(World world) throws Exception {
        roundTrip(world, "snappy");
    }

    @Board.Case static void codecLz4(World world) throws Exception {
        roundTrip(world, "lz4");
    }

    @Board.Case static void codecZstd(World world) throws Exception {
        roundTrip(world, "zstd");
    }

    /** The topic's codec is not the producer's: the broker compresses anew. */
    @Board.Case static void brokerCompressesAnew(World world) throws Exception {
        for (String codec : Arrays.asList("gzip", "snappy", "lz4", "zstd", "uncompressed")) {
            String topic = world.topic("anew-" + codec, 1, "compression.type", codec);
            world.fill(topic, 200, "compression.type", codec.equals("lz4") ? "none" : "lz4");
            World.whole(world.read(topic, 200), 200);
        }
    }

    private static void acks(World world, String acks) throws Exception {
        String topic = world.topic("acks" + acks, 1);
        List<RecordMetadata> sent = world.fill(topic, 100, "acks", acks, "enable.idempotence", "false");
        World.same("offset of the last record", acks.equals("0") ? -1L : 99L, sent.get(99).offset());
        World.whole(world.read(topic, 100), 100);
    }

    @Board.Case static void acks0(World world) throws Exception {
        acks(world, "0");
    }

    @Board.Case static void acks1(World world) throws Exception {
        acks(world, "1");
    }

    @Board.Case static void acksAll(World world) throws Exception {
        acks(world, "all");
    }

    @Board.Case static void idempotent(World world) throws Exception {
        String topic = world.topic("idempotent", 2);
        world.fill(topic, 2000, "enable.idempotence", "true", "acks", "all", "batch.size", "2000");
        List<ConsumerRecord<String, String>> got = world.read(topic, 2000);
        World.whole(got, 2000);
        Map<Integer, Integer> last = new HashMap<>();
        for (ConsumerRecord<String, String> record : got) {
            int n = Integer.parseInt(record.value().substring(1));
            Integer before = last.put(record.partition(), n);
            World.check("order of partition " + record.partition(), before == null || before < n);
        }
    }

    @Board.Case static void headersNullsAndEmpties(World world) throws Exception {
        String topic = world.topic("headers", 1);
        try (KafkaProducer<String, String> producer = world.producer()) {
            ProducerRecord<String, String> first = new ProducerRecord<>(topic, 0, null, "");
            first.headers().add("a", World.bytes("1")).add("b", null).add("a", World.bytes("2")).add("", new byte[0]);
            producer.send(first).get();
            producer.send(new ProducerRecord<>(topic, 0, "tombstone", null)).get();
        }
        List<ConsumerRecord<String, String>> got = world.read(topic, 2);
        World.same("null key", null, got.get(0).key());
        World.same("empty value", "", got.get(0).value());
        List<String> headers = new ArrayList<>();
        for (Header header : got.get(0).headers()) {
            headers.add(header.key() + "=" + (header.value() == null ? "null" : new String(header.value())));
        }
        World.same("headers", Arrays.asList("a=1", "b=null", "a=2", "="), headers);
        World.same("null value", null, got.get(1).value());
    }

    @Board.Case static void createTime(World world) throws Exception {
        String topic = world.topic("create-time", 1);
        try (KafkaProducer<String, String> producer = world.producer()) {
            RecordMetadata sent = producer.send(new ProducerRecord<>(topic, 0, 1_700_000_000_123L, "k0", "v0")).get();
            World.same("timestamp in the answer", 1_700_000_000_123L, sent.timestamp());
        }
        ConsumerRecord<String, String> got = world.read(topic, 1).get(0);
        World.same("timestamp", 1_700_000_000_123L, got.timestamp());
        World.same("timestamp type", TimestampType.CREATE_TIME, got.timestampType());
        World.same("leader epoch", 0, got.leaderEpoch().get());
    }

    @Board.Case static void logAppendTime(World world) throws Exception {
        String topic = world.topic("append-time", 1, "message.timestamp.type", "LogAppendTime");
        long before = System.currentTimeMillis();
        RecordMetadata sent;
        try (KafkaProducer<String, String> producer = world.producer("compression.type", "gzip")) {
            sent = producer.send(new ProducerRecord<>(topic, 0, 1L, "k0", "v0")).get();
        }
        World.check("the broker's time in the answer", sent.timestamp() >= before && sent.timestamp() < before + 60_000);
        ConsumerRecord<String, String> got = world.read(topic, 1).get(0);
        World.same("timestamp", sent.timestamp(), got.timestamp());
        World.same("timestamp type", TimestampType.LOG_APPEND_TIME, got.timestampType());
    }

    @Board.Case static void partitionAndOffsetInTheAnswer(World world) throws Exception {
        String topic = world.topic("metadata", 4);
        try (KafkaProducer<String, String> producer = world.producer()) {
            for (int i = 0; i < 12; i++) {
                RecordMetadata sent = producer.send(new ProducerRecord<>(topic, i % 4, "k", "value")).get();
                World.same("topic", topic, sent.topic());
                World.same("partition", i % 4, sent.partition());
                World.same("offset", (long) (i / 4), sent.offset());
                World.same("bytes of the value", 5, sent.serializedValueSize());
            }
        }
    }

    @Board.Case static void keysGoToTheSamePartition(World world) throws Exception {
        String topic = world.topic("by-key", 5);
        world.fill(topic, 100);
        world.fill(topic, 100);
        Map<String, Integer> where = new HashMap<>();
        for (ConsumerRecord<String, String> record : world.read(topic, 200)) {
            Integer before = where.put(record.key(), record.partition());
            World.check("partition of " + record.key(), before == null || before == record.partition());
        }
        World.same("keys", 100, where.size());
    }

    @Board.Case static void recordTooLargeForTheTopic(World world) throws Exception {
        String topic = world.topic("too-large", 1, "max.message.bytes", "2000");
        try (KafkaProducer<String, String> producer = world.producer()) {
            char[] big = new char[5000];
            Arrays.fill(big, 'x');
            World.fails(RecordTooLargeException.class, () -> producer.send(new ProducerRecord<>(topic, new String(big))).get());
            World.same("the next one", 0L, producer.send(new ProducerRecord<>(topic, "small")).get().offset());
        }
    }

    @Board.Case static void largeRecord(World world) throws Exception {
        String topic = world.topic("large", 1, "max.message.bytes", "6000000");
        char[] big = new char[5_000_000];
        for (int i = 0; i < big.length; i++) {
            big[i] = (char) ('a' + i * 31L % 26);
        }
        String text = new String(big);
        try (KafkaProducer<String, String> producer = world.producer("max.request.size", "6000000", "buffer.memory", "20000000")) {
            producer.send(new ProducerRecord<>(topic, text)).get();
        }
        World.same("the record", text, world.read(topic, 1, "max.partition.fetch.bytes", "1000", "fetch.max.bytes", "1000").get(0).value());
    }

    @Board.Case static void invalidTopicName(World world) throws Exception {
        try (KafkaProducer<String, String> producer = world.producer("max.block.ms", "5000")) {
            World.fails(InvalidTopicException.class, () -> producer.send(new ProducerRecord<>("no topic!", "v")).get());
        }
    }

    @Board.Case static void createsTopicsByItself(World world) throws Exception {
        String topic = world.name("by-itself");
        world.fill(topic, 10);
        World.whole(world.read(topic, 10), 10);
    }

    @Board.Case static void flushWaitsForAll(World world) throws Exception {
        String topic = world.topic("flush", 2);
        try (KafkaProducer<String, String> producer = world.producer("linger.ms", "10000")) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 50; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, "k" + i, "v" + i)));
            }
            producer.flush();
            World.check("all done after flush", sent.stream().allMatch(Future::isDone));
        }
    }

    @Board.Case static void partitionsFor(World world) throws Exception {
        String topic = world.topic("partitions-for", 3);
        try (KafkaProducer<String, String> producer = world.producer()) {
            World.same("partitions", 3, producer.partitionsFor(topic).size());
            World.same("in-sync replicas", 1, producer.partitionsFor(topic).get(0).inSyncReplicas().length);
        }
    }

    @Board.Case static void manyProducersOnePartition(World world) throws Exception {
        String topic = world.topic("many", 1);
        List<Thread> threads = new ArrayList<>();
        List<Throwable> errors = Collections.synchronizedList(new ArrayList<>());
        for (int i = 0; i < 4; i++) {
            Thread thread = new Thread(() -> {
                try {
                    world.fill(topic, 250, "batch.size", "2000");
                } catch (Exception reason) {
                    errors.add(reason);
                }
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }
        World.same("errors", Collections.emptyList(), errors);
        List<ConsumerRecord<String, String>> got = world.read(topic, 1000);
        for (int i = 0; i < 1000; i++) {
            World.same("offset", (long) i, got.get(i).offset());
        }
    }

    @Board.Case static void compactedTopicWantsKeys(World world) throws Exception {
        String topic = world.topic("compacted", 1, "cleanup.policy", "compact");
        try (KafkaProducer<String, String> producer = world.producer("retries", "0", "enable.idempotence", "false")) {
            try {
                producer.send(new ProducerRecord<>(topic, "no key")).get();
                throw new AssertionError("a record without a key was taken");
            } catch (java.util.concurrent.ExecutionException reason) {
                // Newer clients have an exception of its own for it, 2.1 says that the record is corrupt.
                String kind = reason.getCause().getClass().getSimpleName();
                World.check("kind of error: " + reason.getCause(), kind.equals("InvalidRecordException") || kind.equals("UnknownServerException"));
            }
            producer.send(new ProducerRecord<>(topic, "key", "value")).get();
        }
        try (KafkaConsumer<String, String> consumer = world.consumer(null)) {
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(Collections.singleton(partition));
            World.same("what is there", "value", World.take(consumer, 1).get(0).value());
        }
    }
}
