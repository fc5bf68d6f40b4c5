import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTopicException;

/** The consumer without a group: positions, fetches, offsets. */
final class Consume {
    private Consume() {
    }

    @Board.Case static void seekAndPosition(World world) throws Exception {
        String topic = world.topic("seek", 1);
        world.fill(topic, 100);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> consumer = world.consumer(null)) {
            consumer.assign(Collections.singleton(partition));
            consumer.seek(partition, 42);
            World.same("record at 42", 42L, World.take(consumer, 58).get(0).offset());
            World.same("position at the end", 100L, consumer.position(partition));
            consumer.seekToBeginning(Collections.singleton(partition));
            World.same("position at the beginning", 0L, consumer.position(partition));
            consumer.seekToEnd(Collections.singleton(partition));
            World.same("position at the end", 100L, consumer.position(partition));
        }
    }

    @Board.Case static void pauseAndResume(World world) throws Exception {
        String topic = world.topic("pause", 2);
        world.fill(topic, 50);
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        try (KafkaConsumer<String, String> consumer = world.consumer(null)) {
            consumer.assign(Arrays.asList(first, second));
            consumer.pause(Collections.singleton(first));
            long expected = consumer.endOffsets(Collections.singleton(second)).get(second);
            for (ConsumerRecord<String, String> record : World.take(consumer, (int) expected)) {
                World.same("partition while the other is paused", 1, record.partition());
            }
            World.check("nothing more while paused", consumer.poll(Duration.ofMillis(300)).isEmpty());
            consumer.resume(consumer.paused());
            World.take(consumer, 50 - (int) expected);
        }
    }

    @Board.Case static void beginningAndEndOffsets(World world) throws Exception {
        String topic = world.topic("offsets", 2);
        try (KafkaProducer<String, String> producer = world.producer()) {
            for (int i = 0; i < 30; i++) {
                producer.send(new ProducerRecord<>(topic, 0, "k", "v")).get();
            }
        }
        TopicPartition filled = new TopicPartition(topic, 0);
        TopicPartition empty = new TopicPartition(topic, 1);
        world.admin.deleteRecords(Collections.singletonMap(filled, RecordsToDelete.beforeOffset(10))).all().get();
        try (KafkaConsumer<String, String> consumer = world.consumer(null)) {
            Map<TopicPartition, Long> begins = consumer.beginningOffsets(Arrays.asList(filled, empty));
            Map<TopicPartition, Long> ends = consumer.endOffsets(Arrays.asList(filled, empty));
            World.same("beginning after deletion", 10L, begins.get(filled));
            World.same("end", 30L, ends.get(filled));
            World.same("beginning of the empty one", 0L, begins.get(empty));
            World.same("end of the empty one", 0L, ends.get(empty));
        }
    }

    @Board.Case static void offsetsForTimes(World world) throws Exception {
        String topic = world.topic("times", 1);
        try (KafkaProducer<String, String> producer = world.producer("linger.ms", "0", "compression.type", "lz4")) {
            Future<?> last = null;
            for (int i = 0; i < 100; i++) {
                last = producer.send(new ProducerRecord<>(topic, 0, 1_700_000_000_000L + i * 10, "k" + i, "v" + i));
            }
            last.get();
        }
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> consumer = world.consumer(null)) {
            OffsetAndTimestamp exact = consumer.offsetsForTimes(Collections.singletonMap(partition, 1_700_000_000_500L)).get(partition);
            World.same("offset at the exact time", 50L, exact.offset());
            OffsetAndTimestamp between = consumer.offsetsForTimes(Collections.singletonMap(partition, 1_700_000_000_501L)).get(partition);
            World.same("offset between two", 51L, between.offset());
            World.same("its timestamp", 1_700_000_000_510L, between.timestamp());
            World.same("leader epoch", 0, between.leaderEpoch().get());
            World.same("after the end", null, consumer.offsetsForTimes(Collections.singletonMap(partition, 1_800_000_000_000L)).get(partition));
            World.same("before all", 0L, consumer.offsetsForTimes(Collections.singletonMap(partition, 0L)).get(partition).offset());
        }
    }

    @Board.Case static void readCommittedSeesPlainRecords(World world) throws Exception {
        String topic = world.topic("committed", 2);
        world.fill(topic, 80);
        World.whole(world.read(topic, 80, "isolation.level", "read_committed"), 80);
    }

    @Board.Case static void smallFetches(World world) throws Exception {
        String topic = world.topic("small", 3);
        for (int i = 0; i < 5; i++) {
            world.fill(topic, 100);
        }
        world.read(topic, 500, "max.partition.fetch.bytes", "300", "fetch.max.bytes", "700", "max.poll.records", "7");
    }

    @Board.Case static void fetchWaitsForMinBytes(World world) throws Exception {
        String topic = world.topic("min-bytes", 1);
        try (KafkaConsumer<String, String> consumer = world.consumer(null, "fetch.min.bytes", "100000", "fetch.max.wait.ms", "400")) {
            consumer.assign(world.partitions(topic));
            consumer.poll(Duration.ofMillis(200));
            world.fill(topic, 5);
            World.whole(World.take(consumer, 5), 5);
        }
    }

    @Board.Case static void noResetMeansNoOffset(World world) throws Exception {
        String topic = world.topic("no-reset", 1);
        world.fill(topic, 20);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> consumer = world.consumer("board-none-" + topic, "auto.offset.reset", "none")) {
            consumer.assign(Collections.singleton(partition));
            World.fails(NoOffsetForPartitionException.class, () -> consumer.poll(Duration.ofSeconds(10)));
            consumer.seek(partition, 1000);
            World.fails(OffsetOutOfRangeException.class, () -> {
                ConsumerRecords<String, String> got = consumer.poll(Duration.ofSeconds(5));
                while (got.isEmpty()) {
                    got = consumer.poll(Duration.ofSeconds(5));
                }
                return got;
            });
        }
    }

    @Board.Case static void outOfRangeResetsToEarliest(World world) throws Exception {
        String topic = world.topic("reset", 1);
        world.fill(topic, 20);
        TopicPartition partition = new TopicPartition(topic, 0);
        world.admin.deleteRecords(Collections.singletonMap(partition, RecordsToDelete.beforeOffset(5))).all().get();
        try (KafkaConsumer<String, String> consumer = world.consumer(null)) {
            consumer.assign(Collections.singleton(partition));
            consumer.seek(partition, 0);
            World.same("first record", 5L, World.take(consumer, 15).get(0).offset());
        }
    }

    @Board.Case static void latestSeesOnlyWhatComes(World world) throws Exception {
        String topic = world.topic("latest", 1);
        world.fill(topic, 20);
        try (KafkaConsumer<String, String> consumer = world.consumer(null, "auto.offset.reset", "latest")) {
            List<TopicPartition> all = world.partitions(topic);
            consumer.assign(all);
            World.same("position", 20L, consumer.position(all.get(0)));
            world.fill(topic, 3);
            World.same("first record", 20L, World.take(consumer, 3).get(0).offset());
        }
    }

    @Board.Case static void listTopicsAndPartitions(World world) throws Exception {
        String topic = world.topic("listed", 3);
        try (KafkaConsumer<String, String> consumer = world.consumer(null)) {
            Map<String, List<PartitionInfo>> all = consumer.listTopics();
            World.same("partitions of the topic", 3, all.get(topic).size());
            World.same("leader", consumer.partitionsFor(topic).get(0).leader(), all.get(topic).get(0).leader());
        }
    }

    @Board.Case static void invalidTopicName(World world) throws Exception {
        try (KafkaConsumer<String, String> consumer = world.consumer(null)) {
            World.fails(InvalidTopicException.class, () -> consumer.partitionsFor("no topic!", Duration.ofSeconds(10)));
        }
    }

    @Board.Case static void followsATopicThatIsMadeAnew(World world) throws Exception {
        String topic = world.topic("anew", 1);
        world.fill(topic, 10);
        World.whole(world.read(topic, 10), 10);
        world.admin.deleteTopics(Collections.singleton(topic)).all().get();
        World.await("deletion", () -> !world.admin.listTopics().names().get().contains(topic));
        world.topic("anew", 1);
        world.fill(topic, 4);
        World.whole(world.read(topic, 4), 4);
    }

    @Board.Case static void metricsOfLag(World world) throws Exception {
        String topic = world.topic("lag", 1);
        world.fill(topic, 40);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> consumer = world.consumer(null, "max.poll.records", "10")) {
            consumer.assign(Collections.singleton(partition));
            World.take(consumer, 10);
            double lag = consumer.metrics().entrySet().stream()
                .filter(each -> each.getKey().name().equals("records-lag") && topic.equals(each.getKey().tags().get("topic")))
                .mapToDouble(each -> ((Number) each.getValue().metricValue()).doubleValue()).findFirst().getAsDouble();
            World.same("records-lag", 30.0, lag);
        }
    }
}
